"""Evaluations made by hand, with judgements and a headline as the harness fills them, or without."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evals.causes.failures import Failure
from evals.causes.weigh import Cause
from evals.compare.measure import measure
from evals.compare.slices import confusions_of, measure_slices, slice_of
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.contract import Headline, Report, SystemReport
from evals.data.judgement import Judgement, Outcome, Reason
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.evaluation import Evaluation

PASSED, FAILED, WEAK = Judgement(Outcome.PASSED), Judgement(Outcome.FAILED, ((Reason.WRONG_CHOICE, ""),)), Judgement(Outcome.WEAK)
CONFIG = EvalsConfig(num_resamples=200)
_ROLES = {"adapter:run": Role.TUNED, "base": Role.BASE, "constant": Role.BASELINE, "linear": Role.BASELINE}


def choosing(index: int, text: str, label: int, choices: Sequence[str] = ("negative", "positive"), **more: Any) -> EvalRow:
    """An example that asks for a label."""
    given = {
        "id": f"r{index:04d}", "row_id": f"r{index:04d}", "source": "reviews.csv", "line": index + 1, "group": None, "split": "validation",
        "template": "reviews/sentiment", "label": label, "choices": list(choices), "messages": [{"role": "user", "content": text}],
        "prompt": None, "target": None, **more,
    }  # fmt: skip
    return EvalRow(**given)


def writing(index: int, text: str, reference: str, **more: Any) -> EvalRow:
    """An example that asks for text."""
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": reference}]
    return replace(choosing(index, text, 0), **{"label": None, "choices": None, "template": "calls/summary", "messages": messages, **more})


def chose(row: EvalRow, choice: int, sure: float = 2.0) -> Prediction:
    """The prediction of a choice, the others that many nats behind."""
    assert row.choices is not None
    likelihoods = tuple(-1.0 if index == choice else -1.0 - sure for index in range(len(row.choices)))
    return Prediction(row.id, PredictionState.OK, row.choices[choice], likelihoods)


def wrote(row: EvalRow, text: str | None) -> Prediction:
    return Prediction(row.id, PredictionState.ERROR if text is None else PredictionState.OK, text)


def judged(row: EvalRow, prediction: Prediction) -> Judgement:
    return PASSED if prediction.text == row.reference else FAILED


def make(
    rows: list[EvalRow],
    answers: Mapping[str, Sequence[Prediction]],
    *,
    judgements: Mapping[str, Mapping[str, Judgement]] | None = None,
    headline: bool = True,
    **report: Any,
) -> Evaluation:
    """Returns an evaluation of these answers.

    Args:
        rows: the examples.
        answers: of each system; `adapter:run` is the tuned one, `base` its base.
        judgements: of each system; default: right where the answer is the reference. An empty one: as before there were any.
        headline: whether it has one.
        report: fields of the report.
    """
    by_id = {system: {one.id: one for one in predictions} for system, predictions in answers.items()}
    roles = {system: _ROLES.get(system, Role.OTHER) for system in answers}
    metrics = {row.template: ("accuracy", "macro_f1") if row.choices else ("rougeL", "fact_recall") for row in rows}
    measured = measure(rows, metrics, by_id, roles, CONFIG)
    if judgements is None:
        judgements = {system: {row.id: judged(row, made[row.id]) for row in rows if row.id in made} for system, made in by_id.items()}
    subject = next(iter(answers))
    other = next((system for system in answers if system != subject), None)
    causes = [(Cause("rare_slice", 2.5, 0.01), "few rows")]
    failures = [
        Failure(row, subject, by_id[subject][row.id], measured.scores_of(subject, index), slice_of(row), causes, [])
        for index, row in enumerate(rows)
        if row.id in by_id[subject] and by_id[subject][row.id].text != row.reference
    ]
    primary = "accuracy" if any(row.choices for row in rows) else "rougeL"
    verdict, detail = judge(roles, measured.pairs, primary, 0.95)
    said = "From 50 % right to 90 %: 3 fixed, 1 broken."
    made = Headline(system=subject, against=other, metric=primary, before=0.5, after=0.9, fixed=3, broken=1, sentence=said)
    given: dict[str, Any] = {
        "verdict": verdict, "systems": {system: _system(rows, by_id[system], roles[system], measured.values[system]) for system in answers},
        "pairs": measured.pairs, "verdict_detail": detail, "dataset": "out/data", "dataset_name": "reviews", "dataset_key": "0" * 32,
        "split": "validation", "split_key": "1", "num_examples": len(rows), "num_clusters": len(rows), "model": "tiny",
        "model_sha256": None, "adapter": None, "form": "chat", "dtype": "float32",
        "seconds": 1.5, "settings": CONFIG.model_dump(mode="json"), "test_looks": None,
        "warnings": [], "notes": [], "slices": measure_slices(rows, measured, 0.95),
        "confusions": [one for system in answers for one in confusions_of(system, rows, by_id[system])], "loopwright_version": "0",
        "headline": made if headline else None, **report,
    }  # fmt: skip
    return Evaluation(Report(**given), rows, by_id, measured, failures, {system: dict(one) for system, one in judgements.items()})


def reviews(num_rows: int, *, wrong: int, base_wrong: int, **report: Any) -> Evaluation:
    """Returns an evaluation of reviews in which the tuned system errs in the first rows and the base in the last."""
    rows = [choosing(index, f"Visit {index}: the soup was {'great' if index % 2 else 'cold'}.", index % 2) for index in range(num_rows)]
    tuned = [chose(row, (row.label or 0) ^ (index < wrong), 1.0 + index % 5) for index, row in enumerate(rows)]
    base = [chose(row, (row.label or 0) ^ (index >= num_rows - base_wrong), 0.5) for index, row in enumerate(rows)]
    return make(rows, {"adapter:run": tuned, "base": base}, **report)


def _system(rows: Sequence[EvalRow], predictions: Mapping[str, Prediction], role: Role, values: Mapping[str, Any]) -> SystemReport:
    scored = sum(one.state.is_scored for one in predictions.values())
    return SystemReport(
        role=role, n_total=len(rows), n_scored=scored, metrics=dict(values), states={"ok": scored}, seconds=1.0, examples_per_second=10.0
    )
