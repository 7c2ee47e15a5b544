import json
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import UserError
from prep.fixes.drafts import apply_drafts, drafts_table, save_drafts
from prep.fixes.propose import propose
from tests.prep.helpers import Project, make_project

SECRET = "Eine streng geheime Kritik ueber Knoedel"
# Remarks of which no two share much: lint has nothing to say of them.
REMARKS = """\
The soup came cold.
A window seat, at last!
Nobody asked whether we had booked.
Best bread in years.
Why is the music so loud?
My aunt still talks of that trifle.
Peas like gravel
Quick, kind, cheap.
They lost our coats.
Sunday lunch as it should be.
I would sooner eat the menu.
Lovely garden behind the kitchen""".splitlines()
TRAIN = [{"text": remark, "label": ("negative", "positive")[index % 2]} for index, remark in enumerate(REMARKS)]
HELD_OUT = ["Eine streng geheime Kritik ueber Knoedel", "Nichts als Lob: Knoedel wie bei Oma", "Drei Knoedel, drei Enttaeuschungen"]
SOURCES = [{"path": "train.jsonl", "split": "train"}, {"path": "validation.jsonl", "split": "validation"}]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path, sources=SOURCES)
    project.write_rows(TRAIN, "train.jsonl")
    project.write_rows([{"text": text, "label": "positive"} for text in HELD_OUT], "validation.jsonl")
    project.build()
    return project


def row_of(project: Project, source: str, line: int) -> dict[str, Any]:
    return next(row for row in project.examples() if (row["source"], row["line"]) == (source, line))


def failure(project: Project, line: int, neighbours: list[tuple[int, float, bool]], **more: Any) -> dict[str, Any]:
    failed = row_of(project, "validation.jsonl", line)
    near = [(row_of(project, "train.jsonl", number), similarity, same) for number, similarity, same in neighbours]
    return {
        "id": failed["id"],
        "row_id": failed["row_id"],
        "reference": failed["messages"][-1]["content"],
        "prediction": "bad",
        "neighbours": [
            {"id": row["id"], "row_id": row["row_id"], "similarity": similarity, "answer": "bad", "same_answer": same}
            for row, similarity, same in near
        ],
        **more,
    }


def drafts_of(project: Project, *failures: dict[str, Any]) -> list[Any]:
    project.write("failures.jsonl", "".join(json.dumps(one) + "\n" for one in failures))
    return propose(project.out, failures_path=project.folder / "failures.jsonl")


def test_the_nearest_rows_that_answer_otherwise_are_to_be_looked_at(project: Project) -> None:
    suspect = row_of(project, "train.jsonl", 1)
    drafts = drafts_of(project, failure(project, 1, [(1, 0.9, False), (2, 0.8, True)]), failure(project, 2, [(1, 0.7, False)]))
    [draft] = [one for one in drafts if one.op == "relabel"]
    assert (draft.row_id, draft.place, draft.before, draft.after) == (
        suspect["row_id"],
        "train.jsonl:1",
        {"label": "negative"},
        {"label": "positive"},
    )
    assert draft.evidence == {"failures": [row_of(project, "validation.jsonl", line)["id"] for line in (1, 2)], "similarity": 0.9}
    assert not draft.accept and not draft.safe


def test_a_text_that_reads_like_a_label_is_not_taken_for_it(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=SOURCES)
    project.write_rows([{"text": "positive", "label": "positive"}, *TRAIN], "train.jsonl")
    project.write_rows([{"text": "Question?", "label": "negative"}], "validation.jsonl")
    project.build()
    [draft] = [one for one in drafts_of(project, failure(project, 1, [(1, 0.9, False)])) if one.op == "relabel"]
    assert (draft.before, draft.after) == ({"label": "positive"}, {"label": "negative"})


def test_where_no_row_is_near_a_new_one_is_asked_for(project: Project) -> None:
    [draft] = drafts_of(project, failure(project, 1, [(1, 0.1, False)]))
    assert (draft.op, draft.after) == ("add", {"text": None, "label": None})
    assert "expected: good" in draft.reason and "no training row is near it" in draft.reason


def test_an_evaluation_row_is_never_copied_into_a_draft_nor_changed(project: Project) -> None:
    evaluated = {row["row_id"] for row in project.examples() if row["split"] == "validation"}
    drafts = drafts_of(project, *(failure(project, line, [(line, 0.9, line == 1)], prediction=SECRET) for line in (1, 2, 3)))
    assert drafts
    assert not any("Knoedel" in draft.model_dump_json() for draft in drafts)
    assert not evaluated & {draft.row_id for draft in drafts}


