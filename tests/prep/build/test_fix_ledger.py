import json
from pathlib import Path
from typing import Any

import pytest

from prep.build.fix_ledger import Fix, append_fixes, load_fixes, row_hash
from prep.build.run import BuildResult
from tests.prep.helpers import Project, make_project, reviews

ROWS = reviews(6)


class Ledger:
    """A project with a fix ledger, whose rows are named by their line."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]] | None = None, **config: Any) -> None:
        self.project: Project = make_project(folder, rows if rows is not None else ROWS, **config)
        self.project.build()
        self.ids = {row["line"]: row["row_id"] for row in self.project.examples()}

    def fix(self, op: str, line: int = 0, **more: Any) -> None:
        entry = {"op": op, "reason": "because", **({"row_id": self.ids[line]} if line else {}), **more}
        path = self.project.folder / "mine.fixes.jsonl"
        path.write_text((path.read_text() if path.exists() else "") + json.dumps(entry) + "\n")

    def build(self) -> BuildResult:
        return self.project.build()

    def fields(self) -> list[tuple[str, str]]:
        """(text, label) of the rows, in their order."""
        rows = sorted(self.project.examples(), key=lambda row: (row["source"] == "mine.fixes.jsonl", row["line"]))
        return [(fields["text"], fields["label"]) for fields in (json.loads(row["fields"]) for row in rows)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


PLAIN = [(row["text"], row["label"]) for row in ROWS]


def test_edit_relabel_drop_and_add_are_replayed(ledger: Ledger) -> None:
    ledger.fix("edit", 1, before={"text": PLAIN[0][0]}, after={"text": "Mended."})
    ledger.fix("relabel", 2, before={"label": "negative"}, after={"label": "positive"})
    ledger.fix("drop", 3, before={"text": PLAIN[2][0]})
    ledger.fix("add", after={"text": "A new row.", "label": "negative"})
    result = ledger.build()
    assert ledger.fields() == [("Mended.", "positive"), (PLAIN[1][0], "positive"), *PLAIN[3:], ("A new row.", "negative")]
    assert result.manifest.fixes.applied == 4 and not result.manifest.fixes.stale
    assert result.manifest.rows.model_dump() == {"read": 7, "kept": 6, "dropped": {"fix_drop": 1}}
    assert [(row["line"], row["reason"], row["detail"]) for row in ledger.project.dropped()] == [(3, "fix_drop", "because")]


def test_a_fix_changes_no_id_and_no_row_beside_its_own(ledger: Ledger) -> None:
    before = {row["line"]: row for row in ledger.project.examples()}
    ledger.fix("edit", 1, before={"text": PLAIN[0][0]}, after={"text": "Mended."})
    ledger.build()
    after = {row["line"]: row for row in ledger.project.examples()}
    assert after[1]["row_id"] == before[1]["row_id"]
    assert {line: {**row, "position": 0} for line, row in after.items() if line != 1} == {
        line: {**row, "position": 0} for line, row in before.items() if line != 1
    }


def test_fixes_of_one_row_are_replayed_in_their_order(ledger: Ledger) -> None:
    ledger.fix("edit", 1, before={"text": PLAIN[0][0]}, after={"text": "First."})
    ledger.fix("edit", 1, before={"text": "First."}, after={"text": "Second."})
    assert ledger.build().manifest.fixes.applied == 2
    assert ledger.fields()[0] == ("Second.", "positive")


def test_a_fix_whose_old_value_no_longer_matches_is_stale_and_shown_three_ways(ledger: Ledger) -> None:
    ledger.fix("edit", 1, before={"text": "As it never was."}, after={"text": "Mended."})
    [stale] = ledger.build().manifest.fixes.stale
    assert stale == {
        "line": 1,
        "row_id": ledger.ids[1],
        "then": {"text": "As it never was."},
        "now": {"text": PLAIN[0][0]},
        "proposed": {"text": "Mended."},
        "moves_to": None,
    }
    assert ledger.fields() == PLAIN


def test_a_fix_of_a_row_that_is_gone_offers_the_one_row_that_carries_the_old_values(ledger: Ledger) -> None:
    ledger.fix("relabel", 1, before={"text": PLAIN[0][0], "label": "positive"}, after={"label": "negative"})
    # The record changed elsewhere, so its id did, and the values that the fix touches are as they were.
    ledger.project.write_rows([{**ROWS[0], "stars": 5}, *ROWS[1:]])
    result = ledger.build()
    [stale] = result.manifest.fixes.stale
    assert (stale["now"], stale["moves_to"]) == (None, next(row["row_id"] for row in ledger.project.examples() if row["line"] == 1))
    assert result.manifest.fixes.applied == 0


def test_where_two_rows_carry_the_old_values_none_is_offered(ledger: Ledger) -> None:
    ledger.fix("relabel", 1, before={"label": "positive"}, after={"label": "negative"})
    ledger.project.write_rows(ROWS[1:])
    [stale] = ledger.build().manifest.fixes.stale
    assert (stale["now"], stale["moves_to"]) == (None, None)


def test_a_fix_of_a_column_that_is_gone_is_stale(ledger: Ledger) -> None:
    ledger.fix("edit", 1, before={"stars": "5"}, after={"stars": "4"})
    assert ledger.build().manifest.fixes.stale[0]["now"] == {"stars": None}


@pytest.mark.parametrize(("scope", "mended"), [("all", 3), ("one", 1)])
def test_a_fix_reaches_all_copies_or_one(tmp_path: Path, scope: str, mended: int) -> None:
    ledger = Ledger(tmp_path, [ROWS[0], ROWS[1], ROWS[0], ROWS[0]])
    ledger.fix("edit", 3, scope=scope, before={"text": PLAIN[0][0]}, after={"text": "Mended."})
    ledger.build()
    texts = [text for text, _ in ledger.fields()]
    assert texts.count("Mended.") == mended
    assert texts[2] == "Mended."


def test_a_drop_takes_one_copy(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [ROWS[0], ROWS[1], ROWS[0]])
    ledger.fix("drop", 3, before={"text": PLAIN[0][0]})
    ledger.build()
    assert ledger.fields() == PLAIN[:2]


def test_dropping_the_first_copy_renames_no_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [ROWS[0], ROWS[1], ROWS[0]])
    ledger.fix("drop", 1, before={"text": PLAIN[0][0]})
    ledger.build()
    assert {row["line"]: row["row_id"] for row in ledger.project.examples()} == {2: ledger.ids[2], 3: ledger.ids[3]}


def held_out(tmp_path: Path, **config: Any) -> Ledger:
    project = make_project(tmp_path, ROWS)
    project.write_rows(
        [{"text": "The waiter spilled red wine over my new white shirt and laughed about it", "label": "negative"}], "test.jsonl"
    )
    return Ledger(tmp_path, sources=[{"path": "rows.jsonl", "split": "train"}, {"path": "test.jsonl", "split": "test"}], **config)


NEAR = "the waiter spilled red wine over my new white shirt and laughed about it loudly"


@pytest.mark.parametrize("text", ["The waiter spilled red wine over my new white shirt and laughed about it", NEAR])
def test_an_added_row_near_an_evaluation_row_is_refused(tmp_path: Path, text: str) -> None:
    ledger = held_out(tmp_path)
    ledger.fix("add", after={"text": text, "label": "negative"})
    assert ledger.build().manifest.rows.dropped == {"near_eval": 1}
    [row] = ledger.project.dropped()
    assert (row["source"], row["line"], row["detail"]) == ("mine.fixes.jsonl", 1, "is near the evaluation row at test.jsonl:1")


def test_an_added_row_cannot_hide_behind_another_that_is_nearer(tmp_path: Path) -> None:
    ledger = held_out(tmp_path)
    # Less than 0.8 of its word pairs are the evaluation row's; the second row is nearer to the first than to that, and near that.
    ledger.fix("add", after={"text": NEAR + " with all his friends", "label": "negative"})
    ledger.fix("add", after={"text": NEAR + " with all", "label": "negative"})
    ledger.build()
    assert [(row["line"], row["reason"]) for row in ledger.project.dropped()] == [(2, "near_eval")]


def test_an_added_row_may_be_like_a_training_row_below_the_threshold_of_the_config(tmp_path: Path) -> None:
    ledger = held_out(tmp_path, dedup={"near": 0.95})
    ledger.project.write_rows([{"text": "one two three four five six seven eight nine ten", "label": "positive"}])
    ledger.fix("add", after={"text": "one two three four five six seven eight nine ten eleven", "label": "positive"})
    assert ledger.build().manifest.rows.dropped == {}


def test_an_added_row_is_for_training_and_has_an_id_of_its_own(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.fix("add", after={"text": "A new row.", "label": "negative"})
    ledger.build()
    added = [row for row in ledger.project.examples() if row["source"] == "mine.fixes.jsonl"]
    assert [(row["split"], row["line"]) for row in added] == [("train", 1), ("train", 2)]
    assert added[1]["row_id"] == added[0]["row_id"] + "-2"
    assert len({row["id"] for row in ledger.project.examples()}) == 8


def test_labels_are_mapped_before_fixes_see_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [{"text": "a", "label": "1"}, {"text": "b", "label": "0"}], labels={"1": "positive", "0": "negative"})
    ledger.fix("relabel", 1, before={"label": "positive"}, after={"label": "negative"})
    ledger.build()
    assert ledger.fields() == [("a", "negative"), ("b", "negative")]


def test_a_fix_may_give_a_row_what_it_lacked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [*ROWS, {"text": "No label."}])
    row_id = ledger.project.dropped()[0]["id"]
    ledger.fix("edit", row_id=row_id, before={"label": None}, after={"label": "negative"})
    assert ledger.build().manifest.rows.dropped == {}
    assert ledger.fields()[-1] == ("No label.", "negative")


def test_the_ledger_survives_any_text_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "mine.fixes.jsonl"
    fix = Fix(op="edit", row_id="a", before={"text": "a\u2028b\x85\r\n"}, after={"text": "🍲\x00"}, reason="r")
    append_fixes(path, [fix])
    append_fixes(path, [fix])
    assert load_fixes(path) == [fix, fix]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rows_hash_takes_no_notice_of_the_order_of_fields() -> None:
    assert row_hash({"a": "1", "b": None}) == row_hash({"b": None, "a": "1"}) != row_hash({"a": "1", "b": ""})


def test_an_edit_moves_no_row_to_another_split(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(60))
    project.build()
    before = {row["row_id"]: row for row in project.examples()}
    edits = [
        Fix(op="edit", row_id=row_id, before={"text": json.loads(row["fields"])["text"]}, after={"text": f"Edited {row_id}"}, reason="typo")
        for row_id, row in before.items()
    ]
    append_fixes(tmp_path / "mine.fixes.jsonl", edits)
    assert project.build().manifest.fixes.applied == 60
    after = {row["row_id"]: row for row in project.examples()}
    assert all(row["messages"][0]["content"].startswith("Edited") for row in after.values())
    assert {key: row["split"] for key, row in after.items()} == {key: row["split"] for key, row in before.items()}
