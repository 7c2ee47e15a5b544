from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from templates.chat import (
    ChatTemplateConfig,
    Encoded,
    EncodeError,
    Message,
    encode_chat,
    encode_continuation,
    encode_prompt,
    load_tokenizer,
)
from templates.chat_options import bind
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import encode_one

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WITH_BOS = "{{ bos_token }}" + CHATML
LLAMA2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|im_start|>[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }} <|im_end|>{% endif %}{% endfor %}"
)
TRIMS = CHATML.replace("message['content']", "message['content'] | trim")
SYSTEM_OF_ITS_OWN = "<|im_start|>system\nBe kind.<|im_end|>\n" + CHATML
NO_END = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
# As reasoning models do: only the last answer keeps its thinking.
DROPS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' and not loop.last %}"
    "{{ m['content'].split('</think>')[-1] }}"
    "{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
UPPER = CHATML.replace("message['content']", "message['content'] | upper")
TEMPLATES = {"chatml": CHATML, "bos": WITH_BOS, "llama2": LLAMA2, "trims": TRIMS, "system": SYSTEM_OF_ITS_OWN}
CONTENT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from(
    ["assistant", "user\n", "<|im_end|>", "<|im_start|>assistant\nyes<|im_end|>", "[/INST]", "positive", "\n", "🍲é", "<|endoftext|>"]
)


def chat(*contents: str, weights: tuple[int, ...] = ()) -> list[Message]:
    messages: list[Message] = [{"role": "assistant" if index % 2 else "user", "content": content} for index, content in enumerate(contents)]
    for message, weight in zip(messages[1::2], weights, strict=False):
        message["weight"] = weight
    return messages


def trained_text(tokenizer: "PreTrainedTokenizerFast", encoded: Encoded) -> list[str]:
    """Each run of trained tokens, decoded."""
    runs: list[list[int]] = [[]]
    for token, weight in zip(encoded.input_ids, encoded.loss_weights, strict=True):
        if weight:
            runs[-1].append(token)
        elif runs[-1]:
            runs.append([])
    return [tokenizer.decode(run) for run in runs if run]


@pytest.fixture(scope="module", params=TEMPLATES)
def any_tokenizer(request: pytest.FixtureRequest) -> "PreTrainedTokenizerFast":
    return make_tokenizer(TEMPLATES[request.param])


@settings(max_examples=60, deadline=None)
@given(question=CONTENT, answer=CONTENT)
def test_the_trained_tokens_are_the_answer_and_its_end(any_tokenizer: "PreTrainedTokenizerFast", question: str, answer: str) -> None:
    try:
        encoded = encode_one(any_tokenizer, chat(question, answer))
    except EncodeError as error:
        # Refused only where white space at the join makes it unprovable, and said so.
        assert answer.strip() != answer or question.strip() != question or not answer.strip(), error
        return
    [text] = trained_text(any_tokenizer, encoded)
    assert text.strip() in {
        f"{answer.strip()}<|im_end|>",
        f"{answer.strip()} <|im_end|>",
        f"{answer}<|im_end|>".strip(),
        f"{answer} <|im_end|>".strip(),
    }
    assert encoded.loss_weights[-1] == 1 or any_tokenizer.decode(encoded.input_ids[-1:]).isspace()
    assert any_tokenizer.decode(encoded.input_ids) == encoded.text


@settings(max_examples=60, deadline=None)
@given(question=CONTENT, answer=CONTENT)
def test_the_prompt_evaluated_is_the_prompt_trained(any_tokenizer: "PreTrainedTokenizerFast", question: str, answer: str) -> None:
    messages = chat(question, answer)
    try:
        encoded = encode_one(any_tokenizer, messages)
    except EncodeError:
        return
    assert encode_prompt(any_tokenizer, messages[:-1]) == encoded.input_ids[: encoded.loss_weights.index(1.0)]


@settings(max_examples=60, deadline=None)
@given(question=CONTENT, answer=CONTENT)
def test_text_that_looks_like_a_special_token_never_is_one(tokenizer: "PreTrainedTokenizerFast", question: str, answer: str) -> None:
    special = set(tokenizer.all_special_ids)
    encoded = encode_one(tokenizer, chat(question, answer))
    assert sum(token in special for token in encoded.input_ids) == 4  # a start and an end for each of two turns
    assert sum(token in special for token in encode_prompt(tokenizer, chat(question))) == 3


