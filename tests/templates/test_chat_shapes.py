"""Chat templates of many shapes: which messages they know, what they write around an answer, how a conversation begins and ends."""

import datetime
from typing import TYPE_CHECKING, Any

import pytest

from templates.chat import ChatTemplateConfig, EncodeError, Message, encode_prompt, frame_answer
from templates.chat_options import asks_clock, bind, used_options
from templates.unrendered import UnrenderedKey, unrendered_keys
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import encode_one
from tests.templates.test_chat import chat, trained_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEADER = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TURN = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
# Writes a system message of its own where the chat begins with another.
DEFAULT_SYSTEM = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    + TURN
    + "{% endfor %}"
    + HEADER
)
WANTS_A_QUESTION = (
    "{% set seen = namespace(user=false) %}{% for m in messages %}{% if m['role'] == 'user' %}{% set seen.user = true %}{% endif %}"
    "{% endfor %}{% if not seen.user %}{{ raise_exception('No user query') }}{% endif %}" + DEFAULT_SYSTEM
)
ALTERNATES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    + TURN
    + "{% endfor %}"
    + HEADER
)
KNOWS_THREE = "{% for m in messages %}{% if m['role'] in ['system', 'user', 'assistant'] %}" + TURN + "{% endif %}{% endfor %}" + HEADER
REFUSES_OTHERS = (
    "{% for m in messages %}{% if m['role'] not in ['system', 'user', 'assistant'] %}{{ raise_exception('Unknown role') }}{% endif %}"
    + TURN
    + "{% endfor %}"
    + HEADER
)
FIRST_SYSTEM_ALONE = "{% for m in messages %}{% if m['role'] != 'system' or loop.first %}" + TURN + "{% endif %}{% endfor %}" + HEADER
CLOSES = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} "
    "{{ c.function.arguments | tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% else %}<|endoftext|>{% endif %}"
)
# As reasoning models do: an empty thought before the last answer, where that has none of its own.
EMPTY_THOUGHT = (
    "{% for m in messages %}{% if m['role'] == 'assistant' and loop.last and '</think>' not in m['content'] %}"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n{{ m['content'] }}<|im_end|>\n{% else %}" + TURN + "{% endif %}{% endfor %}" + HEADER
)
CHANNEL = CHATML.replace(
    "{{ message['content'] }}", "{{ '<|im_start|>final\n' if message['role'] == 'assistant' }}{{ message['content'] }}"
)
SPACES = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|im_start|>[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }} <|im_end|>{% endif %}{% endfor %}"
)
DATED = "<|im_start|>system\nToday is {{ strftime_now('%d %b %Y') }}.<|im_end|>\n" + CHATML
CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}


def said(*turns: str) -> list[Message]:
    """Messages of `role: content`."""
    return [{"role": role, "content": content} for role, _, content in (turn.partition(": ") for turn in turns)]


def folding(template: str) -> "PreTrainedTokenizerFast":
    tokenizer = make_tokenizer(template)
    bind(tokenizer, ChatTemplateConfig(fold_system=True))
    return tokenizer


@pytest.mark.parametrize("template", [CHATML, "{{ bos_token }}" + CHATML, DEFAULT_SYSTEM, WANTS_A_QUESTION, CLOSES])
@pytest.mark.parametrize("before", [(), ("system: Be brief.",)])
def test_the_turn_that_opens_a_chat_is_trained_as_any_other(template: str, before: tuple[str, ...]) -> None:
    tokenizer = make_tokenizer(template)
    encoded = encode_one(tokenizer, said(*before, "assistant: Good morning.", "user: Hm", "assistant: Yes?"))
    assert trained_text(tokenizer, encoded) == ["Good morning.<|im_end|>", "Yes?<|im_end|>"]
    assert not encoded.left_out


@pytest.mark.parametrize("template", [CHATML, DEFAULT_SYSTEM])
def test_the_prompt_of_an_opening_is_the_one_that_is_trained(template: str) -> None:
    tokenizer = make_tokenizer(template)
    for before in ([], said("system: Be brief.")):
        encoded = encode_one(tokenizer, [*before, *said("assistant: Good morning.")])
        assert encode_prompt(tokenizer, before) == encoded.input_ids[: encoded.loss_weights.index(1.0)]