def test_an_answer_in_words_is_no_part_of_the_request(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=SOURCES, templates=[{"name": "general/reply"}])
    project.write_rows([{"message": row["text"], "reply": f"Reply {index}."} for index, row in enumerate(TRAIN)], "train.jsonl")
    project.write_rows([{"message": f"Question {index}?", "reply": f"{SECRET} {index}"} for index in range(3)], "validation.jsonl")
    project.build()
    drafts = drafts_of(project, failure(project, 1, []), failure(project, 2, [(1, 0.9, False)]))
    assert sorted(draft.op for draft in drafts) == ["add", "edit"]
    assert not any("Knoedel" in draft.model_dump_json() for draft in drafts)
    [edit] = [draft for draft in drafts if draft.op == "edit"]
    assert (edit.before, edit.after) == ({"reply": "Reply 0."}, {"reply": None})


def test_what_is_proposed_can_be_applied_and_built(project: Project) -> None:
    [draft] = [one for one in drafts_of(project, failure(project, 1, [(1, 0.9, False)])) if one.op == "relabel"]
    path = project.folder / "drafts.jsonl"
    save_drafts(path, [draft.model_copy(update={"accept": True})])
    apply_drafts(path, project.config)
    result = project.build()
    assert result.manifest.fixes.applied == 1 and not result.manifest.fixes.stale
    assert row_of(project, "train.jsonl", 1)["label"] == 1


def test_lint_proposes_too_and_its_drafts_fit_their_rows(tmp_path: Path) -> None:
    project = make_project(tmp_path, [*TRAIN, TRAIN[0]])
    project.build()
    drafts = propose(project.out)
    assert {draft.op for draft in drafts} >= {"drop"}
    path = project.folder / "drafts.jsonl"
    save_drafts(path, [draft.model_copy(update={"accept": True}) for draft in drafts if draft.op == "drop"])
    apply_drafts(path, project.config)
    assert not project.build().manifest.fixes.stale


@pytest.mark.parametrize("line", ["{}", '{"id": "a", "row_id": "b", "reference": "c", "neighbours": [{"row_id": "a"}]}'])
def test_a_file_that_holds_no_failures_is_refused(project: Project, line: str) -> None:
    path = project.write("failures.jsonl", line)
    with pytest.raises(UserError, match=r"failures\.jsonl:1: .*Give the failures\.jsonl of an evaluation"):
        propose(project.out, failures_path=path)


def test_a_draft_shows_what_to_judge_it_by(project: Project) -> None:
    [repair] = [one for one in drafts_of(project, failure(project, 1, [(1, 0.9, False)])) if one.op == "relabel"]
    assert (repair.text, repair.answered, repair.expected) == (f"text: {REMARKS[0]}\nlabel: negative", "bad", "good")
    project.write_rows([*TRAIN, {**TRAIN[0], "label": "positive"}, TRAIN[1]], "train.jsonl")
    project.build()
    [conflict, *_] = [one for one in propose(project.out) if one.evidence["code"] == "CON201"]
    assert REMARKS[0] in conflict.text and REMARKS[0] in conflict.conflicts_with and "train.jsonl:" in conflict.conflicts_with
    [header, *rows] = drafts_table([conflict])
    shown = dict(zip(header, rows[0], strict=True))
    assert (shown["text"], shown["conflicts_with"], shown["reason"]) == (conflict.text, conflict.conflicts_with, conflict.reason)


def test_a_row_that_a_person_kept_is_not_pointed_at_again(project: Project) -> None:
    failed = failure(project, 1, [(1, 0.9, False), (2, 0.8, False)])
    drafts = drafts_of(project, failed)
    assert {draft.place for draft in drafts} == {"train.jsonl:1", "train.jsonl:2"}
    kept = next(draft for draft in drafts if draft.place == "train.jsonl:1")
    kept.op, kept.accept = "keep", True
    save_drafts(project.folder / "drafts.jsonl", [kept])
    [fix] = apply_drafts(project.folder / "drafts.jsonl", project.config)
    assert (fix.op, fix.code, fix.row_id) == ("keep", "failures", row_of(project, "train.jsonl", 1)["row_id"])
    assert {draft.place for draft in drafts_of(project, failed)} == {"train.jsonl:2"}
