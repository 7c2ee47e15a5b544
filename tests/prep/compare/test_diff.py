import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

import prep.compare.diff_rows
from loopwright.errors import UserError
from prep.cli.app import app
from prep.compare.diff import diff
from prep.compare.diff_rows import CAUSES
from prep.compare.diff_view import diff_json, render_diff
from prep.text.diff import render_words, shorten, word_diff
from tests.prep.helpers import TEMPLATE, Project, make_project, reviews


class Pair:
    """A project that is built, changed and built again."""

    def __init__(self, folder: Path, rows: list[dict[str, Any]] | None = None, **config: Any) -> None:
        self.project: Project = make_project(folder, rows if rows is not None else reviews(40), **config)
        self.project.build(self.before)
        self.ids = {row["line"]: row["row_id"] for row in self.project.examples(self.before)}

    @property
    def before(self) -> Path:
        return self.project.folder / "before"

    @property
    def after(self) -> Path:
        return self.project.folder / "after"

    def fix(self, *entries: dict[str, Any]) -> None:
        self.project.write("mine.fixes.jsonl", "".join(json.dumps({"reason": "because", **entry}) + "\n" for entry in entries))

    def compare(self) -> dict[str, Any]:
        """Builds again; returns the comparison, whose counts must add up in every test."""
        self.project.build(self.after)
        found = diff_json(diff(self.before, self.after))
        assert sum(found["by_cause"].values()) == found["added"] + found["removed"] + found["changed"]
        assert set(found["by_cause"]) == set(CAUSES)
        kept = [len({row["row_id"] for row in self.project.examples(out)}) for out in (self.before, self.after)]
        assert kept[1] == kept[0] + found["added"] - found["removed"]
        return found


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def causes(found: dict[str, Any]) -> dict[str, int]:
    return {cause: number for cause, number in found["by_cause"].items() if number}


def test_a_dataset_does_not_differ_from_itself(pair: Pair) -> None:
    found = pair.compare()
    assert (found["added"], found["removed"], found["changed"], causes(found)) == (0, 0, 0, {})
    assert found["samples"] == found["templates"] == [] and found["config"] == {}


def test_rows_that_come_and_go_are_counted_with_where_they_went(pair: Pair) -> None:
    pair.project.write_rows([*reviews(38, 2), *reviews(3, 100)])
    found = pair.compare()
    assert (found["added"], found["removed"], found["changed"]) == (3, 2, 0)
    assert causes(found) == {"gone_from_source": 2, "new_in_source": 3}


def test_the_ledger_is_the_cause_of_what_it_edits_and_adds_and_the_reason_of_what_it_drops(pair: Pair) -> None:
    rows = reviews(40)
    pair.fix(
        {"op": "edit", "row_id": pair.ids[1], "before": {"text": rows[0]["text"]}, "after": {"text": "The soup number 0 was lovely."}},
        {"op": "relabel", "row_id": pair.ids[2], "before": {"label": "negative"}, "after": {"label": "positive"}},
        {"op": "drop", "row_id": pair.ids[3], "before": {"text": rows[2]["text"]}},
        {"op": "add", "after": {"text": "A row of our own.", "label": "negative"}},
    )
    found = pair.compare()
    assert (found["added"], found["removed"], found["changed"]) == (1, 1, 2)
    assert causes(found) == {"fix": 3, "dropped": 1} and found["dropped"] == {"fix_drop": 1}
    assert [sample["parts"] for sample in found["samples"]] == [
        [{"part": "text", "before": "The soup number 0 was hot.", "after": "The soup number 0 was lovely."}],
        [{"part": "label", "before": "negative", "after": "positive"}],
    ]
    pair.fix()
    pair.project.build(pair.before.with_name("again"))
    back = diff_json(diff(pair.after, pair.before.with_name("again")))
    assert causes(back) == {"fix": 3, "no_longer_dropped": 1} and back["no_longer_dropped"] == {"fix_drop": 1}


def test_an_edited_template_changes_examples_and_not_rows_of_other_templates(tmp_path: Path) -> None:
    pair = Pair(tmp_path, templates=[{"path": "mine.jinja"}, {"name": "general/text"}])
    pair.project.write("mine.jinja", TEMPLATE.replace("Opinion:", "What is it?"))
    found = pair.compare()
    assert (found["changed"], causes(found)) == (40, {"template": 40})
    assert found["examples"]["changed"] == 40 and found["examples"]["by_template"]["general/text"] == {"before": 40, "after": 40}
    assert found["templates"] == [{"name": "mine/sentiment", "change": "edited", "before": "1", "after": "1"}]
    [part] = found["samples"][0]["parts"]
    assert part["part"] == "prompt" and part["after"].endswith("What is it?")


