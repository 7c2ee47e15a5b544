"""Rows beside one another: conflicts, duplicates and leaks."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prep.lint.base.report import LintReport
from prep.lint.frame.examples import load_files
from prep.lint.reports.beside import Beside, Side, rows_beside
from prep.lint.reports.facts import PageFacts
from prep.lint.run import LintOptions, lint
from tests.prep.lint.reports.rows import chat, write
from tests.prep.lint.test_reports import found


def test_duplicates_are_tied_into_clusters(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    exact = [cluster for cluster in facts.beside.clusters if cluster.codes == ("DUP301",)]
    assert [cluster.num_rows for cluster in exact] == [3, 2]
    assert facts.beside.num_in_clusters == sum(cluster.num_rows for cluster in facts.beside.clusters)
    assert {row.excerpt() for row in exact[0].members} == {"Message number 3 about the weather in town 21"}


def test_clusters_join_through_other_rows() -> None:
    ties = [("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]
    duplicates = [found(code="DUP302", name="NearDuplicate", id=one, related=(other,)) for one, other in ties]
    with TemporaryDirectory() as work:
        path = write(Path(work) / "train.jsonl", [chat("q", "a")])
        of = rows_beside(load_files([(path, "train")], Path(work)).frame, duplicates)
    assert [cluster.num_rows for cluster in of.clusters] == [4, 2]


def test_leaks_are_shown_with_the_row_that_they_come_from(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    assert facts.leaked["LEK401", "test"] == 1
    leak = next(one for one in facts.beside.leaks if one.code == "LEK401")
    assert tuple(side.split for side in leak.sides) == ("test", "train")
    assert leak.sides[0].excerpt() == leak.sides[1].excerpt() == "Message number 7 about the weather in town 49"


def ids_of(*rows: dict[str, Any], codes: tuple[str, ...] = ("CON201", "CON202", "DUP301", "DUP302")) -> Beside:
    with TemporaryDirectory() as work:
        path = write(Path(work) / "train.jsonl", list(rows))
        result = lint(path, options=LintOptions(select=codes))
        return rows_beside(load_files([(path, "train")], Path(work)).frame, result.diagnostics)


def marked(side: Side) -> list[str]:
    return [piece.text.strip() for part in side.parts for piece in part.pieces if piece.codes]


def texts(side: Side) -> list[str]:
    return ["".join(piece.text for piece in part.pieces) for part in side.parts]


FILLING = [chat(f"{word} of another kind, number {number}", "ham") for number, word in enumerate(("Rain", "Bread", "Wool", "Iron"))]
LONG = " ".join(f"and so on to the {number}th mile" for number in range(60))


def test_conflicts_stand_side_by_side_with_what_differs_marked() -> None:
    of = ids_of(chat("the pump is LATE again", "ham"), chat("the pump is late again", "spam"), *FILLING)
    (pair,) = of.conflicts  # each of the two rows has the finding; the two are one conflict
    assert (pair.code, of.num_in_conflict) == ("CON201", 2)
    assert [texts(side) for side in pair.sides] == [["the pump is LATE again", "ham"], ["the pump is late again", "spam"]]
    assert [marked(side) for side in pair.sides] == [["LATE", "ham"], ["late", "spam"]]


def test_exact_copies_have_nothing_marked() -> None:
    of = ids_of(FILLING[0], *FILLING)
    (cluster,) = of.clusters
    assert cluster.num_rows == 2 and of.conflicts == []
    assert [marked(side) for side in cluster.members] == [[], []]


def test_a_difference_deep_in_a_long_text_is_shown() -> None:
    of = ids_of(chat(f"{LONG} a green door. {LONG}", "ham"), chat(f"{LONG} a white door. {LONG}", "ham"), *FILLING)
    (cluster,) = of.clusters
    assert sorted(marked(side) for side in cluster.members) == [["green"], ["white"]]
    assert all(len(texts(side)[0]) < 600 < len(LONG) for side in cluster.members)


def test_identifiers_are_masked_on_both_sides() -> None:
    of = ids_of(chat("write to jane.doe@example.com today", "ham"), chat("write to jane.doe@example.com today", "spam"), *FILLING)
    (pair,) = of.conflicts
    assert [texts(side)[0] for side in pair.sides] == ["write to [EMAIL_ADDRESS] today"] * 2
    assert "jane" not in pair.message
