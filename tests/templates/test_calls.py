"""Calls of tools read back from what chat templates write, whatever their notation."""

import json
from typing import Any

import pytest

from templates.call_format import call_end_ids, call_format
from templates.call_reader import read_calls
from templates.calls import CallLoss, ToolCall, looks_like_a_call, with_calls
from templates.chat import Message
from templates.python_calls import parse_python_calls
from tests.call_notations import CALLS, KNOWN, ONE_AT_A_TIME, UNTYPED, calling_tokenizer
from tests.conftest import CHATML, make_tokenizer
from tests.helpers import encode_one
from tests.templates.test_chat import trained_text

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {
                    **{key: {"type": "string"} for key in ("city", "note", "code")},
                    **{key: {"type": "integer"} for key in ("days", "below")},
                    "share": {"type": "number"},
                    "hourly": {"type": "boolean"},
                    "units": {"type": "array", "items": {"type": "string"}},
                    "place": {"type": "object"},
                    "until": {"type": ["string", "null"]},
                    "from": {"type": "str"},
                },
            },
        },
    }
    for name in ("get_weather", "find-route.v2")
]
ARGUMENTS: list[dict[str, Any]] = [
    {"city": "Rome", "days": 3},
    {},
    {"code": "0042", "note": "true"},
    {"from": "say from=\"x\", class = 'y'", "class": None, "in": ["if=1"]},
    {"below": -7, "share": 0.5, "hourly": True},
    {"units": ["C", "F"], "place": {"at": [1.5, -2.0], "of": {"name": "it", "none": None}}},
    {"note": 'She said "no", twice.\nThen left: {a} [b] \\ é 中文', "city": "Zürich"},
    {"note": "  kept  "},
]


