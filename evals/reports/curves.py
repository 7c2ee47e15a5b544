"""The curves of the page: calibration and risk by coverage of the systems that score choices, and the losses of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evals.data.rows import Task
from evals.metrics.calibration.curves import reliability, risk_coverage
from evals.reports.answers import share
from loopwright.console import printable
from loopwright.curves import LinePlot, Series, line_plot, thinned
from loopwright.errors import UserError
from train.reports.curves import Metrics, loss_plot, seeds_plots
from train.runs.folder import seed_dir
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

_NUM_BINS = 10
_MOST_POINTS = 400
_MOST_SYSTEMS = 4
# Of fewer examples neither curve says anything.
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class ConfidencePlots:
    """The two curves of confidence, and how far stated and found probabilities are apart.

    Attributes:
        reliability: right answers by stated probability.
        risk: wrong answers by the share that is answered.
        apart: what each system is called -> its expected calibration error.
    """

    reliability: LinePlot
    risk: LinePlot
    apart: dict[str, float]


def confidence_plots(evaluation: "Evaluation", names: Mapping[str, str], system: str) -> ConfidencePlots | None:
    """Returns the curves of confidence; None where no system has log-likelihoods of the choices of enough examples.

    Args:
        evaluation: what was found.
        names: what each system is called.
        system: the one that the report is about, which is drawn first.
    """
    stated = {}
    for label in sorted(evaluation.answers, key=lambda one: one != system):
        confidence, right = _confidence(evaluation, label)
        if len(right) >= _FEWEST:
            stated[printable(names[label])] = (confidence, right)
    if not stated:
        return None
    shown = dict(list(stated.items())[:_MOST_SYSTEMS])
    bins = {name: reliability(*values, _NUM_BINS) for name, values in shown.items()}
    ideal = Series("as often right as it says", [(0.0, 0.0), (1.0, 1.0)], 3, "faint")
    points = {name: [(one.mean_confidence, one.accuracy) for one in found] for name, found in bins.items()}
    reliable = [Series(name, those, colour, "dots") for colour, (name, those) in enumerate(points.items())]
    risks = [_risk(name, *values, colour) for colour, (name, values) in enumerate(shown.items())]
    return ConfidencePlots(
        line_plot("Calibration", [ideal, *reliable], x_name="probability of its answer", y_name="share right", height=330.0),
        line_plot("Risk by coverage", risks, x_name="share answered, the surest first", y_name="share wrong", height=330.0),
        {
            name: sum(one.num_answers * abs(one.accuracy - one.mean_confidence) for one in found) / sum(one.num_answers for one in found)
            for name, found in bins.items()
        },
    )


def run_plots(run: str | None) -> list[LinePlot]:
    """Returns the losses of a run, or of each of its seeds; nothing where there is no run, or it is no longer there."""
    if run is None:
        return []
    folder = Path(run)
    try:
        record = RunRecord.load(folder)
        if record.seeds is not None:
            folders = [seed_dir(folder, seed) for seed in record.seeds]
            return seeds_plots([(RunRecord.load(one), Metrics.read(one)) for one in folders])
    except UserError:
        return []
    plot = loss_plot(Metrics.read(folder), record)
    return [] if plot is None else [plot]


def _confidence(evaluation: "Evaluation", system: str) -> tuple[list[float], list[bool]]:
    confidence, right = [], []
    for row in evaluation.rows:
        prediction = evaluation.answers[system].get(row.id)
        if row.task is Task.CLASSIFICATION and row.choices and prediction is not None and prediction.loglikelihoods:
            best = int(np.argmax(prediction.loglikelihoods))
            confidence.append(share(prediction.loglikelihoods, best))
            right.append(best == row.label)
    return confidence, right


def _risk(name: str, confidence: list[float], right: list[bool], colour: int) -> Series:
    coverage, risk = risk_coverage(confidence, right)
    return Series(name, thinned(list(zip(coverage.tolist(), risk.tolist(), strict=True)), _MOST_POINTS), colour)
