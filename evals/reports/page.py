"""`report.html`: one page that needs nothing but itself. Corpus text in it is escaped, and personal identifiers are masked."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evals.causes.failures import Failure
from evals.compare.verdict import format_p
from evals.config import EvalsConfig
from evals.data.contract import Confusion, PairReport, Report
from evals.data.prediction import Prediction
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.data.tool_answers import ToolState, judge_calls
from evals.metrics.base import METRICS
from evals.reports.plots import Estimate, Plot, interval_plot
from evals.reports.table import short_names
from loopwright.page import make_page
from prep.pii import mask

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

_TEMPLATE = Path(__file__).parent / "report.html.jinja"
_MAX_INPUT_CHARACTERS = 1500
_MAX_ANSWER_CHARACTERS = 700


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system said for a failing example."""

    system: str
    text: str
    is_right: bool
    note: str


@dataclass(frozen=True, slots=True)
class FailureView:
    """A failure as the page shows it; every text is masked."""

    id: str
    place: str
    input: str
    reference: str
    answers: list[Answer]
    scores: list[tuple[str, str]]
    causes: list[tuple[str, str, str]]
    neighbours: list[tuple[str, str, str, bool]]


@dataclass(frozen=True, slots=True)
class ConfusionView:
    """A confusion matrix: for each right label the counts, their shares of the row, and whether they are right."""

    confusion: Confusion
    rows: list[tuple[str, list[tuple[int, float, bool]]]]


def render_page(evaluation: "Evaluation", config: EvalsConfig) -> str:
    """Returns the page's HTML."""
    report = evaluation.report
    names = short_names(report)
    shown = sorted(evaluation.failures, key=_severity)[: config.report_failures]
    return make_page(
        _TEMPLATE,
        report=report,
        names=names,
        metric_names=list(dict.fromkeys(name for system in report.systems.values() for name in system.metrics)),
        metric_help={name: (METRICS.get(name).__doc__ or "").splitlines()[0] for name in METRICS.entries},
        metric_plots=_metric_plots(report, names),
        difference_plots=_difference_plots(report, names),
        slice_plots=_slice_plots(report, names),
        confusions=[
            _confusion_view(one)
            for one in report.confusions
            if report.systems[one.system].role is not Role.BASELINE or one.system == subject(evaluation)
        ],
        causes=_cause_table(evaluation.failures),
        failures=[_failure_view(failure, evaluation, names) for failure in shown],
        num_failures=len(evaluation.failures),
        subject=names.get(subject(evaluation), ""),
        warnings=[mask(text) for text in report.warnings],
        notes=[mask(text) for text in report.notes],
        percent=f"{config.confidence * 100:g}",
        format_p=format_p,
        state_names=lambda states: list(dict.fromkeys(state for counts in states.values() for state in counts)),
    )


def subject(evaluation: "Evaluation") -> str:
    """Returns the system whose failures are listed; empty where there are none."""
    return evaluation.failures[0].system if evaluation.failures else ""


def _metric_plots(report: Report, names: Mapping[str, str]) -> list[Plot]:
    """One plot a metric, one line a system."""
    plots = []
    for metric in dict.fromkeys(name for system in report.systems.values() for name in system.metrics):
        estimates = []
        for label, system in report.systems.items():
            value = system.metrics.get(metric)
            if value is None or value.value is None or value.low is None or value.high is None:
                continue
            text = f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
            estimates.append(Estimate(names[label], system.role, value.value, value.low, value.high, text))
        if estimates:
            plots.append(interval_plot(metric, estimates))
    return plots


def _difference_plots(report: Report, names: Mapping[str, str]) -> list[Plot]:
    """One plot a metric, one line a pair."""
    plots = []
    for metric in dict.fromkeys(pair.metric for pair in report.pairs):
        estimates = []
        for pair in report.pairs:
            if pair.metric != metric or pair.difference is None or pair.low is None or pair.high is None:
                continue
            text = f"{pair.difference:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}]"
            label = f"{names[pair.a]} − {names[pair.b]}"
            estimates.append(Estimate(label, _direction(pair), pair.difference, pair.low, pair.high, text))
        if estimates:
            sides = {True: "right is better", False: "left is better", None: "neither side is better"}
            better = sides[METRICS.get(metric).higher_is_better]
            plots.append(interval_plot(f"{metric} ({better})", estimates, differences=True))
    return plots