def message(*calls: ToolCall, content: str | None = None) -> Message:
    made = [
        {"id": f"abcdefgh{place}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for place, call in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": made}


def written(notation: str, *calls: ToolCall, content: str | None = None) -> str:
    """What is trained of a turn that makes some calls, without its end token."""
    tokenizer = calling_tokenizer(notation)
    encoded = encode_one(tokenizer, [{"role": "user", "content": "?"}, message(*calls, content=content)], TOOLS)
    [text] = trained_text(tokenizer, encoded)
    return text.removesuffix("<|im_end|>")


def name_of(notation: str) -> str:
    return "get_weather" if "python" in notation else "find-route.v2"


@pytest.mark.parametrize("notation", KNOWN)
def test_a_call_is_read_back_as_it_was_written(notation: str) -> None:
    found = call_format(calling_tokenizer(notation))
    for arguments in ARGUMENTS:
        call = ToolCall.of(name_of(notation), arguments)
        read = read_calls(found, written(notation, call), TOOLS)
        assert (read.calls, read.loss, read.text) == ((call,), None, ""), (arguments, read)


@pytest.mark.parametrize("notation", [name for name in KNOWN if name not in ONE_AT_A_TIME])
def test_several_calls_of_a_turn_are_read_back_with_what_is_said_before_them(notation: str) -> None:
    found = call_format(calling_tokenizer(notation))
    calls = tuple(ToolCall.of(name, arguments) for name in ("get_weather", name_of(notation)) for arguments in ARGUMENTS[:4])
    assert read_calls(found, written(notation, *calls), TOOLS).calls == calls
    content = "Let me see."
    if notation == "python":  # calls without marks are the whole answer
        return
    read = read_calls(found, written(notation, *calls, content=content), TOOLS)
    assert (read.calls, read.text) == (calls, content)


@pytest.mark.parametrize("notation", KNOWN)
def test_an_answer_in_words_has_no_calls_and_lost_none(notation: str) -> None:
    found = call_format(calling_tokenizer(notation))
    for text in ("It is warm in Rome.", "", '{"temperature": 31, "name": "Rome"}', "[1, 2]", "get_weather tells it (see there)."):
        read = read_calls(found, text, TOOLS)
        assert (read.calls, read.loss, read.text.strip()) == ((), None, text)


@pytest.mark.parametrize("notation", [name for name in KNOWN if name not in {*ONE_AT_A_TIME, "python"}])
def test_a_call_that_the_end_of_the_turn_closes_is_read_and_one_that_is_cut_is_malformed(notation: str) -> None:
    found = call_format(calling_tokenizer(notation))
    call = ToolCall.of("get_weather", ARGUMENTS[0])
    assert found is not None
    whole = written(notation, call)
    closing = (found.each[1] + found.outer[1]).strip()
    assert read_calls(found, whole.removesuffix(closing).rstrip(), TOOLS).calls == (call,)
    cut = read_calls(found, whole[: whole.index("Rome") + 2], TOOLS)
    assert (cut.calls, cut.loss) == ((), CallLoss.MALFORMED)


def test_a_notation_that_nobody_knows_and_none_at_all_lose_what_looks_like_a_call() -> None:
    for tokenizer in (calling_tokenizer("own"), make_tokenizer(CHATML)):
        assert call_format(tokenizer) is None
    read = read_calls(None, '{"name": "get_weather", "arguments": {}}', TOOLS)
    assert read.loss is CallLoss.PARSER_LOST and "is not known" in (read.detail or "")
    assert read_calls(None, "It is warm.", TOOLS).loss is None


def test_a_text_has_the_type_that_the_schema_says_where_the_notation_says_none() -> None:
    for notation in UNTYPED:
        text = written(notation, ToolCall.of("get_weather", {"code": "7", "days": 7}))
        found = call_format(calling_tokenizer(notation))
        assert read_calls(found, text, TOOLS).calls[0].values == {"code": "7", "days": 7}
        assert read_calls(found, text.replace("get_weather", "unknown"), TOOLS).calls[0].values == {"code": 7, "days": 7}


def test_the_token_that_ends_a_turn_with_calls_ends_an_answer() -> None:
    tokenizer = make_tokenizer(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] or '' }}{% for c in m.tool_calls or [] %}"
        "{{ c.function.name }}\n{{ c.function.arguments | tojson }}{% endfor %}"
        "{{ '<|endoftext|>' if m.tool_calls else '<|im_end|>' }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    assert call_end_ids(tokenizer) == {tokenizer.convert_tokens_to_ids("<|endoftext|>")}
    # A mark between two calls would end the turn behind the first.
    between = make_tokenizer(str(tokenizer.chat_template).replace("tojson }}", "tojson }}<|endoftext|>"))
    assert call_end_ids(between) == frozenset()
    assert call_end_ids(make_tokenizer(CHATML)) == frozenset()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ('{"name": "clock", "arguments": {}}', True),
        ("{'name': 'clock', 'arguments': {}}", True),
        ('{"tool_name": "get_weather"}', True),
        ("get_weather(city='Rome')", True),
        ("<function=get_weather>", True),
        ("[TOOL_CALLS] []", True),
        ("commentary to=functions.get_weather", True),
        ('{"name": "Rome", "country": "Italy"}', False),
        ("I asked get_weather (a tool) before.", False),
        ("forget_weather(1)", False),
        ("my.get_weather(1)", False),
    ],
)
def test_what_looks_like_a_call(text: str, is_one: bool) -> None:
    assert looks_like_a_call(text, {"get_weather"}) is is_one


@pytest.mark.parametrize(
    "text",
    ["clock('CET')", "clock(**a)", "clock(a=b)", "clock(a=1 + 1)", "[clock(), 3]", "clock(a=", "__import__('os')", "f(a=[x for x in y])"],
)
def test_python_that_is_more_than_calls_with_plain_values_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_python_calls(text)


def test_a_call_has_a_name_and_an_object() -> None:
    for name, arguments in ((None, {}), ("", {}), (" ", {}), ("f", "[]"), ("f", "{"), ("f", [1]), ("f", '{"a": NaN}')):
        with pytest.raises(ValueError, match=r"names no function|JSON|Expecting"):
            ToolCall.of(name, arguments)
    assert ToolCall.of("f", None) == ToolCall.of("f", "") == ToolCall.of("f", "{ }") == ToolCall("f", "{}")
    text = with_calls("Hm.", [ToolCall.of("f", {"a": "é"})])
    assert text == 'Hm.\n[{"name": "f", "arguments": {"a": "é"}}]' and json.loads(text[4:])


def test_every_notation_is_tried() -> None:
    assert {*KNOWN, "own"} == {*CALLS}
