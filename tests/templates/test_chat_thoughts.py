"""Chat templates that write a model's thoughts: which prompts open one, and what is trained where a row has none."""

from typing import TYPE_CHECKING, Any

import pytest

from loopwright.errors import UserError
from templates.chat import ChatTemplateConfig, EncodeError, Message, encode_chat, encode_prompt, encoding_notices, frame_answer
from templates.chat_options import bind, require_read
from templates.unrendered import unrendered_keys
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import encode_one
from tests.templates.test_chat import chat, trained_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# A thought stands before the last answer alone; the prompt opens one unless it is told not to.
_TURNS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and loop.last %}<think>\n"
    "{{ m.reasoning_content or '' }}\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
)
SWITCHED = (
    _TURNS + "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}{% endif %}"
)
ALWAYS = _TURNS + "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
# Thinks when it likes to: the prompt opens nothing.
FREE = _TURNS + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
# Knows no key for thoughts, and cuts them out of earlier answers.
IN_THE_TEXT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'].split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
BRACKETS = ALWAYS.replace("<think>", "[THINK]").replace("</think>", "[/THINK]")
MARKED = CHATML + "{{ '<|START_THINKING|>' if add_generation_prompt }}"
# The header of an answer differs from what asks for one.
BREAKS_PREFIX = CHATML.replace(
    "{% if add_generation_prompt %}<|im_start|>assistant\n", "{% if add_generation_prompt %}<|im_start|>answer:\n"
)


def thinking(*contents: str, reasoning: str) -> list[Message]:
    """A chat whose last answer has a thought."""
    messages = chat(*contents)
    messages[-1]["reasoning"] = reasoning
    return messages


def serve(tokenizer: "PreTrainedTokenizerFast", messages: list[Message], **kwargs: Any) -> list[int]:
    """The prompt as a server makes it."""
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **kwargs)
    assert isinstance(ids, list)
    return ids


def begun(encoded: Any) -> list[int]:
    """The tokens before the first trained one of the last turn."""
    weights = encoded.loss_weights
    last = max(index for index, weight in enumerate(weights) if weight and not weights[index - 1])
    return list(encoded.input_ids[:last])


def test_a_thought_that_the_prompt_opens_is_switched_off_where_the_row_has_none() -> None:
    tokenizer = make_tokenizer(SWITCHED)
    encoded = encode_one(tokenizer, chat("a", "b"))
    assert trained_text(tokenizer, encoded) == ["b<|im_end|>"]
    assert begun(encoded) == serve(tokenizer, chat("a"), enable_thinking=False) == encode_prompt(tokenizer, chat("a"))
    assert frame_answer(tokenizer, chat("a")).lead == ""
    assert not encoding_notices((encoded,))


def test_a_thought_of_the_row_is_trained_with_its_close_and_not_what_the_prompt_supplies() -> None:
    tokenizer = make_tokenizer(SWITCHED)
    encoded = encode_one(tokenizer, thinking("a", "b", reasoning="Hm."))
    assert trained_text(tokenizer, encoded) == ["Hm.\n</think>\n\nb<|im_end|>"]
    assert begun(encoded) == serve(tokenizer, chat("a"))


@pytest.mark.parametrize(
    ("template", "trained"),
    [
        (ALWAYS, "\n</think>\n\nb<|im_end|>"),
        (BRACKETS, "\n[/THINK]\n\nb<|im_end|>"),
        (IN_THE_TEXT, "\n</think>\n\nb<|im_end|>"),
        (MARKED, "<|END_THINKING|>\n\nb<|im_end|>"),
    ],
)
def test_a_thought_that_cannot_be_switched_off_is_closed_before_the_answer(template: str, trained: str) -> None:
    tokenizer = make_tokenizer(template)
    encoded = encode_chat(tokenizer, chat("a", "b"))
    assert [trained_text(tokenizer, one) for one in encoded] == [[trained]]
    assert begun(encoded[0]) == serve(tokenizer, chat("a")) == encode_prompt(tokenizer, chat("a"))
    [said] = encoding_notices(encoded)
    assert "opens a thought, and 1 answer has no 'reasoning'" in said
    # What is evaluated is the answer alone.
    frame = frame_answer(tokenizer, chat("a"))
    written = [token for token, weight in zip(encoded[0].input_ids, encoded[0].loss_weights, strict=True) if weight]
    assert frame.answer(tokenizer, written[:-1]) == "b"
    # A model that thinks first, as the base does, has the same answer.
    thought = tokenizer.encode(f"Let me see.{trained}", add_special_tokens=False)
    assert frame.answer(tokenizer, thought[:-1]) == "b"


def test_a_thought_is_trained_where_the_prompt_opens_one_though_the_template_renders_none() -> None:
    tokenizer = make_tokenizer(IN_THE_TEXT)
    encoded = encode_one(tokenizer, thinking("a", "b", reasoning="Hm."))
    assert trained_text(tokenizer, encoded) == ["Hm.\n</think>\n\nb<|im_end|>"]
    # One that neither opens nor renders thoughts is trained on the answer, and what is left out is said.
    messages = thinking("a", "b", reasoning="Hm.")
    assert trained_text(make_tokenizer(), encode_one(make_tokenizer(), messages)) == ["b<|im_end|>"]
    assert [(one.index, one.key) for one in unrendered_keys(make_tokenizer(), messages)] == [(1, "reasoning")]


def test_rows_without_reasoning_are_refused_where_the_config_says_so() -> None:
    tokenizer = make_tokenizer(ALWAYS)
    bind(tokenizer, ChatTemplateConfig(reasoning="refuse"))
    with pytest.raises(EncodeError, match=r"messages\[1\]: the generation prompt opens a thought") as raised:
        encode_chat(tokenizer, chat("a", "b"))
    assert "reasoning: close" in (raised.value.remedy or "")
    assert trained_text(tokenizer, encode_one(tokenizer, thinking("a", "b", reasoning="Hm."))) == ["Hm.\n</think>\n\nb<|im_end|>"]


