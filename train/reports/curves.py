"""The curves of a run, read from its `metrics.jsonl`."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loopwright.curves import LinePlot, Point, Series, line_plot, thinned
from train.runs.folder import METRICS_NAME
from train.runs.record import RunRecord

MOST_POINTS = 800
"""Points of a curve that a page draws; of more, each stretch's lowest and highest are."""
_SMALL = 165.0
# A weight that halves over a fortieth of the run: wide enough to still the noise of batches, narrow enough to show where an epoch ends.
_HALF_LIVES = 40


@dataclass(frozen=True, slots=True)
class Metrics:
    """What `metrics.jsonl` says of a run.

    Attributes:
        values: of each key of a line, step and value of the steps that have a finite one.
        num_steps: how many steps there are.
        num_not_finite: those whose loss is no finite number.
    """

    values: dict[str, list[Point]]
    num_steps: int
    num_not_finite: int

    @classmethod
    def read(cls, run_dir: Path) -> "Metrics":
        """Reads the file; runs of earlier versions have none. A line that is damaged is passed over."""
        path = run_dir / METRICS_NAME
        values: dict[str, list[Point]] = {}
        num_steps = num_not_finite = 0
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
            try:
                entry = dict(json.loads(line))
                step = int(entry.pop("step"))
            except (ValueError, KeyError, TypeError):
                continue
            num_steps += 1
            num_not_finite += entry.get("loss") is None
            for key, value in entry.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    values.setdefault(key, []).append((step, float(value)))
        return cls(values, num_steps, num_not_finite)

    @property
    def half_life(self) -> int:
        """The steps over which what a step counts for in the smoothed loss halves."""
        return max(1, self.num_steps // _HALF_LIVES)

    def smooth_loss(self) -> list[Point]:
        """Returns the train loss as `smoothed` gives it."""
        return smoothed(self.values.get("loss", []), self.half_life)


def smoothed(points: Sequence[Point], half_life: float) -> list[Point]:
    """Returns the exponential moving average of values, each divided by the sum of its weights, so that it begins at the first value.

    Args:
        points: x and value.
        half_life: after so many values, one counts half.
    """
    keep = 0.5 ** (1 / half_life)
    total = weight = 0.0
    means = []
    for x, value in points:
        total, weight = total * keep + value, weight * keep + 1
        means.append((x, total / weight))
    return means


def loss_plot(metrics: Metrics, record: RunRecord) -> LinePlot | None:
    """Returns the curves of the losses, with the step that was saved; None where there are none."""
    raw, validation = metrics.values.get("loss", []), [(float(step), loss) for step, loss in record.validation_losses]
    series = [
        Series("train, each step", thinned(raw, MOST_POINTS), style="faint"),
        Series(f"train, smoothed (half-life {metrics.half_life} {'step' if metrics.half_life == 1 else 'steps'})", _thin_smooth(metrics)),
        Series("validation", validation, colour=1, style="dots"),
    ]
    series = [one for one in series if one.points]
    if not series:
        return None
    marker = None if record.best_step is None else (float(record.best_step), f"saved: step {record.best_step:,}")
    return line_plot("Loss", series, x_name="step", y_name="loss", height=340.0, marker=marker)


def small_plots(metrics: Metrics) -> list[LinePlot]:
    """Returns the curves of what moves beside the loss: learning rate, norm of the gradient, speed."""
    shown = {"learning_rate": "Learning rate", "grad_norm": "Norm of the gradient, before clipping", "tokens_per_second": "Tokens a second"}
    return [
        line_plot(title, [Series(title, thinned(metrics.values[key], MOST_POINTS))], x_name="step", y_name="", height=_SMALL)
        for key, title in shown.items()
        if metrics.values.get(key)
    ]


def seeds_plots(seeds: Sequence[tuple[RunRecord, Metrics]]) -> list[LinePlot]:
    """Returns the smoothed train losses and the validation losses of several seeds, each over the other."""
    train = [Series(f"seed {record.seed}", _thin_smooth(metrics), colour) for colour, (record, metrics) in enumerate(seeds)]
    validation = [
        Series(f"seed {record.seed}", [(float(step), loss) for step, loss in record.validation_losses], colour, "dots")
        for colour, (record, _) in enumerate(seeds)
    ]
    return [
        line_plot(title, series, x_name="step", y_name="loss", height=270.0)
        for title, series in (("Train loss, smoothed", train), ("Validation loss", validation))
        if any(one.points for one in series)
    ]


def _thin_smooth(metrics: Metrics) -> list[Point]:
    return thinned(metrics.smooth_loss(), MOST_POINTS)
