"""What was looked up for an answer: it comes with the prediction, and is measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.compare.measure import column_of
from evals.data.passages import holds_answer
from evals.metrics.as_evaluate import as_evaluate
from evals.metrics.base import METRICS
from evals.run import evaluate_dataset
from evals.systems.passages import Passages
from tests.evals.conftest import SUMMARY_TEMPLATE, options, with_passages
from tests.helpers import summary, write_dataset

_QUESTIONS = [
    ("Who is the waiter?", "Anna"),
    ("What does the soup cost?", "four pounds"),
    ("Is there tea?", "Mango lassi"),
    ("How late is it?", ""),
]
_PASSAGES = ["The waiter is called Anna.", "The soup costs four pounds.", "Nothing else."]


@pytest.mark.parametrize(
    ("passage", "answer", "expected"),
    [
        ("The waiter is ANNA.", "anna", True),
        ("It costs fourteen pounds.", "four", False),
        ("It costs $4.50", "4.50", True),
        ("汤很好喝。", "好喝", True),
        ("The waiter, Anna", "waiter Anna", True),
        ("x", "", False),
        ("x", "?!", False),
    ],
)
def test_an_answer_stands_in_a_passage_as_whole_words(passage: str, answer: str, expected: bool) -> None:
    assert holds_answer(passage, answer) is expected


def test_a_rank_counts_the_first_passage_and_no_words_give_no_score() -> None:
    given = with_passages(("Anna", ("x", "y", "Anna", "Anna")), ("", ("x",)), ("Anna", ()))
    assert METRICS.get("mrr")().row_scores(*given) == [pytest.approx(1 / 3), None, 0.0]
    assert METRICS.get("hit_at_k")().row_scores(*given) == [1.0, None, 0.0]
    (row,), (prediction,) = with_passages(("Anna", None))
    assert not METRICS.get("hit_at_k")().counts(row, prediction), "a system that looks nothing up cannot miss"


def test_as_evaluate_takes_passages_as_predictions() -> None:
    given: dict[str, Any] = {"predictions": [["x", "Anna is here"], ["x"]], "references": ["Anna", "Ben"]}
    assert as_evaluate(METRICS.get("hit_at_k")()).compute(**given) == {"hit_at_k": 0.5}
    assert as_evaluate(METRICS.get("mrr")()).compute(**given) == {"mrr": 0.25}


def test_a_system_that_looks_up_is_measured_and_one_that_does_not_is_left_alone(
    tmp_path: Path, tiny_model_dir: Path, adapter_dir: Path
) -> None:
    rows = [summary(question, answer, split="validation", row_id=f"q{index}") for index, (question, answer) in enumerate(_QUESTIONS)]
    dataset = write_dataset(tmp_path / "data", [summary("Is it open?", "Yes.", row_id="t"), *rows], templates=[SUMMARY_TEMPLATE])
    corpus = tmp_path / "passages.txt"
    corpus.write_text("\n\n".join(_PASSAGES), encoding="utf-8")
    systems = ("base", "rag:2", "adapter:" + str(adapter_dir) + "+rag:1+fewshot:1")
    given = options(model=str(tiny_model_dir), systems=systems, corpus=str(corpus), metrics=("hit_at_k", "mrr"), max_new_tokens=2)
    report = evaluate_dataset(dataset, tmp_path / "out", given)
    values = {name: system.metrics for name, system in report.systems.items()}
    assert values["base"]["hit_at_k"].value is None
    # Of three examples with an answer, the third's is nowhere in the corpus.
    assert [values[name][metric].value for name in systems[1:] for metric in ("hit_at_k", "mrr")] == pytest.approx([2 / 3] * 4)
    (note,) = [note for note in report.notes if note.startswith("rag:2")]
    assert note == (
        "rag:2: the expected answer stands in one of the passages of 2 of 3 examples; that of 1 stands in no passage of the whole corpus"
    )
    scores = pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(pl.col("system") == "rag:2")["scores"].to_list()
    assert [one["hit_at_k"] for one in scores] == [1.0, 1.0, 0.0, None]


def test_the_corpus_is_searched_for_an_answer_whose_words_stand_apart(tmp_path: Path) -> None:
    corpus = tmp_path / "passages.txt"
    corpus.write_text("\n\n".join([*_PASSAGES, "pounds of soup, four"]), encoding="utf-8")
    passages = Passages.open(str(corpus), 1)
    assert passages.has("Four pounds!") and passages.has("anna") and not passages.has("soup four pounds")
    assert not passages.has("xylophone") and not passages.has("?")


def test_what_seeds_are_given_is_kept(tmp_path: Path) -> None:
    rows, predictions = with_passages(("Anna", ("Anna",)))
    both = replace(predictions[0], of_seeds=(predictions[0], replace(predictions[0], passages=("x",))))
    column = column_of(METRICS.get("hit_at_k")(), rows, {"t": ("hit_at_k",)}, {both.id: both})
    assert column is not None and column.row_scores == [0.5]
