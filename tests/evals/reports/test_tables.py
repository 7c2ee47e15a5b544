"""What the page's tables and curves are made of: the headline, the pairs that decide, confusion, calibration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.data.contract import SliceReport
from evals.metrics.calibration.curves import reliability, risk_coverage
from evals.reports.causes import reason_rows
from evals.reports.confusion import confusion_views
from evals.reports.curves import confidence_plots, run_plots
from evals.reports.estimates import slice_plots, split_pairs
from evals.reports.headline import turned, view_headline
from evals.reports.outcomes import Outcomes
from evals.reports.table import short_names
from tests.evals.reports.made import choosing, chose, make, reviews


def test_the_headline_says_each_difference_from_the_side_of_its_system() -> None:
    evaluation = reviews(40, wrong=2, base_wrong=20)
    names, outcomes = short_names(evaluation.report), Outcomes.of(evaluation)
    view = view_headline(evaluation.report, outcomes, names)
    rows = {row.name: row for row in view.rows}
    assert view.sentence.startswith("From 50 %") and (view.subject, view.against, view.metric) == ("adapter", "base", "accuracy")
    assert rows["adapter"].difference is None and rows["adapter"].value.startswith("0.950 [")
    assert rows["base"].difference is not None and rows["base"].difference.text.startswith("+0.450 [")
    assert rows["base"].difference.kind == "better" and rows["base"].seconds == pytest.approx(0.1) and not view.has_cost
    other_way = evaluation.report.model_copy(update={"pairs": [turned(pair) for pair in evaluation.report.pairs]})
    other = {row.name: row for row in view_headline(other_way, outcomes, names).rows}
    assert other["base"].difference == rows["base"].difference


def test_the_primary_metric_against_the_subject_decides_and_the_rest_is_folded() -> None:
    evaluation = reviews(20, wrong=1, base_wrong=5)
    deciding, others = split_pairs(evaluation.report, short_names(evaluation.report), "adapter:run", "accuracy")
    assert [(pair.a, pair.b, pair.metric) for pair in deciding.pairs] == [("adapter:run", "base", "accuracy")]
    assert {pair.metric for pair in others.pairs} == {"macro_f1"}


def test_of_many_labels_the_pairs_most_often_confused_are_listed() -> None:
    choices = [f"intent {index:02d}" for index in range(77)]
    rows = [choosing(index, "text", index % 77, choices) for index in range(154)]
    answers = [chose(row, 5 if row.label in {3, 4} else 7 if index == 20 else row.label or 0) for index, row in enumerate(rows)]
    [view] = confusion_views(make(rows, {"adapter:run": answers}), {"adapter:run": "adapter"}, "adapter:run")
    assert not view.matrix and (view.num_wrong, view.num_answers, view.num_pairs) == (5, 154, 3)
    assert [(pair.label, pair.taken_for, pair.count, pair.num_of_label) for pair in view.pairs] == [
        ("intent 03", "intent 05", 2, 2), ("intent 04", "intent 05", 2, 2), ("intent 20", "intent 07", 1, 2)
    ]  # fmt: skip


def test_of_few_labels_there_is_a_matrix_shaded_by_the_share_of_the_row() -> None:
    [tuned, base] = confusion_views(reviews(20, wrong=4, base_wrong=0), {"adapter:run": "adapter", "base": "base"}, "adapter:run")
    assert [[cell.count for cell in cells] for _, cells in tuned.matrix] == [[8, 2], [2, 8]]
    shades = [[(cell.is_right, cell.shade) for cell in cells] for _, cells in base.matrix]
    assert shades == [[(True, 10), (False, 0)], [(False, 0), (True, 10)]]


def test_of_many_slices_the_worst_are_drawn() -> None:
    choices = [f"intent {index:02d}" for index in range(40)]
    rows = [choosing(index, "text", index % 40, choices) for index in range(80)]
    evaluation = make(rows, {"adapter:run": [chose(row, 0 if row.label == 30 else row.label or 0) for row in rows]})
    [plot] = [plot for plot in slice_plots(evaluation.report, {"adapter:run": "adapter"}, "adapter:run") if "label" in plot.title]
    assert plot.title == "accuracy by label, the 12 worst of 40" and len(plot.marks) == 12
    assert plot.marks[0].estimate.label.startswith("intent 30")
    assert isinstance(evaluation.report.slices[0], SliceReport)


def test_reliability_by_hand() -> None:
    bins = reliability([0.55, 0.59, 0.95, 1.0], [True, False, True, True], 10)
    assert [one.mean_confidence for one in bins] == pytest.approx([0.57, 0.975])
    assert [(one.accuracy, one.num_answers) for one in bins] == [(0.5, 2), (1.0, 2)]


def test_risk_by_coverage_by_hand_and_ties_are_answered_together() -> None:
    coverage, risk = risk_coverage([0.9, 0.9, 0.6, 0.5], [True, False, False, True])
    assert coverage.tolist() == [0.5, 0.75, 1.0] and risk.tolist() == pytest.approx([0.5, 2 / 3, 0.5])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_curves_hold_every_example(examples: list[tuple[float, bool]]) -> None:
    confidence, right = [one for one, _ in examples], [one for _, one in examples]
    bins = reliability(confidence, right, 10)
    assert sum(one.num_answers for one in bins) == len(examples)
    assert sum(one.accuracy * one.num_answers for one in bins) == pytest.approx(sum(right))
    coverage, risk = risk_coverage(confidence, right)
    assert coverage[-1] == 1 and risk[-1] == pytest.approx(1 - np.mean(right)) and (np.diff(coverage) > 0).all()


def test_confidence_is_drawn_where_choices_have_likelihoods_and_are_enough() -> None:
    names = {"adapter:run": "adapter", "base": "base"}
    plots = confidence_plots(reviews(40, wrong=4, base_wrong=10), names, "adapter:run")
    assert plots is not None and [curve.name for curve in plots.reliability.curves] == ["as often right as it says", "adapter", "base"]
    assert 0 < plots.apart["adapter"] < 1
    assert confidence_plots(reviews(10, wrong=1, base_wrong=1), names, "adapter:run") is None


def test_a_run_that_is_gone_has_no_curves() -> None:
    assert run_plots(None) == [] and run_plots("/no/such/run") == []


def test_reasons_are_counted_by_system() -> None:
    [row] = reason_rows(reviews(10, wrong=3, base_wrong=4))
    assert row.counts == [3, 4]
