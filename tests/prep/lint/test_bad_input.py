"""Input that nobody should have made: an answer or a clear error, never a traceback, and no row lost on the way."""

import json
import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from prep.lint.cache import cached_lint
from prep.lint.run import LintOptions, LintReport, lint

SEATS = ("window", "bar", "garden", "stove", "corner", "stairs", "piano", "kitchen", "door", "cellar")


def reviews(num_rows: int = 40) -> list[tuple[str, str]]:
    chooser = random.Random(3)
    places = ["-".join(chooser.sample(SEATS, 4)) + f" {number}" for number in range(num_rows)]
    return [(f"Our seats: {place}. The bread was fresh.", chooser.choice(["good", "bad"])) for place in places]


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def codes(report: LintReport) -> set[tuple[str, int | None]]:
    return {(one.code, one.line) for one in report.diagnostics}


def test_all_rows_of_an_array_that_stands_on_one_line_are_read(tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": label} for text, label in reviews()]
    path = tmp_path / "train.json"
    path.write_text(json.dumps([*rows, {"prompt": "Shut?", "completion": ""}, rows[0]]), encoding="utf-8")
    report = lint(path)
    assert report.num_examples == 42
    assert codes(report) == {("DUP301", 1), ("LEN603", 1)}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("text", ["^text.*$", "*"])
def test_columns_that_are_called_like_patterns_are_read(tmp_path: Path, text: str, kind: str) -> None:
    frame = pl.DataFrame(reviews(), schema=[text, "label"], orient="row")
    path = tmp_path / f"train.{kind}"
    frame.write_parquet(path) if kind == "parquet" else frame.write_csv(path)
    lines = write_lines(tmp_path / "train.jsonl", [{"Review": "x", text: one, "label": label} for one, label in reviews()])
    assert lint(path).num_examples == lint(lines).num_examples == 40


def test_an_answer_that_a_table_leaves_out_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    rows = [(text, None if number % 10 == 0 else label) for number, (text, label) in enumerate(reviews(60))]
    pl.DataFrame(rows, schema=["text", "label"], orient="row").write_parquet(path)
    assert {one for one in codes(lint(path)) if one[0] == "LEN603"} == {("LEN603", line) for line in range(1, 61, 10)}


def test_a_table_may_mix_shapes_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pairs = [{"prompt": text, "completion": label} for text, label in reviews()]
    texts = [{"text": text} for text, _ in reviews(60)[40:]]
    preferences = [{"prompt": text, "chosen": "Yes, it was.", "rejected": "No."} for text, _ in reviews(80)[60:]]
    pl.DataFrame([*pairs, *texts, *preferences], infer_schema_length=None).write_parquet(path)
    report = lint(path)
    assert report.num_examples == 80
    assert not {code for code, _ in codes(report)} & {"FMT001", "FMT002", "LEN603"}


@pytest.mark.parametrize("open_it", [lint, lambda path: cached_lint(path, options=LintOptions())])
@pytest.mark.parametrize("path", ["/dev/zero", "pipe", "x" * 5000])
def test_what_has_no_end_is_refused(tmp_path: Path, path: str, open_it: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe or a device|too long"):
        open_it(tmp_path / path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("text,label\n", encoding="utf-8")
    with pytest.raises(UserError, match="no rows"):
        lint(path)
