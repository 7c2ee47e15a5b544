"""Candidate causes: what they are, and how they are weighed."""

import dataclasses
import json
from pathlib import Path

import pytest
from scipy.stats import fisher_exact

from evals.causes.evidence import lint_evidence
from evals.causes.weigh import Background, TrainCounts, far_threshold, gather_evidence, weigh_causes
from evals.data.neighbours import Neighbour, find_neighbours
from evals.data.prediction import Prediction, PredictionState
from evals.data.references import ReferenceKinds
from evals.data.rows import EvalRow, load_rows
from prep.build.fix_ledger import Fix, append_fixes, row_hash
from prep.dataset.manifest import Dataset
from templates.chat import Message
from tests.prep.helpers import make_project, reviews

NOTHING = Background(TrainCounts([]), {}, 0.0)


def row(name: str, text: str, label: int = 0, template: str = "t") -> EvalRow:
    messages: list[Message] = [{"role": "user", "content": text}, {"role": "assistant", "content": ["no", "yes"][label]}]
    return EvalRow(f"{name}/{template}/0", name, "s", 1, None, "train", template, label, ["no", "yes"], messages, None, None)


def written(text: str, answer: str) -> EvalRow:
    messages: list[Message] = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return dataclasses.replace(row("w", text), choices=None, label=None, messages=messages)


def test_lift_and_p_are_those_of_the_table() -> None:
    failed = [{"a": ""}] * 8 + [{}] * 2
    passed = [{"a": ""}] * 5 + [{}] * 35
    cause = weigh_causes(failed, passed)["a"]
    assert cause.lift == pytest.approx((8.5 / 11) / (5.5 / 41))
    assert cause.p == pytest.approx(fisher_exact([[8, 2], [5, 35]], alternative="greater").pvalue)


def test_a_cause_of_failures_alone_has_a_finite_lift() -> None:
    assert 1 < weigh_causes([{"a": ""}], [{}, {}])["a"].lift < 10


def test_neighbours_are_the_nearest_of_the_same_template() -> None:
    train = [
        row("soup", "the soup was cold and salty"),
        row("band", "a loud band played all night"),
        row("other", "the soup was cold and salty", template="u"),
        row("warm", "the soup was warm and salty", 1),
    ]
    asked = dataclasses.replace(row("x", "our soup was cold and salty"), split="validation")
    (found,) = find_neighbours([asked], train, 2).values()
    assert [neighbour.row.row_id for neighbour in found] == ["soup", "warm"]
    assert [neighbour.same_answer for neighbour in found] == [True, False]
    assert 1 >= found[0].similarity > found[1].similarity >= 0
    (itself,) = find_neighbours([train[0]], train, 1).values()
    assert itself[0].similarity == pytest.approx(1)
    assert find_neighbours([asked], [], 2) == {asked.id: []}


def test_questions_of_marks_alone_have_neighbours() -> None:
    train = [row("good", "😀 👍"), row("bad", "😡 👎", 1)]
    (found,) = find_neighbours([row("x", "👎 😡!")], train, 1).values()
    assert [neighbour.row.row_id for neighbour in found] == ["bad"]


def test_neighbours_that_answer_otherwise_are_a_cause() -> None:
    asked = row("x", "soup")
    for labels, expected in (((1, 1, 0), True), ((0, 0, 1), False)):
        neighbours = [Neighbour(row(f"n{index}", "soup", label), 0.5, label == 0) for index, label in enumerate(labels)]
        evidence = gather_evidence(asked, Prediction(asked.id, PredictionState.OK, "yes"), neighbours, NOTHING)
        assert ("conflicting_neighbours" in evidence) == expected
    other = [Neighbour(row("n0", "soup", 1), 0.5, False)]
    assert "n0/t/0" in gather_evidence(asked, Prediction(asked.id, PredictionState.OK, "yes"), other, NOTHING)["conflicting_neighbours"]


