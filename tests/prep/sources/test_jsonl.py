"""The fast path of JSON Lines reads what its slow path reads, whatever the lines hold."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prep.sources.containers import jsonl
from prep.sources.containers.jsonl import JsonLines
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.source import LINE, RawRows, gather
from prep.sources.source_config import SourceConfig

TRICKY = ['": 1.5', '":', "[", "{", '\\"', "\\", "#line", "null", ": null", "é", "\u2028", "\x00", "\x7f", "1e5", "-0", "\ufeff", "😀"]
TEXTS = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.just("".join(TRICKY)))
KEYS = st.one_of(st.sampled_from(["a", "b", "#line", "ключ", 'q"', "b\\", "", "a.b", "x\ny"]), TEXTS)
NUMBERS = st.sampled_from(
    ["0", "-0", "1", "-17", "1e5", "1E5", "-1.50", "1e400", "1e-400", "0.1", "1.0", "9" * 30, "-" + "9" * 25, "01", "9" * 5000]
)
ODD = st.sampled_from(
    ['"\\ud83d"', '"\\ud83d\\ude00"', '"\\u0041"', '"\\u0000"', '"a\tb"', '"\\/"', "NaN", "-Infinity", '"\\x"', "tru", '"a', "'a'"]
)
WORDS = st.sampled_from(["true", "false", "null"])


def written(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([json.dumps(text), json.dumps(text, ensure_ascii=False)])


STRINGS = TEXTS.flatmap(written)
PLAIN = st.one_of(STRINGS, WORDS, st.sampled_from(["0", "1", "-17"]))
VALUES = st.recursive(
    st.one_of(PLAIN, NUMBERS, ODD),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda values: f"[{','.join(values)}]"),
        st.tuples(KEYS.flatmap(written), inner).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
    ),
    max_leaves=3,
)
SPACES = st.sampled_from(["", " ", "\t", "  "])


def an_object(keys: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(keys, SPACES, SPACES, values).map(lambda part: f"{part[0]}{part[1]}:{part[2]}{part[3]}")
    return st.tuples(st.lists(pairs, max_size=4), SPACES).map(lambda part: f"{part[1]}{{{(', ' + part[1]).join(part[0])}}}{part[1]}")


FLAT = an_object(st.sampled_from(['"a"', '"b"']), PLAIN)
# Of columns that are known, so that only a value can send a line the slow way.
NEARLY_FLAT = an_object(st.sampled_from(['"a"', '"b"']), st.one_of(PLAIN, NUMBERS, ODD))
HOSTILE = an_object(KEYS.flatmap(written), VALUES)
DEEP = ["[" * 99_999, '{"a": ' + "[" * 99 + "]" * 99 + "}"]
TRAILED = ['{"a": 1} x', '{"a": 1}{"a": 2}', '{"a": 1,}', '{"a" 1}', "{a: 1}", "\x00", "\ufeff{}"]
BROKEN = st.one_of(
    st.sampled_from(["", " ", "null", "[1]", "{", "}", "{}", *TRAILED, *DEEP]),
    FLAT.map(lambda line: line[:-1]),
)
LINES = st.one_of(FLAT, NEARLY_FLAT, HOSTILE, BROKEN).map(lambda line: line.encode("utf-8", "surrogatepass"))
RAW_LINES = st.one_of(LINES, LINES, st.sampled_from([b'{"a": "Caf\xe9"}', b'\xff\xfe{"a": 1}', b'{"a": "\xed\xa0\xbd"}']))
FILES = st.tuples(st.lists(RAW_LINES, min_size=1, max_size=12), st.sampled_from([b"\n", b"\r\n"]), st.booleans()).map(
    lambda parts: b'{"a": "x", "b": 1}' + parts[1] + parts[1].join(parts[0]) + (parts[1] if parts[2] else b"")
)


def whole(batches: list[RawRows]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """The rows in order, each without the columns that it does not have, and the rejected ones."""
    rows = [{LINE: line, **record} for batch in batches for line, record in batch.records()]
    rejected = sorted((row.line, row.reason) for batch in batches for row in batch.rejected)
    return [{key: (type(value), value) for key, value in row.items() if value is not None} for row in rows], rejected


def both(path: Path, content: bytes) -> tuple[Any, Any]:
    path.write_bytes(content)
    file = RawFile(path, SourceConfig(path=path.name))
    return whole(list(JsonLines().read(file))), whole(list(gather(JsonLines().records(file))))


@settings(max_examples=400, deadline=None)
@given(FILES, st.sampled_from([1, 2, 32]))
@example(b'{"a": "x", "b": 1}\n{"a": "y", "a": null}\n', 1)
@example(b'{"a": "x", "b": 1}\n{"a": "\\": null", "c": 1}\n', 1)
@example(b'{"a": "x", "b": 1}\n{"a": 1e5, "b": 1}\n{"a": 1e-5, "b": 2}\n', 1)
@example(b'{"a": "x", "b": 1}\n{"#line": 7, "a": "y"}\n', 1)
@example(b'{"a": "x", "b": 1}\n\x0b\n', 1)
def test_the_fast_path_reads_what_the_slow_path_reads(tmp_path_factory: pytest.TempPathFactory, content: bytes, few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_FEW_LINES", few)  # so that lines are read together even where they are few
        fast, slow = both(tmp_path_factory.getbasetemp() / "hostile.jsonl", content)
    assert fast == slow


@settings(max_examples=60, deadline=None)
@given(st.lists(FLAT, min_size=20, max_size=60))
def test_flat_lines_are_read_together(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    content = "\n".join(['{"a": "x", "b": 1}', *lines]).encode()
    fast, slow = both(tmp_path_factory.getbasetemp() / "flat.jsonl", content)
    assert fast == slow
    assert len(fast[0]) == len(lines) + 1


def test_flat_lines_are_never_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> RejectedRow:
        raise AssertionError("a line was read alone")

    lines = [{"text": f'so: {index} \\ "quoted" é\n', "label": index, "flag": True, "none": None} for index in range(500)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    monkeypatch.setattr(jsonl, "_record", refuse)
    frame = pl.concat([rows.frame for rows in JsonLines().read(RawFile(tmp_path / "a.jsonl", SourceConfig(path="a")))])
    assert frame.row(7) == (8, 'so: 7 \\ "quoted" é\n', "7", "true", None)
    assert frame[LINE].to_list() == list(range(1, 501))


@pytest.mark.parametrize("size", [16, 100, 1 << 20])
def test_blocks_of_any_size_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    lines = [
        b'{"a": 1}',
        b'{"a": 1.5, "b": "x"}',
        b"bad",
        b'{"a": "Caf\xe9"}',
        b"",
        b'{"b": {"c": [1]}}',
        b'{"a": "\\ud83d"}',
        b'{"a": "end"}',
    ] * 9
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", size)
    fast, slow = both(tmp_path / "a.jsonl", b"\n".join(lines))
    assert fast == slow
    assert len(fast[0]) == 9 * 4
    assert len(fast[1]) == 9 * 3