def test_a_template_that_judges_answers_otherwise_changes_its_examples(pair: Pair) -> None:
    body = '{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ label }}{% endmessage %}'
    head = "---\nname: mine/mood\ninputs: {text: str, label: str, kept: bool, sold: bool}\nwanted: KEY\n---\n"
    pair.project.write_rows([{**row, "kept": "yes", "sold": "yes" if index else "no"} for index, row in enumerate(reviews(5))])
    pair.project.write("mine.jinja", head.replace("KEY", "kept") + body)
    pair.project.build(pair.before)
    pair.project.write("mine.jinja", head.replace("KEY", "sold") + body)
    found = pair.compare()
    assert (found["changed"], causes(found)) == (1, {"template": 1})
    assert "wanted" in json.dumps(found["samples"])


def test_a_fix_counts_before_a_template_and_a_template_before_a_split(pair: Pair) -> None:
    pair.fix({"op": "edit", "row_id": pair.ids[1], "before": {"text": reviews(1)[0]["text"]}, "after": {"text": "Mended."}})
    pair.project.write("mine.jinja", TEMPLATE.replace("Review:", "Text:"))
    pair.project.configure(split={"train": 0.5, "validation": 0.25, "test": 0.25, "seed": 3})
    found = pair.compare()
    assert causes(found) == {"fix": 1, "template": 39}
    assert sum(found["moved"].values()) > 5


def test_a_row_with_several_examples_has_the_first_cause_of_any(tmp_path: Path) -> None:
    plain = "---\nname: mine/plain\ninputs: {text: str}\n---\n{% text %}{{ text }}{% endtext %}\n"
    (tmp_path / "plain.jinja").write_text(plain)
    pair = Pair(tmp_path, templates=[{"path": "plain.jinja"}, {"path": "mine.jinja"}])
    (tmp_path / "plain.jinja").write_text(plain.replace("{{ text }}", "Review: {{ text }}"))
    pair.fix({"op": "relabel", "row_id": pair.ids[2], "before": {"label": "negative"}, "after": {"label": "positive"}})
    assert causes(pair.compare()) == {"fix": 1, "template": 39}


def test_a_template_that_comes_or_goes_changes_the_rows_and_removes_none(pair: Pair) -> None:
    pair.project.configure(templates=[{"path": "mine.jinja"}, {"name": "general/text"}])
    found = pair.compare()
    assert (found["added"], found["removed"], found["changed"], causes(found)) == (0, 0, 40, {"template": 40})
    assert found["examples"]["added"] == 40
    assert [change["change"] for change in found["templates"]] == ["added"]


def test_moves_between_splits_are_counted_by_where_from_and_where_to(pair: Pair) -> None:
    pair.project.configure(split={"train": 0.5, "validation": 0.5, "test": 0, "seed": 17})
    found = pair.compare()
    assert set(causes(found)) == {"split"} and found["changed"] == sum(found["moved"].values()) > 0
    assert {move.split(" -> ")[1] for move in found["moved"]} <= {"train", "validation"}
    assert found["config"]["split.train"] == {"before": 0.8, "after": 0.5}


def test_copies_have_rows_of_their_own_and_dedup_is_named(tmp_path: Path) -> None:
    pair = Pair(tmp_path, [*reviews(10), *reviews(3), *reviews(2)])
    pair.project.configure(dedup={"exact": True})
    found = pair.compare()
    assert (found["removed"], causes(found), found["dropped"]) == (5, {"dropped": 5}, {"duplicate": 5})
    pair.project.configure()
    pair.project.write_rows([*reviews(10), *reviews(3)])
    found = pair.compare()
    assert (found["removed"], causes(found)) == (2, {"gone_from_source": 2})


def test_an_edit_in_the_source_is_an_edit_where_rows_have_a_key_and_is_guessed_where_not(tmp_path: Path) -> None:
    rows = [{"id": str(number), **row} for number, row in enumerate(reviews(20))]
    edited = [{**row, "text": "Now otherwise."} if row["id"] == "5" else row for row in rows]
    for name, source, expected in (("key", {"key": "id"}, {"fix": 1}), ("record", {}, {"gone_from_source": 1, "new_in_source": 1})):
        pair = Pair(tmp_path / name, rows, sources=[{"path": "rows.jsonl", **source}])
        pair.project.write_rows(edited)
        found = pair.compare()
        assert causes(found) == expected
        assert found["replaced_in_place"] == (name == "record")


