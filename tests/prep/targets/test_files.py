"""Rules about files as a whole, what reading survives, and the command's contract."""

import gzip
import json
import socket
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.targets.checks.tokens import _least_tokens
from prep.targets.openai import OpenAI
from prep.targets.profile import PROFILES
from prep.targets.validation import Validation, validate

TARGETS = list(PROFILES.entries)


def chat(index: int, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Q{index}"}, {"role": "assistant", "content": f"A{index}"}], **more}


def write(path: Path, rows: list[dict[str, Any]], *, head: bytes = b"") -> Path:
    path.write_bytes(head + "".join(json.dumps(row) + "\n" for row in rows).encode())
    return path


def found(result: Validation) -> list[tuple[int, str, str]]:
    return [(error.line, error.field, error.rule) for error in result.errors]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "train.jsonl"


@pytest.mark.parametrize(("target", "least"), [("openai", 10), ("azure", 10), ("together", 10), ("fireworks", 3), ("trl", 1), ("hf", 1)])
def test_a_file_needs_as_many_rows_as_its_target_asks_for(target: str, least: int, path: Path) -> None:
    assert found(validate(write(path, [chat(index) for index in range(least - 1)]), target)) == [(0, "", "rows.too_few")]
    assert validate(write(path, [chat(index) for index in range(least)]), target).is_valid


def test_a_byte_order_mark_is_an_error_but_for_azure(path: Path) -> None:
    write(path, [chat(index) for index in range(10)], head=b"\xef\xbb\xbf")
    assert found(validate(path, "openai")) == [(1, "", "file.bom")]
    result = validate(path, "azure")
    assert result.is_valid and [one.rule for one in result.warnings] == ["file.bom"]


def test_a_file_that_is_too_large_is_still_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OpenAI.max_bytes == 512 * 1024 * 1024
    write(path, [chat(index) for index in range(10)] + [{}])
    monkeypatch.setattr(OpenAI, "max_bytes", path.stat().st_size)
    assert found(validate(path, "openai")) == [(11, "messages", "messages.missing")]
    monkeypatch.setattr(OpenAI, "max_bytes", path.stat().st_size - 1)
    assert found(validate(path, "openai")) == [(0, "", "file.too_large"), (11, "messages", "messages.missing")]


def test_an_array_is_read_by_its_elements_lines(path: Path) -> None:
    rows = [chat(index) for index in range(10)]
    rows[3]["messages"][1]["weight"] = 2
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    line = path.read_text(encoding="utf-8").splitlines().index('    "content": "Q3"') - 4 + 1
    assert found(validate(path, "openai")) == [(1, "", "file.format"), (line, "messages[1].weight", "weight.value")]
    assert found(validate(path, "trl")) == [(line, "messages[1].weight", "weight.unread")]
    path.write_text('[1]\n{"text": "a"}\n', encoding="utf-8")  # lines, of which the first is an array
    assert found(validate(path, "trl")) == [(1, "", "json.not_object")]
    for broken, line in {
        '[{"text": "a"},\n {"text": ]': 2,
        '[{"text": "a"}\n {"text": "b"}]': 1,
        '[{"text": "a"}] 3': 1,
        '[\n{"text": "a"},]': 2,
    }.items():
        path.write_text(broken, encoding="utf-8")
        assert found(validate(path, "trl")) == [(line, "", "json.invalid")], broken


def test_bytes_that_are_not_utf8_are_found_on_their_line(path: Path) -> None:
    good = b"".join(json.dumps(chat(index)).encode() + b"\n" for index in range(10))
    path.write_bytes(good + b'{"messages": "caf\xe9"}\n' + good)
    assert found(validate(path, "openai")) == [(11, "", "encoding.utf8")]
    path.write_bytes(good.decode().encode("utf-16"))
    assert found(validate(path, "openai")) == [(1, "", "encoding.utf8"), (0, "", "rows.too_few")]


@pytest.mark.parametrize("target", TARGETS)
def test_ten_thousand_levels_are_an_error_of_their_line(target: str, path: Path) -> None:
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    for line in (deep, f'{{"messages": {"[" * 10_000}{"]" * 10_000}}}'):
        path.write_text(f'{{"text": "a"}}\n{line}\n', encoding="utf-8")
        assert (2, "", "json.too_deep") in found(validate(path, target))


def test_what_other_readers_would_not_read_is_too_deep(path: Path) -> None:
    for depth, expected in {127: [], 128: [(1, "", "json.too_deep")]}.items():
        path.write_text('{"text": "a", "x": ' + "[" * depth + "]" * depth + "}\n", encoding="utf-8")
        assert found(validate(path, "trl")) == expected


def test_strangers_words_are_shown_on_one_line_and_cut(path: Path) -> None:
    row = {"messages": [{"role": "r" * 1_000_000, "content": "a"}, {"role": "assistant", "content": "b"}], "k\nerror: forged": 1}
    write(path, [chat(index) for index in range(10)] + [row])
    for error in validate(path, "openai").errors:
        assert len(error.message) < 300 and "\n" not in error.message + error.field


def test_no_address_in_a_schema_is_fetched(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"$ref": address}}}]
        (error,) = validate(write(path, [chat(index, tools=tools) for index in range(10)]), "openai").errors[:1]
        assert error.rule == "tools.parameters" and "nothing is fetched" in error.message
        with pytest.raises(TimeoutError):
            server.accept()