def test_an_opening_that_the_chat_template_does_not_take_is_left_out_and_said() -> None:
    tokenizer = make_tokenizer(ALTERNATES)
    opened = said("assistant: Good morning.", "user: Hm", "assistant: Yes?")
    encoded = encode_one(tokenizer, opened)
    assert trained_text(tokenizer, encoded) == ["Yes?<|im_end|>"]
    assert (encoded.left_out, "Good morning" in encoded.text) == ((0,), False)
    assert encode_prompt(tokenizer, opened[:2]) == encoded.input_ids[: encoded.loss_weights.index(1.0)]
    # Roles that are out of order elsewhere are no opening.
    with pytest.raises(EncodeError, match="Roles must alternate"):
        encode_one(tokenizer, said("user: a", "user: b", "assistant: c"))


@pytest.mark.parametrize("template", [KNOWS_THREE, REFUSES_OTHERS])
def test_a_developers_message_is_the_systems_where_the_chat_template_knows_that_alone(template: str) -> None:
    tokenizer = make_tokenizer(template)
    encoded = encode_one(tokenizer, said("developer: Be brief.", "user: Hm", "assistant: Yes?"))
    assert encoded.text.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert encode_prompt(tokenizer, said("developer: Be brief.", "user: Hm")) == encoded.input_ids[: encoded.loss_weights.index(1.0)]


def test_a_role_that_the_chat_template_knows_stays() -> None:
    encoded = encode_one(make_tokenizer(CHATML), said("developer: Be brief.", "user: Hm", "assistant: Yes?"))
    assert encoded.text.startswith("<|im_start|>developer\nBe brief.")


@pytest.mark.parametrize(
    ("template", "turns", "error"),
    [
        (
            KNOWS_THREE,
            ("system: a", "developer: b", "user: c", "assistant: d"),
            r"messages\[1\], whose role is 'developer'.*fold_system: true",
        ),
        (FIRST_SYSTEM_ALONE, ("system: a", "system: b", "user: c", "assistant: d"), r"messages\[1\], whose role is 'system'.*fold_system"),
        (
            FIRST_SYSTEM_ALONE,
            ("user: c", "assistant: d", "system: b", "user: e", "assistant: f"),
            r"messages\[2\], whose role.*fold_system",
        ),
        (SPACES, ("system: a", "user: c", "assistant: d"), r"messages\[0\], whose role is 'system'.*fold_system"),
        (ALTERNATES, ("system: a", "user: c", "assistant: d"), "System role not supported.*fold_system: true"),
        (ALTERNATES, ("system: a", "assistant: hi", "user: c", "assistant: d"), "System role not supported.*fold_system: true"),
        (FIRST_SYSTEM_ALONE, ("user: c", "system: b", "assistant: d"), r"messages\[1\], whose role is 'system'.*Use a model whose"),
        (KNOWS_THREE, ("user: c", "tool: 9:00", "assistant: d"), r"the tool's answer of messages\[1\].*knows tools"),
    ],
)
def test_a_message_that_is_not_rendered_is_refused_by_name(template: str, turns: tuple[str, ...], error: str) -> None:
    messages = said(*turns)
    for encode in (lambda: encode_one(make_tokenizer(template), messages), lambda: encode_prompt(make_tokenizer(template), messages[:-1])):
        with pytest.raises(EncodeError, match=error):
            encode()
    if "fold_system" in error:  # the remedy works
        tokenizer = folding(template)
        text = encode_one(tokenizer, messages).text
        assert all(str(message["content"]) in text for message in messages if message["content"] != "hi")


