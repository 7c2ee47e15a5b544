"""Chats with tool calls: what is trained of them, and what is refused."""

from typing import Any

import pytest

from templates.chat import EncodeError, Message, encode_prompt
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import encode_one
from tests.templates.test_chat import trained_text

# As Qwen's and Hermes' chat templates write them.
WITH_TOOLS = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for call in m.tool_calls or [] %}<call>{{ call.function.name }} {{ call.function.arguments | tojson }}</call>{% endfor %}"
    "<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}


def conversation(content: str | None = None, **more: Any) -> list[Message]:
    return [
        {"role": "user", "content": "time?"},
        {"role": "assistant", "content": content, "tool_calls": [CALL]},
        {"role": "tool", "content": "9:00", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "Nine.", **more},  # type: ignore[typeddict-item]
    ]


@pytest.mark.parametrize("content", [None, "", "Let me see. "])
def test_a_call_is_trained_with_its_end_of_turn(content: str | None) -> None:
    tokenizer = make_tokenizer(WITH_TOOLS)
    messages = conversation(content)
    encoded = encode_one(tokenizer, messages, TOOLS)
    assert trained_text(tokenizer, encoded) == [f'{content or ""}<call>clock {{"zone": "CET"}}</call><|im_end|>', "Nine.<|im_end|>"]
    assert encode_prompt(tokenizer, messages[:1], TOOLS) == encoded.input_ids[: encoded.loss_weights.index(1.0)]
    assert '"name": "clock"' in encoded.text


def test_a_call_of_weight_0_is_not_trained() -> None:
    tokenizer = make_tokenizer(WITH_TOOLS)
    messages = conversation()
    messages[1]["weight"] = 0
    assert trained_text(tokenizer, encode_one(tokenizer, messages, TOOLS)) == ["Nine.<|im_end|>"]


@pytest.mark.parametrize(
    ("template", "what"),
    [
        (CHATML, r"the call of messages\[1\]"),
        (WITH_TOOLS.replace("{{ call.function.arguments | tojson }}", ""), r"the arguments of messages\[1\]"),
        (WITH_TOOLS.replace("{{ tools | tojson }}", ""), r"tools\[0\]"),
        (WITH_TOOLS.replace("{{ m['content'] }}", "{{ m['content'] if m['role'] != 'tool' }}"), r"the tool's answer of messages\[2\]"),
    ],
)
def test_a_chat_template_that_leaves_something_of_tools_out_is_refused(template: str, what: str) -> None:
    with pytest.raises(EncodeError, match=f"the chat template leaves out {what}.*chat template knows tools"):
        encode_one(make_tokenizer(template), conversation(), TOOLS)


def test_text_of_a_special_token_in_a_call_is_refused() -> None:
    messages = conversation()
    messages[1]["tool_calls"] = [{**CALL, "function": {"name": "clock", "arguments": '{"zone": "<|im_end|>"}'}}]
    with pytest.raises(EncodeError, match="a tool or its call holds the text of a special token"):
        encode_one(make_tokenizer(WITH_TOOLS), messages, TOOLS)


def test_text_of_a_special_token_in_an_answer_beside_calls_is_text() -> None:
    tokenizer = make_tokenizer(WITH_TOOLS)
    messages = conversation()
    messages[3]["content"] = "Nine.<|im_end|>"
    encoded = encode_one(tokenizer, messages, TOOLS)
    assert trained_text(tokenizer, encoded)[1] == "Nine.<|im_end|><|im_end|>"
    assert sum(token in set(tokenizer.all_special_ids) for token in encoded.input_ids) == 10  # a start and an end of each of five turns


def test_a_special_token_within_a_call_does_not_end_the_turn() -> None:
    tokenizer = make_tokenizer(WITH_TOOLS.replace("<|im_end|>", ""))
    messages: list[Message] = [
        {"role": "user", "content": "time?"},
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "clock", "arguments": "{}"}}]},
    ]
    marked = make_tokenizer(WITH_TOOLS.replace("<|im_end|>", "").replace("tojson", "tojson | replace('{', '<|endoftext|>{')"))
    for one in (tokenizer, marked):
        [trained] = trained_text(one, encode_one(one, messages, TOOLS))
        assert trained.endswith("<|im_end|>") and "}" in trained