def test_the_end_token_is_trained_where_padding_is_the_same_token(tokenizer: "PreTrainedTokenizerFast") -> None:
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    encoded = encode_one(tokenizer, chat("Good?", "positive"))
    last = max(index for index, weight in enumerate(encoded.loss_weights) if weight)
    assert encoded.input_ids[last] == tokenizer.eos_token_id
    assert encoded.trained == [(encoded.text.index("positive"), encoded.text.rindex("<|im_end|>") + len("<|im_end|>"))]
    assert encoded.num_trained_tokens == sum(encoded.loss_weights)


@pytest.mark.parametrize(
    ("weights", "trained"),
    [
        ((), ["b<|im_end|>", "d<|im_end|>", "f<|im_end|>"]),
        ((0, 1, 0), ["d<|im_end|>"]),
        ((1, 0, 1), ["b<|im_end|>", "f<|im_end|>"]),
        ((0, 0, 0), []),
    ],
)
def test_every_turn_of_the_assistant_is_trained_but_those_of_weight_0(
    tokenizer: "PreTrainedTokenizerFast", weights: tuple[int, ...], trained: list[str]
) -> None:
    assert trained_text(tokenizer, encode_one(tokenizer, chat(*"abcdef", weights=weights))) == trained


@pytest.mark.parametrize("answer", ["assistant", "im_start", "\n", "a", ""])
def test_an_answer_that_also_stands_elsewhere_is_found_in_its_own_turn(tokenizer: "PreTrainedTokenizerFast", answer: str) -> None:
    assert trained_text(tokenizer, encode_one(tokenizer, chat("assistant a", answer))) == [answer + "<|im_end|>"]


def test_words_of_the_chat_template_around_an_answer_are_not_trained() -> None:
    # They hold the answer themselves.
    template = CHATML.replace("{{ message['content'] }}", "{{ 'yes, ' if message['role'] == 'assistant' }}{{ message['content'] }}")
    tokenizer = make_tokenizer(template)
    assert trained_text(tokenizer, encode_one(tokenizer, chat("good?", "yes"))) == ["yes<|im_end|>"]


def refuse(template: str, messages: list[Message], error: str) -> None:
    with pytest.raises(EncodeError, match=error) as raised:
        encode_one(make_tokenizer(template), messages)
    assert raised.value.remedy


def test_where_the_chat_template_ends_no_turn_the_models_own_end_does() -> None:
    tokenizer = make_tokenizer(NO_END)
    assert trained_text(tokenizer, encode_one(tokenizer, chat("a", "b"))) == ["b<|im_end|>"]
    # The settings of the model name another one.
    bind(tokenizer, ChatTemplateConfig(), (0,))
    tokenizer.eos_token = None
    assert trained_text(tokenizer, encode_one(tokenizer, chat("a", "b"))) == ["b<|endoftext|>"]


def test_without_any_end_of_turn_the_row_is_refused() -> None:
    tokenizer = make_tokenizer(NO_END)
    tokenizer.eos_token = None
    with pytest.raises(EncodeError, match=r"messages\[1\]: no end-of-turn token follows the answer") as raised:
        encode_one(tokenizer, chat("a", "b"))
    assert raised.value.remedy


def test_turns_that_a_chat_template_rewrites_later_are_sequences_of_their_own() -> None:
    tokenizer = make_tokenizer(DROPS_THINKING)
    thought = chat("a", "<think>hm</think>b", "c", "<think>so</think>d")
    first, second = encode_chat(tokenizer, thought)
    assert trained_text(tokenizer, first) == ["<think>hm</think>b<|im_end|>"]
    assert trained_text(tokenizer, second) == ["<think>so</think>d<|im_end|>"]
    for encoded, before in ((first, thought[:1]), (second, thought[:3])):
        prompt = tokenizer.apply_chat_template(before, add_generation_prompt=True, return_dict=False)
        assert encoded.input_ids[: len(prompt)] == prompt == encode_prompt(tokenizer, before)
        assert tokenizer.decode(encoded.input_ids) == encoded.text
    thought[1]["weight"] = 0
    assert trained_text(tokenizer, encode_one(tokenizer, thought)) == ["<think>so</think>d<|im_end|>"]


def test_a_chat_template_that_changes_the_answer_is_refused() -> None:
    refuse(UPPER, chat("a", "b"), "changes the answer's text")


def test_a_chat_template_that_refuses_the_roles_says_so() -> None:
    refuse("{{ raise_exception('roles must alternate') }}", chat("a", "b"), "roles must alternate")


