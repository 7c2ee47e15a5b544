"""Where a table begins: headers with gaps, titles above them, `sep=`, and first lines that are no header. Quotes in tab-separated text."""

from pathlib import Path
from typing import Any

import pytest

from prep.sources.files import find_files
from prep.sources.rows import META_COLUMNS, ROW_ID, read_rows
from prep.sources.source import LINE
from prep.sources.source_config import SourceConfig

ROWS = [(f"The soup number {number} was {'good' if number % 2 else 'bad'}.", ("negative", "positive")[number % 2]) for number in range(12)]


def table(*above: str, row: str = '"{0}",{1}') -> str:
    return "".join(f"{line}\n" for line in above) + "".join(row.format(*one, number) + "\n" for number, one in enumerate(ROWS))


def read(folder: Path, content: str, name: str = "a.csv", **options: Any) -> tuple[list[dict[str, str | None]], list[int], list[str]]:
    """Returns the rows, their lines and the notices."""
    (folder / name).write_text(content, encoding="utf-8")
    files = find_files((SourceConfig.model_validate({"path": name, **options}),), folder, "mine.yaml")
    rows = read_rows(files)
    assert not rows.rejected
    return rows.frame.drop(META_COLUMNS).to_dicts(), rows.frame[LINE].to_list(), files[0].notices


@pytest.mark.parametrize(
    ("content", "more", "first_line"),
    [
        (table("text,label"), {}, 2),
        (table("text,label,", row='"{0}",{1},'), {}, 2),
        (table("text,label,,,", row='"{0}",{1},,,'), {}, 2),
        (table("text,label,", row='"{0}",{1},seen {2}'), {"column_3": "seen 0"}, 2),
        (table(",text,label", row='{2},"{0}",{1}'), {"column_1": "0"}, 2),
        (table(",column_1,text,label", row='{2},x{2},"{0}",{1}'), {"column_1_": "0", "column_1": "x0"}, 2),
        (table("sep=;", "text;label", row='"{0}";{1}'), {}, 3),
        (table('"SEP=|"', "text|label", row='"{0}"|{1}'), {}, 3),
        (table("My export", "text,label"), {}, 3),
        (table("My export, of March", "", "text;label", row='"{0}";{1}'), {}, 4),
        (table("My export,,", ",,", "text,label,note", row='"{0}",{1},'), {"note": ""}, 4),
        (table("Reviews,,", "by the shop,,", "text,label,note", row='"{0}",{1},'), {"note": ""}, 4),
        (table("Exported,March,", "By,Ann,", ",,", "text,label,note", row='"{0}",{1},'), {"note": ""}, 5),
        (table("", "sep=,", "My export,", "text,label"), {}, 5),
    ],
)
def test_a_header_is_a_header_whatever_stands_in_and_above_it(tmp_path: Path, content: str, more: dict[str, str], first_line: int) -> None:
    rows, lines, _ = read(tmp_path, content)
    assert rows[0] == {"text": ROWS[0][0], "label": "negative", **more}
    assert (len(rows), lines[0]) == (len(ROWS), first_line)


@pytest.mark.parametrize(
    ("content", "width"),
    [
        (table(), 2),
        (table(row='"{0}",{1},'), 3),
        (table(row='{2},"{0}",{1}'), 3),
        (table('"The first, which nobody has judged.",'), 2),  # it is like a title
        (table(row='{2},"{0}",0.{2}7'), 3),  # labels that do not recur, and numbers above numbers
    ],
)
def test_a_first_line_that_is_data_is_no_header(tmp_path: Path, content: str, width: int) -> None:
    rows, lines, notices = read(tmp_path, content)
    assert list(rows[0]) == [f"column_{number}" for number in range(1, width + 1)]
    assert lines[0] == 1 and len(rows) == content.count("\n")
    assert "looks like a row, not a header" in notices[0]


def test_a_title_is_told_of_and_only_looked_for_where_the_format_is(tmp_path: Path) -> None:
    content = table("My export,", "text,label")
    assert read(tmp_path, content)[2] == ["'My export' above the header of 'a.csv' is no row, and is left out."]
    assert list(read(tmp_path, content, format="csv")[0][0]) == ["My export", "column_2"]
    assert read(tmp_path, content, columns=["text", "label"])[1][:2] == [1, 2]
    # A header above rows whose other column is blank at first is no title, and an index without a name neither.
    assert list(read(tmp_path, ",text\none,hello\ntwo,bye\n")[0][0]) == ["column_1", "text"]


def test_a_blank_column_without_a_name_has_no_part_in_an_id(tmp_path: Path) -> None:
    ids = []
    for content in (table("text,label,", row='"{0}",{1},'), table("text,label,", row='"{0}",{1},') + '"More.",positive,seen\n'):
        (tmp_path / "a.csv").write_text(content, encoding="utf-8")
        ids.append(read_rows(find_files((SourceConfig(path="a.csv"),), tmp_path, "c")).frame[ROW_ID].to_list()[: len(ROWS)])
    assert ids[0] == ids[1]


QUOTED = 'The waiter said "fine", and left'
AS_IN_CSV = '"The waiter said ""fine"", and left"'


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ([AS_IN_CSV, "Good"], [QUOTED, "Good"]),
        ([AS_IN_CSV, '"Good"', 'A 9" board', '""""'], [QUOTED, "Good", 'A 9" board', '"']),
        (['"a, b"', '"c, d"', '"e, f"', "g"], ["a, b", "c, d", "e, f", "g"]),
        # Near misses: what the text itself has.
        (['The 9" pipe', 'A 1" x 9" board, not a 12"'], ['The 9" pipe', 'A 1" x 9" board, not a 12"']),
        (['"Great"', '"Yes, please"', "No, thanks"], ['"Great"', '"Yes, please"', "No, thanks"]),
        (['"Go" or "stay"', '"Open'], ['"Go" or "stay"', '"Open']),
    ],
)
def test_quotes_around_a_field_of_tabs_are_told_from_its_own(tmp_path: Path, fields: list[str], texts: list[str]) -> None:
    content = "text\tlabel\n" + "".join(f"{field}\tx{number}\n" for number, field in enumerate(fields))
    rows, _, notices = read(tmp_path, content, "a.tsv")
    assert [row["text"] for row in rows] == texts
    assert bool(notices) == (fields != texts)


def test_a_quoted_header_says_that_all_is_quoted(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path, '"text"\t"label"\n"Good\there"\t1\n"A 9"" board\nlong"\t"2"\n', "a.tsv")
    assert rows == [{"text": "Good\there", "label": "1"}, {"text": 'A 9" board\nlong', "label": "2"}]


def test_quotes_that_are_taken_off_change_no_id(tmp_path: Path) -> None:
    def ids(name: str, content: str) -> list[str]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        source = SourceConfig(path=name, name="same", format="auto" if name.endswith("tsv") else "json")
        return read_rows(find_files((source,), tmp_path, "c")).frame[ROW_ID].to_list()

    raw = '[{"text": "\\"He said \\"\\"no\\"\\"\\"", "label": "x"}, {"text": "Good", "label": "y"}]'
    assert ids("a.tsv", 'text\tlabel\n"He said ""no"""\tx\nGood\ty\n') == ids("a.json", raw)