def test_an_option_folds_system_texts_into_the_users_next_turn() -> None:
    tokenizer = folding(CHATML)
    messages = said("system: One.", "developer: Two.", "user: a", "assistant: b", "system: Three.", "user: c", "assistant: d")
    encoded = encode_one(tokenizer, messages)
    assert encoded.text.startswith("<|im_start|>user\nOne.\n\nTwo.\n\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n")
    assert "<|im_start|>user\nThree.\n\nc<|im_end|>" in encoded.text
    assert trained_text(tokenizer, encoded) == ["b<|im_end|>", "d<|im_end|>"]
    last = [token for token, weight in enumerate(encoded.loss_weights) if weight][-2]
    assert encode_prompt(tokenizer, messages[:-1]) == encoded.input_ids[:last]
    assert messages[0]["content"] == "One."


def test_errors_speak_of_the_messages_that_were_given() -> None:
    with pytest.raises(EncodeError, match=r"messages\[2\]: the chat template changes"):
        encode_one(
            folding("{% for m in messages %}{{ m['content'] | upper }}\n{% endfor %}"), said("system: One.", "user: a", "assistant: b")
        )


@pytest.mark.parametrize(
    ("contents", "trained"),
    [
        (("a", "b", "c", "d"), ["b<|im_end|>", "d<|im_end|>"]),
        (("a", "", "c", "d"), ["<|im_end|>", "d<|im_end|>"]),
        (("a", "b", "c", ""), ["b<|im_end|>", "<|im_end|>"]),
        (("a", ""), ["<|im_end|>"]),
        (("a", "\n"), ["\n<|im_end|>"]),
        (("a", "<|im_end|>"), ["<|im_end|><|im_end|>"]),
    ],
)
def test_what_only_closes_the_whole_conversation_is_no_turns(contents: tuple[str, ...], trained: list[str]) -> None:
    tokenizer = make_tokenizer(CLOSES)
    encoded = encode_one(tokenizer, chat(*contents))
    assert trained_text(tokenizer, encoded) == trained
    assert encoded.text.endswith("<|im_end|>\n<|endoftext|>")


