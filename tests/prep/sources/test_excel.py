"""Workbooks as sources."""

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from loopwright.errors import UserError
from prep.infer.config import write_config
from prep.lint.options import LintOptions
from prep.lint.run import lint
from prep.sources.files import find_files
from prep.sources.rows import META_COLUMNS, iter_rows
from prep.sources.source import LINE
from prep.sources.source_config import SourceConfig
from tests.prep.helpers import make_project, reviews


def write(path: Path, rows: list[list[Any]], **more: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    for name, content in {"First": rows, **more}.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    del book["Sheet"]
    book.save(path)
    return path


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[int], list[str]]:
    """Returns the rows, the lines of those and of the rejected ones, and the notices."""
    files = find_files((SourceConfig.model_validate({"path": path.name, **options}),), path.parent, "c")
    batches = list(iter_rows(files))
    rows = [row for batch in batches for row in batch.frame.drop(META_COLUMNS).to_dicts()]
    lines = [line for batch in batches for line in (*batch.frame[LINE], *(-row.line for _, row in batch.rejected))]
    return rows, lines, files[0].notices


def test_cells_are_read_as_people_would_type_them(tmp_path: Path) -> None:
    cells = [
        "Größe “M”",
        3,
        2.5,
        True,
        datetime.datetime(2024, 5, 1),
        datetime.datetime(2024, 5, 1, 9, 30),
        None,
        "a\nb",
        "a_x000D_\nb",
        "007",
    ]
    rows, lines, _ = read(write(tmp_path / "a.xlsx", [[f"c{number}" for number in range(len(cells))], [], cells]))
    assert list(rows[0].values()) == ["Größe “M”", "3", "2.5", "true", "2024-05-01", "2024-05-01 09:30:00", "", "a\nb", "a\r\nb", "007"]
    assert lines == [3]


def test_headers_are_read_as_in_a_csv(tmp_path: Path) -> None:
    body = [[f"The soup number {number} was good.", ("no", "yes")[number % 2]] for number in range(10)]
    assert read(write(tmp_path / "a.xlsx", [["My export"], [], ["text", "label", None], *body, ["seen", "by", "me"]]))[0][0] == {
        "text": "The soup number 0 was good.", "label": "no", "column_3": None
    }  # fmt: skip
    rows, lines, notices = read(write(tmp_path / "b.xlsx", body))
    assert list(rows[0]) == ["column_1", "column_2"] and lines == list(range(1, 11)) and "looks like a row" in notices[0]
    assert read(tmp_path / "b.xlsx", columns=["text", "label"])[0][0]["label"] == "no"


def test_a_sheet_is_named_and_others_are_told_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xlsx", [["text"], ["one"]], Second=[["text"], ["two"]])
    rows, _, notices = read(path)
    assert rows == [{"text": "one"}] and notices == ["of the 2 sheets of 'a.xlsx', 'First' is read. Name another with 'sheet:'."]
    assert read(path, sheet="Second")[::2] == ([{"text": "two"}], [])
    with pytest.raises(UserError, match=r"has no sheet 'Secnd'\. Did you mean 'Second'"):
        read(path, sheet="Secnd")
    (tmp_path / "a.csv").write_text("text\nx\n", encoding="utf-8")
    with pytest.raises(UserError, match="'sheet' says nothing of a csv file"):
        read(tmp_path / "a.csv", sheet="x")


def test_what_is_no_workbook_or_is_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    (tmp_path / "cut.xlsx").write_bytes(write(tmp_path / "b.xlsx", [["text"], ["one"]]).read_bytes()[:2000])
    for name in ("a.xlsx", "cut.xlsx"):
        with pytest.raises(UserError, match="not a readable Excel file"):
            read(tmp_path / name)
    with pytest.raises(UserError, match="the sheet is empty"):
        read(write(tmp_path / "c.xlsx", []))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.xlsx", [["text"], ["one"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"'excel' extra, which is not installed.*loopwright\[excel\]"):
        read(path)
    with pytest.raises(UserError, match=r"loopwright\[excel\]"):
        lint(path)


def test_a_workbook_goes_all_the_way(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.xlsx", [["text", "label"], *(list(row.values()) for row in reviews(60))])
    assert lint(path, options=LintOptions(select=("FMT",))).num_examples == 60
    assert "format: excel, by the file's ending; 60 rows looked at" in write_config(path).guesses
    project = make_project(tmp_path, sources=[{"path": "reviews.xlsx"}])
    assert project.build().manifest.rows.kept == 60
    # The same ids as from a CSV under one name.
    ids = []
    (tmp_path / "reviews.csv").write_text(
        "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in reviews(60)), encoding="utf-8"
    )
    for name in ("reviews.xlsx", "reviews.csv"):
        project.configure(sources=[{"path": name, "name": "same"}])
        project.build()
        ids.append(sorted(json.dumps(row["row_id"]) for row in project.examples()))
    assert ids[0] == ids[1]