def test_neighbours_with_another_written_label_are_a_cause_and_with_another_text_are_none() -> None:
    asked, near = written("soup", "starter"), dataclasses.replace(written("soup", "main course"), id="n/t/0")
    prediction, neighbours = Prediction(asked.id, PredictionState.OK, "dessert"), [Neighbour(near, 0.9, False)]
    labels = dataclasses.replace(NOTHING, kinds=ReferenceKinds(labels=frozenset({"t"})))
    assert "n/t/0" in gather_evidence(asked, prediction, neighbours, labels)["conflicting_neighbours"]
    assert "conflicting_neighbours" not in gather_evidence(asked, prediction, neighbours, NOTHING)


def test_lint_is_a_cause_on_the_row_and_on_its_neighbours() -> None:
    asked, near = row("x", "soup"), row("n", "soup")
    background = dataclasses.replace(NOTHING, lint={asked.id: {"LEN603": "tiny"}, near.id: {"DUP301": "twice"}})
    evidence = gather_evidence(asked, Prediction(asked.id, PredictionState.OK, "no"), [Neighbour(near, 0.9, True)], background)
    assert evidence == {"lint:LEN603": "tiny", "lint_neighbour:DUP301": "n/t/0: twice"}


def test_a_fact_that_the_source_lacks_is_a_cause() -> None:
    prediction = Prediction("w/t/0", PredictionState.OK, "text")
    evidence = gather_evidence(written("Customer 5402 called.", "Customer 5402 returned MK401-27KX."), prediction, [], NOTHING)
    assert "27KX" in evidence["fact_absent_from_source"]
    assert not gather_evidence(written("Customer 5402 returned MK401-27KX.", "MK401-27KX of customer 5402."), prediction, [], NOTHING)


def test_states_and_rare_kinds_are_causes() -> None:
    train = [row(str(index), "x", 0) for index in range(9)] + [row("9", "x", 1)]
    background = dataclasses.replace(NOTHING, train_counts=TrainCounts(train))
    rare = gather_evidence(row("x", "x", 1), Prediction("x/t/0", PredictionState.PROMPT_CUT, "no"), [], background)
    assert set(rare) == {"prompt_cut", "rare_slice"}
    assert not gather_evidence(row("x", "x", 0), Prediction("x/t/0", PredictionState.OK, "yes"), [], background)
    assert "rare_slice" in gather_evidence(row("x", "x", template="new"), Prediction("x/new/0", PredictionState.OK, "yes"), [], background)


def test_the_farthest_fifth_is_far_from_train() -> None:
    near = row("n", "soup")
    found = [[Neighbour(near, similarity / 10, True)] for similarity in range(1, 11)]
    threshold = far_threshold(found)
    assert sum(one[0].similarity < threshold for one in found) == 2
    background = dataclasses.replace(NOTHING, far_below=threshold)
    assert "far_from_train" in gather_evidence(row("x", "y"), Prediction("x/t/0", PredictionState.OK, "no"), found[0], background)


def test_a_finding_that_a_person_kept_is_no_cause(tmp_path: Path) -> None:
    rows = [{"text": "Write to ann.lee@mail-host.org today.", "label": "positive"}, *reviews(3)]
    project = make_project(tmp_path, rows, split={"train": 1, "validation": 0, "test": 0})
    dataset = Dataset.open(project.build().out)
    examples, _ = load_rows(dataset, "train")
    [found] = [one for one in examples if one.line == 1]
    assert "PII501" in lint_evidence(project.out, examples, [])[found.id]
    before_hash = row_hash(json.loads(next(row["fields"] for row in project.examples() if row["id"] == found.id)))
    keep = Fix(op="keep", row_id=found.row_id, code="PII501", before_hash=before_hash, reason="invented")
    append_fixes(tmp_path / "mine.fixes.jsonl", [keep])
    assert "PII501" not in lint_evidence(project.out, examples, []).get(found.id, {})