def test_calls_that_end_a_conversation_are_trained_without_its_close() -> None:
    tokenizer = make_tokenizer(CLOSES)
    messages: list[Message] = [{"role": "user", "content": "time?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    wanted = ['<call>clock {"zone": "CET"}</call><|im_end|>']
    assert trained_text(tokenizer, encode_one(tokenizer, messages)) == wanted
    answered = [*messages, *said("tool: 9:00", "assistant: Nine.")]
    assert trained_text(tokenizer, encode_one(tokenizer, answered)) == [*wanted, "Nine.<|im_end|>"]


@pytest.mark.parametrize(
    "template", [EMPTY_THOUGHT, CHATML.replace("<|im_end|>", "<|im_end|>{{ 'Bye.' if loop.last and message.role == 'assistant' }}")]
)
def test_what_is_written_around_the_last_answer_alone_is_trained_in_none(template: str) -> None:
    tokenizer = make_tokenizer(template)
    encoded = encode_one(tokenizer, chat("a", "b", "c", "d"))
    assert trained_text(tokenizer, encoded) == ["b<|im_end|>", "d<|im_end|>"]
    assert "think" not in encoded.text


@pytest.mark.parametrize(("template", "lead"), [(CHATML, ""), (EMPTY_THOUGHT, ""), (CHANNEL, "<|im_start|>final\n"), (SPACES, "")])
def test_the_answer_is_what_the_chat_template_wraps(template: str, lead: str) -> None:
    tokenizer = make_tokenizer(template)
    frame = frame_answer(tokenizer, chat("a"))
    assert (frame.lead, frame.end_ids) == (lead, frozenset({tokenizer.eos_token_id}))
    encoded = encode_one(tokenizer, chat("a", "final answer"))
    written = [token for token, weight in zip(encoded.input_ids, encoded.loss_weights, strict=True) if weight]
    assert tokenizer.decode(written) == f"{lead}final answer<|im_end|>"
    assert frame.answer(tokenizer, written[:-1]) == "final answer"
    # A model that was trained on whole renderings writes what the template writes around it.
    before, behind = frame.wrapping
    wrapped = tokenizer.encode(f"{before}final answer{behind}", add_special_tokens=False)
    assert frame.answer(tokenizer, wrapped) == "final answer"
    # Only the frame as a whole is none of the answer: without it the answer stays as it was written.
    bare = tokenizer.encode("final answer", add_special_tokens=False)
    assert frame.answer(tokenizer, bare) == "final answer"
    assert frame.answer(tokenizer, []) == ""


@pytest.mark.parametrize(
    "written", ["c.function.arguments", "(c.function.arguments | string)", "('' ~ c.function.arguments)", "(c.function.arguments | tojson)"]
)
def test_arguments_are_given_as_the_chat_template_writes_them(written: str) -> None:
    tokenizer = make_tokenizer(CLOSES.replace("c.function.arguments | tojson", written))
    messages: list[Message] = [{"role": "user", "content": "time?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    encoded = encode_one(tokenizer, messages)
    assert trained_text(tokenizer, encoded) == ['<call>clock {"zone": "CET"}</call><|im_end|>']
    assert encode_prompt(tokenizer, messages[:1]) == encoded.input_ids[: encoded.loss_weights.index(1.0)]


def test_arguments_that_are_written_one_by_one_are_an_object() -> None:
    one_by_one = "{% for k, v in c.function.arguments.items() %}<p={{ k }}>{{ v }}</p>{% endfor %}"
    tokenizer = make_tokenizer(CLOSES.replace("{{ c.function.arguments | tojson }}", one_by_one))
    messages: list[Message] = [{"role": "user", "content": "time?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    assert trained_text(tokenizer, encode_one(tokenizer, messages)) == ["<call>clock <p=zone>CET</p></call><|im_end|>"]


def test_a_text_beside_calls_that_is_not_rendered_is_refused() -> None:
    template = CLOSES.replace("{{ m['content'] }}", "{{ m['content'] if not m.tool_calls }}")
    messages: list[Message] = [{"role": "user", "content": "time?"}, {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}]
    with pytest.raises(EncodeError, match=r"leaves out the text beside the calls of messages\[1\]"):
        encode_one(make_tokenizer(template), messages)


def test_a_chat_template_that_asks_the_clock_is_told_one_day() -> None:
    day = datetime.date(2026, 1, 31)
    texts: list[Any] = []
    for date in (day, None, datetime.date(2025, 12, 1), day):
        tokenizer = make_tokenizer(DATED)
        bind(tokenizer, ChatTemplateConfig(date=date))
        texts.append(encode_one(tokenizer, chat("a", "b")).text.split("Today is ")[1][:11])
        assert asks_clock(tokenizer)
        assert used_options(tokenizer).date == date
    assert texts == ["31 Jan 2026", datetime.datetime.now().strftime("%d %b %Y"), "01 Dec 2025", "31 Jan 2026"]


def test_a_day_counts_only_where_the_chat_template_asks_for_it() -> None:
    tokenizer = make_tokenizer(CHATML)
    bind(tokenizer, ChatTemplateConfig(date=datetime.date(2026, 1, 31), fold_system=True))
    assert not asks_clock(tokenizer)
    assert used_options(tokenizer) == ChatTemplateConfig(fold_system=True)
    assert ChatTemplateConfig(date=datetime.date(2026, 1, 31)).on_a_day().date == datetime.date(2026, 1, 31)
    assert ChatTemplateConfig().on_a_day().date == datetime.date.today()


def test_keys_that_the_chat_template_does_not_render_are_found() -> None:
    messages = said("user: a", "assistant: b")
    messages[0]["name"] = "Ann"
    messages[1]["weight"] = 1
    assert unrendered_keys(make_tokenizer(CHATML), messages) == [UnrenderedKey(0, "name")]
    named = CHATML.replace("{{ message['role'] }}", "{{ message['role'] }}{{ ' ' ~ message['name'] if message['name'] }}")
    assert unrendered_keys(make_tokenizer(named), messages) == []
    messages[1]["reasoning_content"] = "Hm"  # type: ignore[typeddict-unknown-key]
    assert unrendered_keys(make_tokenizer(named), messages) == [UnrenderedKey(1, "reasoning_content")]