def test_values_as_deep_as_a_reader_takes_are_checked_without_a_crash(path: Path) -> None:
    for depth in range(100, 1000, 150):
        schema = '{"not":' * depth + "{}" + "}" * depth
        tools = f'[{{"type": "function", "function": {{"name": "f", "parameters": {schema}}}}}]'
        arguments = json.dumps("[" * depth + "]" * depth)
        call = f'{{"id": "x", "type": "function", "function": {{"name": "f", "arguments": {arguments}}}}}'
        messages = f'[{{"role": "user", "content": "a"}}, {{"role": "assistant", "tool_calls": [{call}]}}]'
        path.write_text(f'{{"messages": {messages}, "tools": {tools}}}\n' * 10, encoding="utf-8")
        assert validate(path, "openai", validation=path).rows == 10


def test_a_line_of_many_megabytes_is_read(path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "word " * 2_000_000}, {"role": "assistant", "content": "b", "weight": 3}]}
    write(path, [chat(index) for index in range(10)] + [long])
    assert found(validate(path, "openai")) == [(11, "messages[1].weight", "weight.value")]


def test_memory_does_not_grow_with_the_file(path: Path) -> None:
    write(path, [chat(index, tools=[]) for index in range(100)])
    validate(path, "openai")
    path.write_bytes(path.read_bytes() * 300)
    tracemalloc.start()
    assert validate(path, "openai").rows == 30_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size


def test_no_validation_row_repeats_a_training_row(path: Path, tmp_path: Path) -> None:
    write(path, [chat(index) for index in range(10)])
    turned = {"messages": [{"content": "Q4", "role": "user"}, {"content": "A4", "role": "assistant"}]}
    validation = write(tmp_path / "validation.jsonl", [chat(99), turned, {}])
    result = validate(path, "openai", validation=validation)
    assert found(result) == [(2, "", "validation.repeats_training"), (3, "messages", "messages.missing")]
    assert (result.rows, result.validation_rows) == (10, 3)
    assert [error.to_json()["file"] for error in result.errors] == ["validation", "validation"]


def test_token_limits_are_told_by_bounds_that_hold(path: Path) -> None:
    rows = [chat(index) for index in range(10)]
    texts = {"certain": "word " * 16_385, "possible": "x" * 16_385, "fine": "word " * 3_000}
    for name, text in texts.items():
        rows.append({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": name}]})
    write(path, rows)
    result = validate(path, "openai", model="gpt-3.5-turbo-1106")
    assert found(result) == [(11, "messages", "tokens.too_many")]
    assert [(one.line, one.rule) for one in result.warnings] == [(12, "tokens.uncertain")]
    result = validate(path, "openai", model="gpt-4o-mini")
    assert (result.is_valid, [one.line for one in result.warnings]) == (True, [11])
    with pytest.raises(UserError, match="no token limit is known"):
        validate(path, "openai", model="gpt-9")


def test_a_preference_row_is_as_long_as_its_longer_side(path: Path) -> None:
    sides = {"preferred_output": "word " * 9_000, "non_preferred_output": "other " * 9_000}
    row = {"input": {"messages": [{"role": "user", "content": "word " * 5_000}]}}
    rows = [{**row, **{key: [{"role": "assistant", "content": f"{text}{index}"}] for key, text in sides.items()}} for index in range(10)]
    assert found(validate(write(path, rows), "openai", model="gpt-3.5-turbo-1106")) == []
    rows[2]["non_preferred_output"] = [{"role": "assistant", "content": "other " * 12_000}]
    result = validate(write(path, rows), "openai", model="gpt-3.5-turbo-1106")
    assert found(result) == [(3, "non_preferred_output", "tokens.too_many")]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("Don't  stop, it's 12345 o'clock!\n\n", 12), ("東京 naïve", 2), ("    " * 40, 2), ("x" * 129, 2), ("", 0), ("tab\tend\r\n", 3)],
)
def test_the_lower_bound_is_at_most_the_tokenizers_own_count(text: str, pieces: int) -> None:
    # Counted by hand with the tokenizer's own pattern, in which white space is divided further.
    assert 0 <= _least_tokens(text, "o200k_base") <= pieces
    assert _least_tokens(text, "cl100k_base") <= pieces + text.count("'")


