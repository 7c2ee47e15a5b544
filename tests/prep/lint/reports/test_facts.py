"""What the page counts: splits, labels, slices, lengths."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.frame.examples import load_files
from prep.lint.reports.declared import Declared
from prep.lint.reports.facts import PageFacts, page_facts
from prep.lint.reports.page import as_html
from prep.lint.run import lint
from tests.prep.lint.reports.rows import chat, make_rows, write


def test_splits_labels_and_slices_add_up(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    train, test = make_rows()
    assert facts.splits == {"train": len(train), "test": len(test)}
    (task,) = facts.labels
    answers = [row["messages"][2]["content"] for row in train]
    assert task.task == "You sort messages: ham or spam."
    assert task.counts["ham"] == {"train": answers.count("ham"), "test": len(test)}
    assert task.counts["spam"] == {"train": answers.count("spam"), "test": 0}
    assert task.counts["(empty)"] == {"train": 1, "test": 0} and task.num_others == 0
    for kind in ("split", "source", "label"):
        assert sum(one.num_rows for one in facts.slices if one.by == kind) in {len(train) + len(test), len(train) + len(test) - 1}


def test_shares_are_of_all_labels_and_not_of_those_that_are_shown(folder: Path) -> None:
    path = write(folder / "many.jsonl", [chat(f"message number {index} of many", f"intent {index % 40}") for index in range(400)])
    result = lint(path)
    with TemporaryDirectory() as work:
        facts = page_facts(load_files([(path, "train")], Path(work)).frame, result.diagnostics, Declared())
    (task,) = facts.labels
    assert len(task.counts) == 12 and task.num_others == 400 - 120 and task.totals == {"train": 400}
    html = as_html(result, facts)
    assert "intent 0, train: 2.5%" in html and "10 (2.5%)" in html


def test_a_slice_counts_its_rows_with_findings(linted: tuple[LintReport, PageFacts]) -> None:
    result, facts = linted
    flagged = {one.id for one in result.diagnostics if one.id and one.severity is not Severity.INFO}
    assert sum(one.num_flagged for one in facts.slices if one.by == "split") == len(flagged) > 3


def test_lengths_are_counted_in_characters(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    train, _ = make_rows()
    lengths = [len(row["messages"][1]["content"]) for row in train]
    one = next(one for one in facts.lengths if (one.part, one.split) == ("input", "train"))
    assert one.longest == max(lengths) and one.median == pl.Series(lengths).median()
    assert sum(one.bins.values()) == len(lengths)
    for place, count in one.bins.items():
        assert count == sum(2 ** (place / 4) <= length + 1e-6 < 2 ** ((place + 1) / 4) for length in lengths)