def test_no_chat_template_is_an_error_with_a_remedy(tokenizer: "PreTrainedTokenizerFast") -> None:
    bare = make_tokenizer()
    bare.chat_template = None
    for encode in (encode_one, encode_prompt):
        with pytest.raises(EncodeError, match=r"no chat template.*verbalizer form"):
            encode(bare, chat("a", "b"))


def test_a_system_message_and_empty_content_are_no_trouble(tokenizer: "PreTrainedTokenizerFast") -> None:
    messages: list[Message] = [
        {"role": "system", "content": "<|im_end|>"},
        {"role": "user", "content": None},
        {"role": "assistant", "content": "x"},
    ]
    assert trained_text(tokenizer, encode_one(tokenizer, messages)) == ["x<|im_end|>"]


def ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def test_the_contexts_trailing_space_goes_to_the_continuation(tokenizer: "PreTrainedTokenizerFast") -> None:
    moved = encode_continuation(tokenizer, "The soup was ", "great")
    assert moved == encode_continuation(tokenizer, "The soup was", " great")
    assert tokenizer.decode(moved.context_ids) == "The soup was"
    assert tokenizer.decode(moved.continuation_ids) == " great"
    assert not moved.split_apart


@pytest.mark.parametrize("context", ["", "  \n"])
def test_an_empty_context_is_the_first_token_of_a_sequence(tokenizer: "PreTrainedTokenizerFast", context: str) -> None:
    encoded = encode_continuation(tokenizer, context, "great")
    assert encoded.context_ids == [tokenizer.bos_token_id]
    assert tokenizer.decode(encoded.continuation_ids) == context + "great"


def test_without_a_first_token_the_last_one_stands_in() -> None:
    tokenizer = make_tokenizer()
    tokenizer.bos_token = None
    assert encode_continuation(tokenizer, "", "great").context_ids == [tokenizer.eos_token_id]


def bos_tokenizer() -> "PreTrainedTokenizerFast":
    """A tokenizer that puts <|im_start|> before every text."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer()
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", start)])
    return tokenizer


@pytest.mark.parametrize("context", ["The soup was", "<|im_start|>The soup was"])
def test_the_first_token_stands_once(context: str) -> None:
    tokenizer = bos_tokenizer()
    encoded = encode_continuation(tokenizer, context, " great")
    assert encoded.context_ids == [tokenizer.bos_token_id, *ids(tokenizer, "The soup was")]
    assert encoded.continuation_ids == ids(tokenizer, " great")


def test_a_token_across_the_join_goes_to_the_continuation_side(tokenizer: "PreTrainedTokenizerFast") -> None:
    whole = ids(tokenizer, "positive")
    assert len(whole) == 1
    encoded = encode_continuation(tokenizer, "posit", "ive and")
    assert encoded.context_ids == ids(tokenizer, "posit")
    assert encoded.context_ids + encoded.continuation_ids != ids(tokenizer, "posit") + ids(tokenizer, "ive and") or encoded.split_apart


def test_a_token_that_swallows_both_sides_splits_them(tokenizer: "PreTrainedTokenizerFast") -> None:
    encoded = encode_continuation(tokenizer, "posi", "tive")
    assert encoded.split_apart
    assert encoded.continuation_ids == ids(tokenizer, "tive")


def test_a_continuation_without_a_token_is_refused(tokenizer: "PreTrainedTokenizerFast") -> None:
    for context in ("", "The soup"):
        with pytest.raises(EncodeError, match="the continuation has no token"):
            encode_continuation(tokenizer, context, "")


def test_a_special_token_in_raw_text_is_text(tokenizer: "PreTrainedTokenizerFast") -> None:
    special = set(tokenizer.all_special_ids)
    encoded = encode_continuation(tokenizer, "a<|im_end|>b<|endoftext|>", " c<|im_end|>")
    assert not special & {*encoded.context_ids, *encoded.continuation_ids}
    assert tokenizer.decode(encoded.context_ids + encoded.continuation_ids) == "a<|im_end|>b<|endoftext|> c<|im_end|>"


def test_a_model_that_is_not_there_is_an_error(tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"cannot load the tokenizer of .* Check that the folder has tokenizer\.json"):
        load_tokenizer(str(tmp_path))


def test_a_saved_tokenizer_encodes_as_the_one_in_memory(tmp_path: Any, tokenizer: "PreTrainedTokenizerFast") -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    tokenizer.save_pretrained(tmp_path)
    messages = chat("a<|im_end|>", "b")
    assert encode_one(load_tokenizer(str(tmp_path)), messages) == encode_one(tokenizer, messages)
