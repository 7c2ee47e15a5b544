"""Files that were made elsewhere: whatever prep reads, lint reads, and says of it what stands where."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
import zstandard

from prep.lint.run import LintReport, lint

REVIEWS = [("The soup was cold and nobody came.", "negative"), ("A warm welcome, and the best bread in town.", "positive")]


def reviews(num_rows: int = 40) -> list[tuple[str, str]]:
    rows = [(f"Visit {index}: {text}", label) for index in range(num_rows // 2) for text, label in REVIEWS]
    return [*rows, ("Write to ann.lee@mail-host.org about table nine.", "positive")]


def leaks(report: LintReport) -> list[tuple[str | None, str | None, tuple[int, int] | None]]:
    return [(one.id, one.field, one.span) for one in report.diagnostics if one.code == "PII501"]


def write_lines(path: Path, keys: tuple[str, str]) -> Path:
    path.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in reviews()), encoding="utf-8")
    return path


@pytest.mark.parametrize("keys", [("text", "label"), ("Review", "Liked"), ("comment", "sentiment"), ("prompt", "completion")])
def test_columns_are_told_by_name_and_content(tmp_path: Path, keys: tuple[str, str]) -> None:
    report = lint(write_lines(tmp_path / "train.jsonl", keys))
    assert report.num_examples == 41
    assert [(field, span) for _, field, span in leaks(report)] == [(keys[0], (9, 30))]


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl.gz", "jsonl.zst", "json"])
def test_every_container_gives_the_same_findings(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"train.{kind}"
    frame = pl.DataFrame(reviews(), schema=["text", "label"], orient="row")
    lines = write_lines(tmp_path / "lines.jsonl", ("text", "label"))
    if kind in {"csv", "tsv"}:
        frame.write_csv(path, separator="," if kind == "csv" else "\t")
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress(lines.read_bytes()))
    elif kind == "jsonl.zst":
        path.write_bytes(zstandard.ZstdCompressor().compress(lines.read_bytes()))
    else:
        path.write_text(json.dumps(frame.to_dicts(), indent=1), encoding="utf-8")
    found = lint(path)
    assert leaks(found) == leaks(lint(lines)) != []
    assert found.num_examples == 41


def test_message_trees_are_linted_as_chats(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for index in range(3):
        rows.append({"message_id": f"q{index}", "parent_id": None, "role": "prompter", "text": f"Question {index}?", "lang": "en"})
        answer = "Mail a@mail-host.org." if index == 1 else "An answer."
        rows.append({"message_id": f"a{index}", "parent_id": f"q{index}", "role": "assistant", "text": answer, "lang": "en", "rank": 0})
    for row in rows:
        row["message_tree_id"] = str(row["message_id"])[1:]
    path = tmp_path / "trees.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = lint(path)
    assert report.num_examples == 3
    assert [(field, span) for _, field, span in leaks(report)] == [("messages[1].content", (5, 20))]


def test_ids_hold_when_the_file_is_moved_and_put_in_another_order(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "one.jsonl", ("text", "label"))
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "two.jsonl"
    other.write_text("".join(reversed(one.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8")
    assert leaks(lint(one)) == leaks(lint(other)) != []


def test_a_table_that_says_nothing_of_its_columns_is_refused_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "".join(f"{index},{index * 2}\n" for index in range(5)), encoding="utf-8")
    report = lint(path)
    assert [(one.code, one.line) for one in report.diagnostics] == [("FMT002", line) for line in range(2, 7)]