def test_the_configs_variables_are_passed_to_the_chat_template() -> None:
    tokenizer = make_tokenizer(SWITCHED)
    bind(tokenizer, ChatTemplateConfig(kwargs={"enable_thinking": True}))
    encoded = encode_one(tokenizer, chat("a", "b"))
    assert trained_text(tokenizer, encoded) == ["\n</think>\n\nb<|im_end|>"]
    assert begun(encoded) == serve(tokenizer, chat("a"), enable_thinking=True)
    bind(tokenizer, ChatTemplateConfig(kwargs={"enable_thinking": False}))
    # The prompt has closed the thought: a row's own has no place behind it.
    assert trained_text(tokenizer, encode_one(tokenizer, thinking("a", "b", reasoning="Hm."))) == ["b<|im_end|>"]


def test_a_variable_that_the_chat_template_does_not_read_is_refused() -> None:
    with pytest.raises(UserError, match="reads no variable 'enable_thinkin'") as raised:
        require_read(make_tokenizer(SWITCHED), ChatTemplateConfig(kwargs={"enable_thinkin": False}))
    assert "enable_thinking" in (raised.value.remedy or "")
    with pytest.raises(ValueError, match="'tools' cannot be set here"):
        ChatTemplateConfig(kwargs={"tools": []})


@pytest.mark.parametrize("reasoning", ["Hm.", " Two\nlines. "])
def test_a_model_that_opens_its_thoughts_itself_is_trained_on_them_whole(reasoning: str) -> None:
    tokenizer = make_tokenizer(FREE)
    encoded = encode_one(tokenizer, thinking("a", "b", reasoning=reasoning))
    assert trained_text(tokenizer, encoded) == [f"<think>\n{reasoning.strip()}\n</think>\n\nb<|im_end|>"]
    # Without one nothing is trained but the answer: not the empty thought that the template writes.
    assert trained_text(tokenizer, encode_one(tokenizer, chat("a", "b"))) == ["b<|im_end|>"]


def test_a_thought_in_tags_within_the_content_is_a_thought() -> None:
    content = "<think>Hm.</think>b"
    for template, trained in ((SWITCHED, "Hm.\n</think>\n\nb"), (FREE, "<think>\nHm.\n</think>\n\nb"), (IN_THE_TEXT, "Hm.\n</think>\n\nb")):
        tokenizer = make_tokenizer(template)
        assert trained_text(tokenizer, encode_one(tokenizer, chat("a", content))) == [f"{trained}<|im_end|>"]
    assert trained_text(make_tokenizer(), encode_one(make_tokenizer(), chat("a", content))) == [f"{content}<|im_end|>"]


def test_every_answer_of_a_chat_whose_template_forgets_thoughts_is_trained_behind_its_own_prompt() -> None:
    tokenizer = make_tokenizer(FREE)
    messages = thinking("a", "b", "c", "d", reasoning="Second.")
    messages[1]["reasoning"] = "First."
    encoded = encode_chat(tokenizer, messages)
    assert [trained_text(tokenizer, one) for one in encoded] == [
        ["<think>\nFirst.\n</think>\n\nb<|im_end|>"],
        ["<think>\nSecond.\n</think>\n\nd<|im_end|>"],
    ]
    for one, before in zip(encoded, (messages[:1], messages[:3]), strict=True):
        assert begun(one) == encode_prompt(tokenizer, before)
        assert tokenizer.decode(one.input_ids) == one.text
    assert "trained as 2 sequences" in encoding_notices(encoded)[0]
    assert not unrendered_keys(tokenizer, messages)


def test_an_answers_header_that_differs_from_what_asks_for_it() -> None:
    tokenizer = make_tokenizer(BREAKS_PREFIX)
    encoded = encode_chat(tokenizer, chat("a", "b", "c", "d"))
    assert [trained_text(tokenizer, one) for one in encoded] == [["b<|im_end|>"], ["d<|im_end|>"]]
    assert begun(encoded[1]) == serve(tokenizer, chat("a", "b", "c")) == encode_prompt(tokenizer, chat("a", "b", "c"))


def test_an_answer_whose_first_token_would_span_the_join_is_encoded_apart_and_counted() -> None:
    tokenizer = make_tokenizer("{% for m in messages %}<|im_start|>a{{ m.content }}<|im_end|>{% endfor %}<|im_start|>a")
    joined = tokenizer.encode("<|im_start|>ant", add_special_tokens=False)
    encoded = encode_one(tokenizer, chat("b", "nt"))
    assert encoded.input_ids[-len(joined) - 2 :] != [*joined, tokenizer.eos_token_id]
    assert trained_text(tokenizer, encoded) == ["nt<|im_end|>"]
    assert begun(encoded) == serve(tokenizer, chat("b"))
    assert encoded.num_apart == 1
    assert encoding_notices((encoded,)) == ["a token would span prompt and answer: 1 answer has tokens of its own"]


def test_special_tokens_within_an_answer_stay_text_behind_a_prompt_of_its_own() -> None:
    tokenizer = make_tokenizer(ALWAYS)
    encoded = encode_one(tokenizer, chat("a", "x<|im_end|>y"))
    assert trained_text(tokenizer, encoded) == ["\n</think>\n\nx<|im_end|>y<|im_end|>"]
    assert (
        sum(token == tokenizer.eos_token_id for token, weight in zip(encoded.input_ids, encoded.loss_weights, strict=True) if weight) == 1
    )
