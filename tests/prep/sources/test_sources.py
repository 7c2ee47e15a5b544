import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.sources.files import SOURCE_FORMATS
from prep.sources.raw_file import RawFile, data_suffix
from prep.sources.source import LINE, RawRows
from prep.sources.source_config import SourceConfig

HEADER = "text,label\n"


def rows_of(path: Path, **options: Any) -> RawRows:
    """Reads a whole file by the format that its ending names."""
    source = SourceConfig.model_validate({"path": path.name, "format": data_suffix(path)[1:], **options})
    batches = list(SOURCE_FORMATS.get(source.format)().read(RawFile(path, source)))
    frame = pl.concat([batch.frame for batch in batches], how="diagonal")
    assert frame.columns[0] == LINE
    assert set(frame.drop(LINE).dtypes) <= {pl.String()}
    return RawRows(frame, [row for batch in batches for row in batch.rejected])


def read(folder: Path, name: str, content: str | bytes, **options: Any) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    """Returns (line, values...) of each row, and (line, reason) of each rejected one."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    raw = rows_of(path, **options)
    return raw.frame.rows(), [(row.line, row.reason) for row in raw.rejected]


@pytest.mark.parametrize(("delimiter", "others"), [(",", "; | \t"), (";", ", |"), ("\t", ", ;"), ("|", ", ;")])
def test_csv_takes_the_delimiter_that_its_header_has_most_of(tmp_path: Path, delimiter: str, others: str) -> None:
    rows, rejected = read(tmp_path, "a.csv", f"text{delimiter}label{delimiter}more\n{others}{delimiter}1{delimiter}\n")
    assert (rows, rejected) == ([(2, others, "1", "")], [])


def test_csv_counts_lines_within_quoted_fields(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "a.csv", HEADER + '"a\nb\n\nc",1\n"d ""e"", f",2\n\ng,3\r\nh\n"i\r\nj",4\n')
    assert rows == [(2, "a\nb\n\nc", "1"), (6, 'd "e", f', "2"), (8, "g", "3"), (10, "i\r\nj", "4")]
    assert rejected == [(9, "ragged")]


def test_a_quote_that_is_never_closed_takes_no_row_with_it_in_silence(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "a.csv", HEADER + 'a,1\n"b,2\nc,3\nd,4\n')
    assert (rows, rejected) == ([(2, "a", "1")], [(3, "bad_quotes")])


def test_text_after_a_closing_quote_rejects_its_row_alone(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "a.csv", HEADER + '"a" b,1\nc,2\n')
    assert (rows, rejected) == ([(3, "c", "2")], [(2, "bad_quotes")])


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    for name, content in (
        ("a.csv", HEADER + "a,1\n"),
        ("a.tsv", "text\tlabel\na\t1\n"),
        ("a.jsonl", '{"text": "a", "label": "1"}'),
        ("a.json", '[{"text": "a", "label": "1"}]'),
    ):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + content.encode())
        assert rows_of(tmp_path / name).frame.columns[1:] == ["text", "label"]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("told", ["utf-8", "cp1252", "utf-16"])
def test_a_mark_says_more_of_an_encoding_than_the_config_does(tmp_path: Path, codec: str, told: str) -> None:
    for file, content in (
        ("a.csv", HEADER + "Café,1\n"),
        ("a.tsv", "text\tlabel\nCafé\t1\n"),
        ("a.jsonl", '{"text": "Café", "label": "1"}\n'),
        ("a.json", '[{"text": "Café", "label": "1"}]'),
        ("a.txt", "Café\n"),
    ):
        rows, rejected = read(tmp_path, file, content.encode(codec), encoding=told)
        assert rows[0][1] == "Café" and not rejected


@pytest.mark.parametrize(
    ("codec", "name"),
    [("latin-1", "latin-1"), ("cp1252", "windows-1252"), ("utf-16", "UTF16"), ("utf-32-le", "utf_32_le"), ("utf-8-sig", "U8")],
)
def test_other_encodings_go_by_any_of_their_names(tmp_path: Path, codec: str, name: str) -> None:
    for file, content in (
        ("a.csv", HEADER + "Café,1\n"),
        ("a.tsv", "text\tlabel\nCafé\t1\n"),
        ("a.jsonl", '{"text": "Café", "label": "1"}'),
        ("a.json", '[{"text": "Café", "label": "1"}]'),
        ("a.txt", "Café\n"),
    ):
        rows, rejected = read(tmp_path, file, content.encode(codec), encoding=name)
        assert rows[0][1] == "Café"
        assert not rejected


def test_bytes_of_another_encoding_reject_their_row_alone(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", b"text,label\ngood,1\nCaf\xe9,2\nalso,3\n") == (
        [(2, "good", "1"), (4, "also", "3")],
        [(3, "bad_encoding")],
    )
    assert read(tmp_path, "a.tsv", b"text\nCaf\xe9\nok\n") == ([(3, "ok")], [(2, "bad_encoding")])
    assert read(tmp_path, "a.jsonl", b'{"a": "Caf\xe9"}\n{"a": "b"}\n') == ([(2, "b")], [(1, "bad_encoding")])
    assert read(tmp_path, "a.txt", b"Caf\xe9\nb\n") == ([(2, "b")], [(1, "bad_encoding")])


def test_tsv_takes_quotes_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path, "a.tsv", 'text\tlabel\n"quoted\t1\nsay "hi"\t2\n\'\t3\nshort\n') == (
        [(2, '"quoted', "1"), (3, 'say "hi"', "2"), (4, "'", "3")],
        [(5, "ragged")],
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("a,a\n1,2\n", r"a\.csv:1: the header names 'a' twice"),
        ('"a,b\n1,2\n', r"a\.csv:2: the header does not split into fields"),
        (b"Gr\xf6\xdfe,b\n1,2\n", r"a\.csv:1: the header is not UTF-8. Set 'encoding:'"),
        (
            "text,label\nwide,1\n".encode("utf-16-le"),
            r"a\.csv: the file is UTF-16 without a mark. Set 'encoding: utf-16-le'.* --encoding utf-16-le",
        ),
        ("text,label\nwide,1\n".encode("utf-16-be"), r"a\.csv: the file is UTF-16 without a mark. Set 'encoding: utf-16-be'"),
        ("", r"a\.csv: the file is empty"),
        ("  \n\n", r"a\.csv: the file is empty"),
    ],
)
def test_a_csv_that_cannot_be_read_as_a_whole_is_an_error(tmp_path: Path, content: str | bytes, error: str) -> None:
    with pytest.raises(UserError, match=error):
        read(tmp_path, "a.csv", content)


def test_jsonl_rejects_each_bad_line_by_its_number(tmp_path: Path) -> None:
    lines = [
        '{"a": 1}',
        "",
        "{bad",
        "[1]",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": "\\ud83d"}',
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"a": 2} x',
        '{"a": ' + "9" * 5000 + "}",
        "null",
        '{"a": 3}',
    ]
    rows, rejected = read(tmp_path, "a.jsonl", "\n".join(lines))
    assert rows == [(1, "1"), (12, "3")]
    assert rejected == [
        (3, "bad_json"),
        (4, "bad_json"),
        (5, "bad_json"),
        (6, "bad_json"),
        (7, "bad_encoding"),
        (8, "bad_json"),
        (9, "bad_json"),
        (10, "bad_json"),
        (11, "bad_json"),
    ]


@pytest.mark.parametrize("depth", range(900, 1100, 7))
def test_deep_nesting_is_a_row_or_a_rejected_row_and_never_a_crash(tmp_path: Path, depth: int) -> None:
    rows, rejected = read(tmp_path, "a.jsonl", '{"a": ' + "[" * depth + "]" * depth + '}\n{"a": 1}\n')
    assert len(rows) + len(rejected) == 2
    assert rows[-1] == (2, "1")


def test_no_value_depends_on_the_rows_around_it(tmp_path: Path) -> None:
    values = [1, 1.5, "1", True, None, {"x": 1}, [1, "a"], "", 10**30, 1e-05]
    rows, _ = read(tmp_path, "a.jsonl", "".join(json.dumps({"a": value}) + "\n" for value in values))
    assert [row[1] for row in rows] == ["1", "1.5", "1", "true", None, '{"x":1}', '[1,"a"]', "", "1" + "0" * 30, "1e-05"]


def test_of_a_repeated_key_the_last_counts_as_in_python(tmp_path: Path) -> None:
    assert read(tmp_path, "a.jsonl", '{"a": 1, "a": 2}')[0] == [(1, "2")]


def test_a_json_array_knows_the_line_of_each_element(tmp_path: Path) -> None:
    rows, rejected = read(tmp_path, "a.json", '\n[\n{"a":\n 1},\n\n{"a": 2}, {"a": 3},\n 4, "x",\n{"a": NaN},\n{"a": "\\ud83d"}\n]\n')
    assert rows == [(3, "1"), (6, "2"), (6, "3")]
    assert rejected == [(7, "bad_json"), (7, "bad_json"), (8, "bad_json"), (9, "bad_encoding")]


def test_an_element_that_python_will_not_read_is_rejected_alone(tmp_path: Path) -> None:
    deep, long = "[" * 10_000 + '"]"' + "]" * 10_000, "9" * 5_000
    rows, rejected = read(tmp_path, "a.json", f'[{{"a": {deep}}},\n{{"a": {long}}},\n{{"a": "\xe9"}},\n{{"a": 1}}]'.encode("latin-1"))
    assert rows == [(4, "1")]
    assert rejected == [(1, "bad_json"), (2, "bad_json"), (3, "bad_encoding")]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_json_array_reads_the_same_in_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    content = '[ {"a": "é\\"]"},\r\n {"a": {"b": [1, 2]}} ,{"a": NaN}, 17, ' + "[" * 2000 + "]" * 2000 + ',\n{"a": -1.5e3}]\n '
    whole = read(tmp_path, "a.json", content)
    assert [row[1] for row in whole[0]] == ['é"]', '{"b":[1,2]}', "-1500.0"]
    assert whole[1] == [(2, "bad_json")] * 3
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", size)
    assert read(tmp_path, "a.json", content) == whole


def test_an_object_may_hold_the_rows_in_a_list(tmp_path: Path) -> None:
    content = '{"version": 2,\n "data": [{"a": 1},\n {"a": NaN}, 7, {"a": 2}],\n "note": {"b": 1}}'
    assert read(tmp_path, "a.json", content) == ([(2, "1"), (3, "2")], [(3, "bad_json"), (3, "bad_json")])
    parts = '{"train": [{"a": 1}],\n "test": [{"a": 2}]}'
    assert read(tmp_path, "a.json", parts) == ([(1, "1"), (2, "2")], [])


def test_an_object_may_hold_a_row_under_each_key(tmp_path: Path) -> None:
    content = '{\n"x": {"a": 1},\n"y": {"a": Infinity},\n"z": {"a": 2, "key": "own"}}'
    assert read(tmp_path, "a.json", content) == ([(2, "x", "1"), (4, "own", "2")], [(3, "bad_json")])


def test_a_lone_record_is_a_row_whatever_lists_it_holds(tmp_path: Path) -> None:
    record = {"messages": [{"role": "user", "content": "a"}]}
    for text in (json.dumps(record), json.dumps(record, indent=1)):
        assert read(tmp_path, "a.json", text) == ([(1, '[{"role":"user","content":"a"}]')], [])
    assert read(tmp_path, "a.json", '{"a": {"b": 1}}') == ([(1, '{"b":1}')], [])


def test_objects_over_several_lines_each_are_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{\n"a": 1\n}\n{\n"a": 2\n}\n') == ([(1, "1"), (4, "2")], [])


def test_json_that_begins_with_an_object_is_taken_line_by_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", '{"a": 1}\n{"a": 2}\n')[0] == [(1, "1"), (2, "2")]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('[{"a": 1}\n,\n{"a": }]', r"a\.json:3: not valid JSON: Expecting value"),
        ('[{"a": 1}', r"a\.json:1: not valid JSON"),
        ('[{"a": 1}]\n[{"a": 2}]', r"a\.json:2: something follows the array"),
        ("3", r"a\.json:1: expected an array"),
        (",", r"a\.json:1: expected an array"),
        (b"\xef\xbb\xbf", r"a\.json: the file is empty"),
        ("[" * 100_000, r"a\.json:1: not valid JSON: nested too deeply"),
    ],
)
def test_json_that_cannot_be_read_as_a_whole_is_an_error(tmp_path: Path, content: str | bytes, error: str) -> None:
    with pytest.raises(UserError, match=error):
        read(tmp_path, "a.json", content)


def test_txt_is_a_row_a_line(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", " a \r\n\n\tb\u2028c\nd") == ([(1, " a "), (3, "\tb\u2028c"), (4, "d")], [])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"))))
def test_txt_loses_no_line(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    filled = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if filled:
        assert read(tmp_path_factory.getbasetemp(), "lines.txt", "x\n" + "\n".join(lines))[0][1:] == [
            (number + 1, line) for number, line in filled
        ]


def test_parquet_values_look_as_from_json(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "text": ["a", None],
            "number": [1, 2],
            "real": [1.5, float("nan")],
            "flag": [True, None],
            "day": [datetime.date(2024, 1, 31), None],
            "at": [datetime.datetime(2024, 1, 31, 12, 30), None],
            "time": [datetime.time(12, 30), None],
            "price": [Decimal("1.50"), None],
            "turns": [[{"speaker": "a", "text": "b"}], []],
            "kind": pl.Series(["x", "y"], dtype=pl.Categorical),
            "nothing": pl.Series([None, None], dtype=pl.Null),
        }
    )
    frame.write_parquet(tmp_path / "a.parquet")
    rows = rows_of(tmp_path / "a.parquet").frame.to_dicts()
    assert rows[0] == {
        LINE: 1,
        "text": "a",
        "number": "1",
        "real": "1.5",
        "flag": "true",
        "day": "2024-01-31",
        "at": rows[0]["at"],
        "time": rows[0]["time"],
        "price": "1.50",
        "turns": '[{"speaker":"a","text":"b"}]',
        "kind": "x",
        "nothing": None,
    }
    assert rows[0]["at"].startswith("2024-01-31") and "12:30:00" in rows[0]["at"]
    assert rows[0]["time"].startswith("12:30:00")


def test_a_parquet_value_that_has_no_text_rejects_its_row(tmp_path: Path) -> None:
    pl.DataFrame({"a": [b"bytes", None]}).write_parquet(tmp_path / "a.parquet")
    raw = rows_of(tmp_path / "a.parquet")
    assert [(row.line, row.reason) for row in raw.rejected] == [(1, "bad_value")]
    assert raw.frame["a"].to_list() == [None]


def test_a_value_of_bytes_rejects_its_own_row_and_no_other(tmp_path: Path) -> None:
    inner = pl.Series("b", [{"c": None}, {"c": b"x"}, {"c": None}, None], dtype=pl.Struct({"c": pl.Binary}))
    pl.DataFrame([pl.Series("a", [None, None, b"y", None], dtype=pl.Binary), inner, pl.Series("n", [1, 2, 3, 4])]).write_parquet(
        tmp_path / "a.parquet"
    )
    raw = rows_of(tmp_path / "a.parquet")
    assert raw.frame.rows() == [(1, None, '{"c":null}', "1"), (4, None, None, "4")]
    assert [(row.line, row.detail) for row in raw.rejected] == [
        (2, "'b' holds bytes, which has no text"),
        (3, "'a' holds bytes, which have no text"),
    ]


def test_dates_and_prices_within_lists_are_text(tmp_path: Path) -> None:
    values = [[{"day": datetime.date(2024, 1, 31), "price": Decimal("1.50"), "real": 0.5}]]
    pl.DataFrame({"a": values}).write_parquet(tmp_path / "a.parquet")
    assert rows_of(tmp_path / "a.parquet").frame["a"].to_list() == ['[{"day":"2024-01-31","price":"1.50","real":0.5}]']


def test_what_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        rows_of(tmp_path / "a.parquet")


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13"])
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.txt"])
def test_what_is_no_text_encoding_is_refused(tmp_path: Path, name: str, encoding: str) -> None:
    with pytest.raises(UserError, match=f"unknown encoding '{encoding}'"):
        read(tmp_path, name, "[]", encoding=encoding)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match="cannot read the file"):
        rows_of(tmp_path / "a.txt")
