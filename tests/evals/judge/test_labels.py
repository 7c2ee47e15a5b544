"""People's verdicts as tables of all kinds hold them, and what becomes of each row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals.judge.contract import Kind
from evals.judge.items import Finished
from evals.judge.labels import Labels, match_labels, read_labels
from evals.reports.table import short_names
from loopwright.errors import UserError
from prep.fixes.table_files import write_table
from tests.evals.fake_server import Fake
from tests.evals.judge.conftest import ALIKE, LABELLED, SILENT, Made, answers, judged, right, row_id, winner_rows, write_labels

_TURNED = {"a": "b", "b": "a"}


def matched(made: Made, path: Path) -> Labels:
    finished = Finished.open(made.out)
    table = read_labels(path)
    systems = finished.choose([], table.kind)
    return match_labels(table, finished.items(systems), systems, short_names(finished.report))


def said(labels: Labels) -> dict[str, str]:
    return {label.id: label.outcome for label in labels.labels}


EXPECTED = {row_id(number): right(number) for number in LABELLED}


def by_text(number: int) -> list[str]:
    """A row that holds the answers themselves, the second system's first."""
    one, other = answers(number)
    return [row_id(number), f" {other}\n", one, _TURNED[right(number)].upper()]


@pytest.mark.parametrize(
    "make",
    [
        lambda path: write_labels(path, winner_rows()),
        lambda path: write_labels(path, [(id_, "plain", "trained", _TURNED[winner]) for id_, _, _, winner in winner_rows()]),
        lambda path: write_labels(path, [(id_, "plain", "adapter", {"a": "adapter", "b": "plain"}[w]) for id_, _, _, w in winner_rows()]),
        lambda path: write_labels(path, [(id_.split("/")[0], *rest) for id_, *rest in winner_rows()], "ID, A ,B,Winner"),
        lambda path: path.write_bytes(";".join(["id", "a", "b", "winner"]).encode("utf-8-sig") + b"\r\n" + _semicolons()),
        lambda path: path.write_text("sep=\t\nid\ta\tb\twinner\n" + _semicolons().decode().replace(";", "\t"), encoding="utf-16"),
        lambda path: path.write_bytes(b"id,a,b,winner,Bemerkung\n" + _semicolons().replace(b";", b",").replace(b"\r\n", b",f\xfcr\r\n")),
    ],
    ids=["plain", "turned", "short names", "row ids", "semicolons and a mark", "tabs in UTF-16", "Windows-1252"],
)
def test_a_table_is_read_however_it_was_saved(make: Callable[[Path], Any], made: Made, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    make(path)
    found = matched(made, path)
    assert said(found) == EXPECTED and found.counts.used == found.counts.read == len(LABELLED)
    assert found.counts.people is None


def _semicolons() -> bytes:
    return "".join(";".join(row) + "\r\n" for row in winner_rows()).encode()


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_table_may_hold_the_answers(suffix: str, made: Made, tmp_path: Path) -> None:
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    path = tmp_path / f"labels{suffix}"
    write_table(path, [["id", "a", "b", "winner"], *map(by_text, LABELLED)])
    assert said(matched(made, path)) == EXPECTED


def test_every_row_that_says_nothing_here_is_counted(made: Made, tmp_path: Path) -> None:
    odd = [
        ("nobody", "trained", "plain", "a", "x"),
        (row_id(60), "trained", "plain", "", "x"),
        (row_id(61), "trained", "plain", "the first", "x"),
        (row_id(62), "trained", "linear", "a", "x"),
        (row_id(SILENT), "trained", "plain", "a", "x"),
        (row_id(ALIKE), "trained", "plain", "tie", "x"),
        (row_id(63), "trained", "plain", "a", "x"),
        (row_id(63), "plain", "trained", "b", "x"),
        (row_id(64), "trained", "plain", "a", "x"),
        (row_id(64), "trained", "plain", "b", "x"),
        (row_id(65), "trained", "plain", "both", "y"),
        ("", "", "", "", ""),
    ]
    path = write_labels(tmp_path / "odd.csv", [*((*row, "x") for row in winner_rows()), *odd], "id,a,b,winner,person")
    found = matched(made, path)
    counts = found.counts.model_dump()
    assert counts == {
        "read": 45 + 11, "used": 45 + 2, "examples": 47, "people": 2, "blank": 1, "unreadable": 1, "unknown_id": 1, "other_answers": 2,
        "identical": 1, "duplicate": 1, "contradictory": 2,
    }  # fmt: skip
    assert said(found)[row_id(65)] == "tie"
    assert "1 labels have an id that the evaluation does not: odd.csv:47 'nobody'" in found.notes
    assert "1 labels have a verdict that is none: odd.csv:49 'the first'" in found.notes


def test_several_people_are_told_apart_and_their_agreement_is_measured(made: Made, tmp_path: Path, fake: Callable[[Any], Fake]) -> None:
    from tests.evals.judge.conftest import by_quality, judge_by

    def other(number: int) -> str:
        return _TURNED[right(number)] if number % 5 == 0 else right(number)

    rows = [(*row, "Ann") for row in winner_rows()] + [(*row, "Bo") for row in winner_rows(says=other)]
    report = judged(made, fake(judge_by(by_quality)), write_labels(tmp_path / "two.csv", rows, "id,a,b,winner,annotator"))
    between = report.agreement_between_people
    assert report.labels.people == 2 and report.labels.used == 2 * len(LABELLED) and between is not None
    num_other = sum(number % 5 == 0 for number in LABELLED)
    assert between.num_comparisons == len(LABELLED) and between.observed.value == pytest.approx(1 - num_other / len(LABELLED))
    assert between.counts[0][1] == between.counts[1][0] == num_other, "each pair both ways"
    assert report.agreement_with_people.num_comparisons == 2 * len(LABELLED)
    assert report.agreement_with_people.num_clusters == len(LABELLED), "two verdicts on one example are no two examples"
    unnamed = judged(made, fake(judge_by(by_quality)), write_labels(tmp_path / "who.csv", [row[:4] for row in rows]))
    assert unnamed.agreement_between_people is None, "nobody can tell who agrees where only what differs stands twice"
    assert unnamed.labels.duplicate == len(LABELLED) - num_other


def test_too_few_labels_are_refused_before_anything_is_asked(made: Made, tmp_path: Path, fake: Callable[[Any], Fake]) -> None:
    server = fake(lambda *_: (500, {}, "no"))
    rows = [*winner_rows(LABELLED[:29]), *winner_rows(LABELLED[:29]), ("nobody", "trained", "plain", "a")]
    path = write_labels(tmp_path / "few.csv", rows)
    with pytest.raises(UserError, match=r"about 29 examples that can be judged, and at least 30 .* does not: few.csv:60.*Label 1 more"):
        judged(made, server, path)
    assert not server.requests


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id,label\n1,a\n", "neither a column 'winner' nor 'pass'"),
        ("id,a,b,winner,pass\n1,x,y,a,yes\n", "a column 'winner' and a column 'pass'"),
        ("id,winner\n1,a\n", "no column 'a', 'b'"),
        ("pass\nyes\n", "no column 'id'"),
        ("", "neither a column"),
        ('id,pass\n1,"' + "x" * 200_000 + '"\n', "does not split into fields: field larger than field limit"),
    ],
)
def test_other_tables_are_refused(text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import csv

    before = csv.field_size_limit(131_072)
    try:
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=why):
            read_labels(path)
    finally:
        csv.field_size_limit(before)
    with pytest.raises(UserError, match="cannot read the labels"):
        read_labels(tmp_path / "missing.csv")


def test_a_label_of_a_named_system_is_of_no_other(made: Made, tmp_path: Path) -> None:
    rows = [(row_id(number), "pass", "trained" if number % 4 else "linear") for number in LABELLED]
    found = matched(made, write_labels(tmp_path / "pass.csv", rows, "id,pass,system"))
    assert found.counts.other_answers == sum(number % 4 == 0 for number in LABELLED)
    assert {label.outcome for label in found.labels} == {Kind.PASS.outcomes[0]}