def test_a_row_that_moves_to_another_file_has_the_cause_source(tmp_path: Path) -> None:
    pair = Pair(tmp_path, sources=[{"path": "rows.jsonl", "name": "alias"}])
    (tmp_path / "rows.jsonl").rename(tmp_path / "moved.jsonl")
    pair.project.configure(sources=[{"path": "moved.jsonl", "name": "alias"}])
    pair.project.write_rows(reviews(40), "moved.jsonl")
    assert causes(pair.compare()) == {"source": 40}


def test_a_label_shift_gives_counts_and_shares_by_split(pair: Pair) -> None:
    pair.project.write_rows([*reviews(40), *({"text": f"Awful thing {number}.", "label": "negative"} for number in range(40))])
    labels = {(share["split"], share["label"]): share for share in pair.compare()["labels"]}
    train = labels["train", "negative"]
    examples = [[row for row in pair.project.examples(out) if row["split"] == "train"] for out in (pair.before, pair.after)]
    counts = [sum(row["label"] == 0 for row in rows) for rows in examples]
    assert [train["before"], train["after"]] == counts
    assert train["share_before"] == counts[0] / len(examples[0]) < train["share_after"] == counts[1] / len(examples[1])


def test_lint_counts_are_given_where_they_are_asked_for(pair: Pair) -> None:
    pair.project.write_rows([*reviews(40), *reviews(2)])
    pair.project.build(pair.after)
    assert diff(pair.before, pair.after).lint is None
    counts = diff(pair.before, pair.after, with_lint=True).lint
    assert counts is not None and counts["DUP301"][1] - counts.get("DUP301", (0, 0))[0] > 0


def test_the_parts_of_a_large_dataset_add_up_to_the_whole(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.project.write("mine.jinja", TEMPLATE.replace("Opinion:", "What is it?"))
    pair.project.write_rows([*reviews(38, 2), *reviews(3, 100)])
    whole = pair.compare()
    monkeypatch.setattr(prep.compare.diff_rows, "_ROWS_AT_ONCE", 7)
    assert pair.compare() == whole


def test_what_is_no_dataset_is_an_error(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such dataset folder"):
        diff(pair.before, tmp_path / "none")
    pair.project.build(pair.after)
    (pair.after / "dropped.jsonl").unlink()
    with pytest.raises(UserError, match=r"dropped\.jsonl is missing"):
        diff(pair.before, pair.after)


def test_the_command_prints_json_or_words_and_changes_are_marked_without_colour_too(pair: Pair) -> None:
    pair.project.write("mine.jinja", TEMPLATE.replace("Review:", "Text \x1b[2J:"))
    pair.project.build(pair.after)
    run = CliRunner().invoke
    assert json.loads(run(app, ["diff", str(pair.before), str(pair.after), "--json"]).stdout)["by_cause"]["template"] == 40
    done = run(app, ["diff", str(pair.before), str(pair.after), "-n", "1"])
    assert done.exit_code == 0 and "raw rows: 0 added, 0 removed, 40 changed, 0 as they were" in " ".join(done.stdout.split())
    buffer = io.StringIO()
    Console(file=buffer, width=200).print(render_diff(diff(pair.before, pair.after)))
    assert r"[-Review-]{+Text \u001b[2J+}:" in buffer.getvalue() and "\x1b" not in buffer.getvalue()


WORDS = st.text(alphabet="ab 好\n.", max_size=30)


@given(WORDS, WORDS)
def test_the_pieces_of_a_word_diff_are_both_texts(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.change != "added") == before
    assert "".join(piece.text for piece in pieces if piece.change != "removed") == after
    assert (before == after) == all(piece.change == "same" for piece in pieces)


def test_a_word_diff_marks_words_and_leaves_far_words_out() -> None:
    text = " ".join(f"w{number}" for number in range(100))
    shown = str(render_words(shorten(word_diff(text, text.replace("w50", "other")))))
    assert "[-w50-]{+other+}" in shown and re.match(r" … w\d\d", shown) and len(shown) < 160
    assert str(render_words(word_diff("天气很好", "天气不好"))) == "天气[-很-]{+不+}好"
    long = "x " * 10_000
    assert [piece.change for piece in word_diff("a " + long, long + "b")] == ["removed", "added"]
