"""What every metric and every system has to keep, for the tests of whoever writes one: plain assertions, for any test runner.

from evals.testing import chats, check_metric
from my_metrics import MyMetric

def test_my_metric():
    check_metric(MyMetric, *chats(["an answer", "another"], ["a reference", "another"]), value=0.5)
"""

import math
from collections.abc import Sequence

import numpy as np

from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.metrics.base import Array, Metric
from evals.systems.base import EvalContext, System
from evals.systems.spec import SystemSpec

_TOLERANCE = 1e-9


def chats(
    answers: Sequence[str | None], references: Sequence[str], questions: Sequence[str] | str = "?"
) -> tuple[list[EvalRow], list[Prediction]]:
    """Returns rows that ask for text, and a prediction for each.

    Args:
        answers: what a system wrote; None where it wrote nothing.
        references: what each row has as its answer.
        questions: the user's messages, or one for all.
    """
    asked = [questions] * len(references) if isinstance(questions, str) else questions
    rows = [_chat(index, question, reference) for index, (question, reference) in enumerate(zip(asked, references, strict=True))]
    return rows, [Prediction(row.id, PredictionState.OK, text) for row, text in zip(rows, answers, strict=True)]


def check_metric(metric: type[Metric], rows: Sequence[EvalRow], predictions: Sequence[Prediction], *, value: float) -> None:
    """Makes sure that a metric keeps all that a metric has to.

    It is documented; its statistics are a row of numbers an example, add up over examples, do not depend on their order, and keep nothing
    between calls; and of all examples that it counts it gives the value that was worked out by hand.

    Args:
        metric: its class.
        rows: some examples, two or more, at least one of which counts.
        predictions: one for each.
        value: of all of them together.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    who = f"the metric '{metric.name}'"
    assert (metric.__doc__ or "").strip(), f"{who} has no docstring, which is its documentation"
    assert metric.tasks, f"{who} is about no task"
    assert all(path.partition(".")[0] in {"row", "prediction"} for path in metric.reads), f"{who} reads what is neither row nor prediction"
    made = metric()
    counted = [pair for pair in zip(rows, predictions, strict=True) if made.counts(*pair)]
    assert counted, f"{who} counts none of the examples: it reads {', '.join(metric.reads)}"
    given = [row for row, _ in counted], [prediction for _, prediction in counted]
    found = made.statistics(*given)
    assert found.ndim == 2 and len(found) == len(counted), f"{who} gives statistics of the shape {found.shape}: one row an example"
    assert np.isfinite(found).all(), f"{who} gives statistics that are no numbers"
    assert np.array_equal(found, made.statistics(*given)), f"{who} keeps something between calls"
    total = found.sum(axis=0)
    got = float(made.value(total))
    assert math.isclose(got, value, abs_tol=_TOLERANCE), f"{who} is {got}, and not {value}"
    lowest, highest = metric.value_range or (-math.inf, math.inf)
    assert lowest - _TOLERANCE <= got <= highest + _TOLERANCE, f"{who} is {got}, and says that it lies between {lowest} and {highest}"
    _check_sums(who, made, found, got)
    _check_order(who, made, given, got)
    scores = made.row_scores(*given)
    assert len(scores) == len(counted), f"{who} scores {len(scores)} of {len(counted)} examples"
    rights = {score for score in scores if score is not None}
    assert not metric.is_proportion or rights <= {0.0, 1.0}, f"{who} says that it is a proportion, and gives the scores {sorted(rights)}"


def check_system(system: type[System], spec: str, context: EvalContext) -> None:
    """Makes sure that a system keeps all that a system has to.

    It is documented, takes the spec, has a label and a role, and gives one prediction for each example of the tasks that it says it can
    answer, the same each time, telling how far it is.

    Args:
        system: its class.
        spec: what it is asked for as, such as `constant`.
        context: the examples, and the model where it needs one.

    Raises:
        AssertionError: it does not; the message says in what.
    """
    who = f"the system '{system.name}'"
    assert (system.__doc__ or "").strip(), f"{who} has no docstring, which is its documentation"
    assert {form.kind for form in system.forms} == {system.name}, f"{who} has forms of other kinds: {[form.text for form in system.forms]}"
    made = system(SystemSpec.parse(spec, list(system.forms)))
    assert made.label and isinstance(made.role, Role), f"{who} has no label or role"
    asked = context.rows_for(made)
    assert asked, f"{who} can answer none of the examples: it is for {', '.join(system.tasks)}"
    done: list[int] = []
    found = made.answer(context, done.append)
    assert sorted(one.id for one in found) == sorted(row.id for row in asked), f"{who} does not answer each of its examples once"
    assert sum(done) == len(asked), f"{who} says that {sum(done)} of {len(asked)} examples are done"
    choices = {row.id: row.choices for row in asked}
    for one in found:
        assert one.state is not PredictionState.ERROR or one.detail, f"{who} fails at {one.id} and does not say why"
        has_said = one.text is not None or bool(one.parts)
        assert not one.state.is_scored or has_said, f"{who} gives neither a text nor parts for {one.id}, which is scored"
        has = choices[one.id]
        assert not (has and one.state.is_scored) or one.text in has, f"{who} answers {one.id} with what is no choice: {one.text!r}"
    assert {one.id: one for one in made.answer(context, lambda _: None)} == {one.id: one for one in found}, f"{who} answers otherwise now"


def _check_sums(who: str, metric: Metric, found: Array, value: float) -> None:
    """Any way to sum the examples up gives the same, and several sums at once give each its own: so resampling counts."""
    total = found.sum(axis=0)
    halves = found[::2].sum(axis=0) + found[1::2].sum(axis=0)
    assert math.isclose(float(metric.value(halves)), value, abs_tol=_TOLERANCE), f"{who} does not add up over examples"
    twice = metric.value(np.stack([total, found[:1].sum(axis=0)]))
    assert twice.shape == (2,), f"{who} gives values of the shape {twice.shape} for two sums"
    assert math.isclose(float(twice[0]), value, abs_tol=_TOLERANCE), f"{who} gives another value beside another sum"


def _check_order(who: str, metric: Metric, given: tuple[list[EvalRow], list[Prediction]], value: float) -> None:
    turned = metric.statistics(given[0][::-1], given[1][::-1]).sum(axis=0)
    assert math.isclose(float(metric.value(turned)), value, abs_tol=_TOLERANCE), f"{who} depends on the order of the examples"


def _chat(index: int, question: str, reference: str) -> EvalRow:
    return EvalRow(
        id=f"{index}",
        row_id=f"{index}",
        source="rows",
        line=index + 1,
        group=None,
        split="test",
        template="t",
        label=None,
        choices=None,
        messages=[{"role": "user", "content": question}, {"role": "assistant", "content": reference}],
        prompt=None,
        target=None,
    )