def _slice_plots(report: Report, names: Mapping[str, str]) -> list[Plot]:
    """One plot a slicing and metric: each part's tuned, or else base, score beside the base's."""
    roles = {label: system.role for label, system in report.systems.items()}
    shown = [label for label, role in roles.items() if role in {Role.TUNED, Role.BASE}] or list(roles)
    plots = []
    for key in dict.fromkeys((one.slice, one.metric) for one in report.slices):
        estimates = [
            Estimate(
                f"{one.value} ({one.n}): {names[one.system]}",
                roles[one.system],
                one.score.value,
                one.score.low,
                one.score.high,
                f"{one.score.value:.3f} [{one.score.low:.3f}, {one.score.high:.3f}]",
            )
            for one in report.slices
            if (one.slice, one.metric) == key
            and one.system in shown
            and one.score.value is not None
            and one.score.low is not None
            and one.score.high is not None
        ]
        if estimates:
            plots.append(interval_plot(f"{key[1]} by {key[0]}", estimates))
    return plots


def _confusion_view(confusion: Confusion) -> ConfusionView:
    rows = []
    for index, (label, counts) in enumerate(zip(confusion.labels, confusion.counts, strict=True)):
        total = sum(counts) or 1
        rows.append((label, [(count, count / total, column == index) for column, count in enumerate(counts)]))
    return ConfusionView(confusion, rows)


def _cause_table(failures: list[Failure]) -> list[tuple[str, int, str, str]]:
    """Returns each cause with the failures that it holds for, its lift and its p, the highest lift first."""
    counts = Counter(cause.cause for failure in failures for cause, _ in failure.causes)
    causes = {cause.cause: cause for failure in failures for cause, _ in failure.causes}
    ordered = sorted(causes.values(), key=lambda cause: (-cause.lift, cause.p))
    return [(cause.cause, counts[cause.cause], f"{cause.lift:.2f}", format_p(cause.p)) for cause in ordered]


def _failure_view(failure: Failure, evaluation: "Evaluation", names: Mapping[str, str]) -> FailureView:
    row = failure.row
    answers = [
        _answer(names[system], predictions[row.id], row) for system, predictions in evaluation.answers.items() if row.id in predictions
    ]
    return FailureView(
        id=row.id,
        place=f"{row.source}:{row.line}",
        input=_excerpt(row.question or row.text or "", _MAX_INPUT_CHARACTERS),
        reference=_excerpt(row.reference, _MAX_ANSWER_CHARACTERS),
        answers=answers,
        scores=[(name, f"{score:.2f}") for name, score in failure.scores.items()],
        causes=[(cause.cause, f"{cause.lift:.1f}", mask(detail)) for cause, detail in failure.causes],
        neighbours=[
            (
                _excerpt(one.row.question, _MAX_ANSWER_CHARACTERS),
                f"{one.similarity:.2f}",
                _excerpt(one.row.reference, _MAX_ANSWER_CHARACTERS),
                one.same_answer,
            )
            for one in failure.neighbours[:3]
        ],
    )


def _answer(system: str, prediction: Prediction, row: EvalRow) -> Answer:
    choices, calls = row.choices, judge_calls(row, prediction)
    note = "" if prediction.state.value == "ok" else prediction.state.value
    if calls is not None and calls.state is not ToolState.RIGHT:
        note = ", ".join(part for part in (note, calls.state.value.replace("_", " ")) if part)
    if prediction.loglikelihoods and choices and prediction.text in choices:
        note = f"p = {_share(prediction.loglikelihoods, choices.index(prediction.text)):.2f}" + (f", {note}" if note else "")
    text = _excerpt(prediction.text, _MAX_ANSWER_CHARACTERS) if prediction.text is not None else "(no answer)"
    return Answer(system, text, prediction.text == row.reference if calls is None else calls.state is ToolState.RIGHT, note)


def _share(loglikelihoods: tuple[float, ...], index: int) -> float:
    highest = max(loglikelihoods)
    weights = [math.exp(value - highest) for value in loglikelihoods]
    return weights[index] / sum(weights)


def _severity(failure: Failure) -> tuple[float, str]:
    """The most confident mistakes and the poorest answers first; examples without an answer before them."""
    prediction, choices = failure.prediction, failure.row.choices
    if prediction.loglikelihoods and choices and failure.row.label is not None:
        return _share(prediction.loglikelihoods, failure.row.label), failure.row.id
    scores = [score for name, score in failure.scores.items() if METRICS.get(name).higher_is_better]
    return (sum(scores) / len(scores) if scores else -1.0), failure.row.id


def _excerpt(text: str, limit: int) -> str:
    masked = mask(text)
    return masked if len(masked) <= limit else masked[:limit] + " […]"


def _direction(pair: PairReport) -> str:
    """The style of a difference: clear where its adjusted test says so."""
    if pair.p_holm is None or pair.p_holm >= 0.05 or not pair.difference:
        return "unclear"
    gains = METRICS.get(pair.metric).is_gain(pair.difference)
    return "unclear" if gains is None else "better" if gains else "worse"