def test_dataset_info_is_held_to_its_own_words(path: Path) -> None:
    write(path, [{"instruction": "a", "output": "b"}])
    info = path.with_name("dataset_info.json")
    assert found(validate(path, "llamafactory")) == [(0, "", "info.missing")]
    for content, expected in {
        "{": [(0, "", "info.invalid")],
        "[]": [(0, "", "info.missing")],
        '{"x": {"file_name": "other.jsonl"}}': [(0, "", "info.missing")],
        '{"x": {"file_name": "train.jsonl", "formatting": "shareGPT"}}': [(0, "formatting", "info.invalid")],
        '{"x": {"file_name": "train.jsonl", "columns": {"promt": "instruction", "prompt": "instruction"}}}': [
            (0, "columns.promt", "info.invalid")
        ],
        '{"x": {"file_name": "train.jsonl", "tags": [], "ranking": 0}}': [(0, "tags", "info.invalid"), (0, "ranking", "info.invalid")],
    }.items():
        info.write_text(content, encoding="utf-8")
        assert found(validate(path, "llamafactory")) == expected, content


def test_parquet_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pl.DataFrame([{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": None}]).write_parquet(path)
    assert found(validate(path, "trl")) == [(2, "", "form.unknown")]
    assert found(validate(path, "together"))[0] == (0, "", "file.format")


def test_a_compressed_file_is_said_to_be_one(path: Path) -> None:
    path.write_bytes(gzip.compress(b'{"text": "a"}'))
    with pytest.raises(UserError, match="the file is compressed"):
        validate(path, "trl")


def test_a_file_without_objects_is_not_judged(path: Path) -> None:
    text = path.with_suffix(".txt")
    text.write_text("A line.\n", encoding="utf-8")
    with pytest.raises(UserError, match="are not checked"):
        validate(text, "llamafactory")
    assert (1, "", "json.invalid") in found(validate(text, "openai"))


def run(*arguments: str | Path) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["validate", *map(str, arguments), "--format", "json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout)


def test_the_command_keeps_its_contract(path: Path) -> None:
    write(path, [chat(index) for index in range(10)])
    assert run(path, "--target", "openai") == (0, {"rows": 10, "valid": True, "errors": [], "warnings": []})
    write(path, [chat(index) for index in range(10)] + [{}])
    code, result = run(path, "--target", "openai")
    assert (code, result["rows"], result["valid"]) == (1, 11, False)
    assert result["errors"] == [{"line": 11, "field": "messages", "rule": "messages.missing", "message": "the messages are missing"}]
    text = CliRunner().invoke(app, ["validate", str(path), "--target", "openai"])
    assert text.exit_code == 1
    assert text.stdout == (
        f"{path}:11: error: messages.missing: the messages are missing (messages)\nnot valid: 1 errors, 0 warnings in 11 rows\n"
    )


@pytest.mark.parametrize("arguments", [("no.jsonl", "--target", "openai"), (".", "--target", "openai"), ("no.jsonl", "--target", "opnai")])
def test_what_cannot_be_read_is_a_users_error(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        run(*arguments)


def test_text_prints_no_more_than_people_read(path: Path) -> None:
    write(path, [{}] * 500)
    lines = CliRunner().invoke(app, ["validate", str(path), "--target", "openai"]).stdout.splitlines()
    assert len(lines) == 102 and lines[100].startswith("and 400 more")
    assert len(run(path, "--target", "openai")[1]["errors"]) == 500


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["user", "assistant", "function", "{}", "[]"])
)
_KEYS = st.text(max_size=3) | st.sampled_from(
    """
    messages role content weight tools tool_calls function_call functions name id type function parameters arguments tool_call_id
    input refusal preferred_output non_preferred_output preferred_completion prompt completion chosen rejected label text segments
    train conversations from value instruction output system history columns tags formatting ranking
    """.split()  # noqa: SIM905 (a list of them would take forty lines)
)
_JSON = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=30)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(_KEYS, _JSON, max_size=5) | _JSON, max_size=4), info=_JSON)
def test_no_json_makes_validation_fail(target: str, rows: list[Any], info: Any, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    entry = {**info, "file_name": path.name} if isinstance(info, dict) else {"file_name": path.name, "formatting": "sharegpt"}
    path.with_name("dataset_info.json").write_text(json.dumps({"x": entry}), encoding="utf-8")
    result = validate(path, target, validation=path, model="gpt-4o")
    if not (len(rows) == 1 and isinstance(rows[0], list)):  # a file that is one array has its elements for rows
        assert result.rows == result.validation_rows == len(rows)
    json.dumps(result.to_json())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_no_bytes_make_validation_fail(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    for target in ("openai", "trl"):
        with suppress(UserError):  # a compressed file is refused as a whole
            validate(path, target)
