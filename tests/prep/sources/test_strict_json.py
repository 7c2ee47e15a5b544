"""The strict reader: build, lint and validation say the same of every line and every element, however hostile."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.build.stages import ReadSources, read_sources
from prep.lint.frame.examples import load_files
from prep.lint.frame.lines import read_records
from prep.lint.run import LintOptions, lint
from prep.sources.files import find_files
from prep.sources.rows import iter_rows, read_rows
from prep.sources.source_config import SourceConfig
from prep.sources.strict_json import Decoder, Flaw, JsonRecord, Keys
from prep.sources.unread import Unread
from prep.targets.checks.lines import read_rows as validated_rows
from prep.targets.checks.rules import Findings
from tests.prep.helpers import make_project, reviews

PLAIN = b'{"prompt": "a", "completion": "b"}'
HOSTILE = [
    PLAIN,
    b'{"completion": "b", "prompt": "a"}',
    b'{"prompt": "a", "prompt": "c", "completion": "b"}',
    b'{"prompt": "a", "completion": {"x": 1, "x": 2}}',
    b'{"prompt": NaN, "completion": "b"}',
    b'{"prompt": -Infinity, "completion": "b"}',
    b'{"prompt": "\\ud83d", "completion": "b"}',
    b'{"prompt": "\\ud83d\\ude00", "completion": "b"}',
    b'{"\\udc00": "a", "completion": "b"}',
    b'\xef\xbb\xbf{"prompt": "a", "completion": "b"}',
    b'{"prompt": "a\xe2\x80\xa8b", "completion": "\xc2\x85"}',
    b'{"prompt": ' + b"9" * 5000 + b', "completion": "b"}',
    b'{"prompt": ' + b"9" * 400 + b', "completion": 1e999}',
    b'{"prompt": "a", "completion": ' + b"[" * 100 + b"]" * 100 + b"}",
    b'{"prompt": "a", "completion": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    b'{"prompt": "a", "completion": "b"} {}',
    b'{"prompt": "a", "completion": "b"},',
    b'  {"prompt": "a", "completion": "b"}\t ',
    b'\xc2\xa0{"prompt": "a", "completion": "b"}',
    b"",
    b" \t",
    b'{"prompt": "caf\xe9", "completion": "b"}',
    b'{"prompt": "\xed\xa0\xbd", "completion": "b"}',
    b'{"prompt": "a\x00b", "completion": "b"}',
    b'{"prompt": "a", "completion": "b"',
    b"[1]",
    b"null",
    b'"text"',
    b"{}",
]
FILES = st.tuples(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else b"")
)
# What leaves a line without a row; a key that stands twice, or half a surrogate pair, is only said of one.
UNREADABLE = {"json.invalid", "json.too_deep", "json.not_object", "json.surrogate", "encoding.utf8", "line.blank"}


def built(path: Path) -> set[int]:
    rows = read_rows(find_files((SourceConfig(path=path.name, format="jsonl"),), path.parent, "mine.yaml"))
    return set(rows.frame["\0line"])


def linted(path: Path) -> set[int]:
    return {item.line for item in read_records(path, "x") if isinstance(item, JsonRecord) and isinstance(item.value, dict)}


def validated(path: Path) -> set[int]:
    found = Findings()
    lines = {found.line for row in validated_rows(path, found, bom_is_error=False, lines_only=True) if row is not None}
    return lines - {error.line for error in found.errors if error.rule in UNREADABLE}


@settings(max_examples=150, deadline=None)
@given(FILES)
@example(b"\n".join([PLAIN, *HOSTILE, PLAIN]))
@example(b"\xef\xbb\xbf" + PLAIN + b"\n")
def test_all_three_find_the_same_rows(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.jsonl"
    path.write_bytes(PLAIN + b"\n" + content)  # one that is good: a file without any is no question of lines
    assert built(path) == linted(path) == validated(path)


def test_every_hostile_line_is_judged_as_expected(tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(b"\n".join(HOSTILE) + b"\n")
    good = {HOSTILE[line - 1] for line in built(path)}
    assert good == {HOSTILE[index] for index in (0, 1, 2, 3, 7, 10, 12, 13, 17, 28)}


@pytest.mark.parametrize(
    ("text", "flaws"),
    [
        ("{}", []),
        ('{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}', [(Flaw.REPEATED_KEY, "", "a"), (Flaw.REPEATED_KEY, "b", "c")]),
        ('{"a": ["\\ud83d"]}', [(Flaw.SURROGATE, "a[0]", "")]),
        ("{} {}", [(Flaw.TRAILING, "", "")]),
        ("[" * 100_000, [(Flaw.DEPTH, "", "")]),
        ("9" * 5000, [(Flaw.DIGITS, "", "")]),
        ("[NaN]", [(Flaw.CONSTANT, "", "")]),
        ("{", [(Flaw.SYNTAX, "", "")]),
    ],
)
def test_a_line_has_its_defects(text: str, flaws: list[tuple[Flaw, str, str]]) -> None:
    record = Decoder(watches=True).record(7, text)
    assert [(one.flaw, one.path, one.key) for one in record.defects] == flaws
    assert record.line == 7


def test_a_decoder_forgets_what_the_value_before_hid() -> None:
    decoder = Decoder(watches=True)
    assert decoder.record(1, '{"a": 1, "a": 2}').defects
    assert decoder.record(2, '{"a": 1}').defects == []
    assert Decoder().record(1, '{"a": 1, "a": 2}').defects == []


ELEMENTS = [
    ('{"text": "a"}', True),
    ('{"text":\n "b"}', True),
    ('{"text": NaN}', False),
    ('{"text": "\\ud83d"}', False),
    ("[1, [2]]", False),
    ('{"text": ' + "9" * 5000 + "}", False),
    ('{"text": ' + "[" * 200_000 + "]" * 200_000 + "}", False),
    ('{"text": "c", "text": "d"}', True),
]


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_all_three_go_on_behind_an_element_that_is_no_row(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", size if size > 100 else 1 << 12)
    path = tmp_path / "rows.json"
    path.write_text("[\n" + ",\n".join(text for text, _ in [*ELEMENTS, ELEMENTS[0]]) + "]", encoding="utf-8")
    rows = read_rows(find_files((SourceConfig(path=path.name, format="json"),), tmp_path, "mine.yaml"))
    lines = set(rows.frame["\0line"])
    assert lines == linted(path) == {2, 3, 10, 11}
    found = Findings()
    seen = [(found.line, row) for row in validated_rows(path, found, bom_is_error=False, lines_only=False)]
    wrong = {error.line: error.rule for error in found.errors}
    assert wrong == {
        5: "json.invalid",
        6: "json.surrogate",
        7: "json.not_object",
        8: "json.invalid",
        9: "json.too_deep",
        10: "json.duplicate_key",
    }
    assert {line for line, row in seen if row is not None} == lines | {6}


def test_bytes_of_another_encoding_cost_their_element_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"text": "a"},\n {"x": 1,\n  "text": "caf\xe9"},\n {"text": "c"}]')
    assert linted(path) == {1, 4}
    assert [(one.line, one.code) for one in lint(path, options=LintOptions(select=("FMT001",))).diagnostics] == [(3, "FMT001")]
    rows = read_rows(find_files((SourceConfig(path=path.name, format="json"),), tmp_path, "mine.yaml"))
    assert set(rows.frame["\0line"]) == {1, 4}
    found = Findings()
    assert [row is not None for row in validated_rows(path, found, bom_is_error=False, lines_only=False)] == [True, False, True]
    assert [(error.line, error.rule) for error in found.errors] == [(3, "encoding.utf8")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[{"text": "a"}\n {"text": "b"}]', 1),
        ('[{"text": "a"},,\n {"text": "b"}]', 1),
        ('[{"text": "a"},\n {"text": "b"},]', 2),
        ('[,{"text": "a"},\n {"text": "b"}]', 1),
        ('[{"text": "a"},\n {"text": "b"}]\n3', 3),
        ('[{"text": "a"},\n {"text": "b"},', 2),
        ('[{"text": "a"},\n {"text": "b"}', 2),
    ],
)
def test_lint_and_validation_say_what_is_wrong_between_the_elements(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    assert linted(path) == {1, 2}
    assert [(one.line, one.code) for one in lint(path, options=LintOptions(select=("FMT001",))).diagnostics] == [(line, "FMT001")]
    found = Findings()
    assert len(list(validated_rows(path, found, bom_is_error=False, lines_only=False))) == 2
    assert [(error.line, error.rule) for error in found.errors] == [(line, "json.invalid")]


def test_objects_over_several_lines_each_are_rows_for_lint_as_for_the_build(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('{\n"text": "a"\n}\n{\n"text": "b"\n}\n', encoding="utf-8")
    assert built_document(path) == linted(path) == {1, 4}
    path.write_text('{\n"text": "a"\n}\n{\n"text": ]\n}\n', encoding="utf-8")
    assert linted(path) == {1}
    with pytest.raises(UserError, match="not valid JSON"):
        built_document(path)


def built_document(path: Path) -> set[int]:
    return set(read_rows(find_files((SourceConfig(path=path.name, format="json"),), path.parent, "mine.yaml")).frame["\0line"])


def test_keys_know_what_was_asked_for() -> None:
    keys = Keys({"a": 1, "b": 2, "c": None, "d e": 3, "f": 4})
    assert keys["a"] == 1
    assert keys.get("g", 5) == 5
    assert keys["h"] is None
    assert "b" in keys
    keys.ask("f")
    keys.leave(["a[].x", "a[].x"])
    assert keys.unread == ["b", '["d e"]', "a[].x"]
    assert dict(keys) == {"a": 1, "b": 2, "c": None, "d e": 3, "f": 4}


def test_a_record_tells_which_of_its_keys_nobody_read() -> None:
    record = Decoder(watches=True).record(1, '{"a": 1, "b": 2, "c": null}')
    assert record.unread == ["a", "b"]
    assert record.keys["a"] == 1
    assert record.unread == ["b"]
    assert Decoder().record(1, "[1]").unread == []


SAY = {"role": "user", "content": "hi", "name": "ann"}
TOLD = {
    "role": "assistant",
    "from": "gpt",
    "content": [{"type": "text", "text": "a", "cache_control": {"x": 1}}],
    "weight": 1,
    "annotator": "north",
    "rating": None,
}
CHAT = {"messages": [SAY, TOLD, {**TOLD, "annotator": "south"}], "tools": [], "id": 7, "system": None}
PAIR = {"prompt": "q", "question": "other", "chosen": "y", "rejected": [{"role": "assistant", "content": "n", "score": 3}], "output": "y"}
UNREAD: list[tuple[dict[str, Any], set[str]]] = [
    (CHAT, {"messages[].from", "messages[].content[].cache_control", "messages[].annotator", "id"}),
    ({"messages": [SAY, {"role": "assistant", "content": "b"}]}, set()),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b", "id": 1}], "lang": "en"},
        {"conversations[].id", "lang"},
    ),
    (PAIR, {"question", "rejected[].score", "output"}),
    ({"instruction": "a", "input": "b", "output": "c", "source": "d"}, {"source"}),
    ({"prompt": "a", "completion": "b", "n": 1}, {"n"}),
    (
        {
            "input": {"messages": [SAY], "tools": [], "user": "x"},
            "preferred_output": [{"role": "assistant", "content": "y"}],
            "non_preferred_output": [{"role": "assistant", "content": "n", "v": 1}],
        },
        {"input.user", "non_preferred_output[].v"},
    ),
]


@pytest.mark.parametrize(("record", "unread"), UNREAD)
def test_build_and_lint_count_the_keys_that_nobody_read(tmp_path: Path, record: dict[str, Any], unread: set[str]) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text((json.dumps(record) + "\n") * 3, encoding="utf-8")
    (batch,) = iter_rows(find_files((SourceConfig(path=path.name),), tmp_path, "mine.yaml"))
    assert batch.unread.counts == dict.fromkeys(unread, 3)
    assert load_files([(path, "train")], tmp_path).unread.counts == dict.fromkeys(unread, 3)


def test_what_the_config_names_is_read(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"Review": "a", "id": 1, "customer": "c", "stars": 5}\n{"Review": "b", "id": 2, "stars": null}\n', encoding="utf-8")
    config = SourceConfig(path=path.name, key="id", group="customer", fields={"text": "Review"})
    (batch,) = iter_rows(find_files((config,), tmp_path, "mine.yaml"))
    assert batch.unread.counts == {"stars": 1}


def test_a_build_knows_the_keys_that_no_template_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**row, "stars": 5, "label": row["label"]} for row in reviews(40)]
    project = make_project(tmp_path, [{**rows[0], "town": None}, *rows[1:], {**rows[0], "text": "Fine.", "town": "Ulm"}])
    seen: list[Unread] = []

    def read(*arguments: Any) -> ReadSources:
        seen.append((sources := read_sources(*arguments)).unread)
        return sources

    monkeypatch.setattr("prep.build.run.read_sources", read)
    project.build()
    assert [unread.counts for unread in seen] == [{"stars": 41, "town": 1}]
