"""Runs on nested parts of the train split, which say whether more data would help: the work behind `train curve`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import write_json
from loopwright.notebook import html_table
from loopwright.progress import ProgressCallback
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from train.config import TrainConfig
from train.data.subsets import nested_subsets, write_subset
from train.ledger.learning_curve import Losses, SliceCurve, slice_curve
from train.run import train
from train.runs.folder import weights_dir
from train.several_runs import (
    RUNS_NAME,
    comparing,
    folder_of_run,
    metric_of,
    require_comparable,
    require_folder_of,
    without_checkpoints,
)
from train.world import require_alone

if TYPE_CHECKING:
    import polars as pl

    from train.engine.best import Measured
    from train.engine.validation import ValidationScores

CURVE_NAME, DATASETS_NAME = "curve.json", "datasets"
FEWEST_SIZES = 5
_SMALLEST_SHARE = 1 / 16
_FEWEST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One run of a curve.

    Attributes:
        size: training examples.
        seed: of the part of the train split, and of the run.
        folder: the run's folder.
        validation_loss: of its saved weights.
        metric: what checkpoints are chosen by, with its 95 % interval.
    """

    size: int
    seed: int
    folder: Path
    validation_loss: float
    metric: "Measured"

    def as_json(self) -> dict[str, Any]:
        """Returns what `--json` says of it."""
        return {"size": self.size, "seed": self.seed, "validation_loss": self.validation_loss, "metric": asdict(self.metric)}


@dataclass(frozen=True, slots=True)
class CurveResult:
    """A finished curve.

    Attributes:
        out: its folder; each run lies in a folder of `runs/`.
        by: what `metric` is: `validation_loss`, or a metric.
        points: the runs, the smallest first.
        overall: the curve of all validation rows.
        slices: that of each label's rows, by the label's word, where the rows have labels.
    """

    out: Path
    by: str
    points: list[CurvePoint]
    overall: SliceCurve
    slices: dict[str, SliceCurve]

    def as_json(self) -> dict[str, Any]:
        """Returns what `--json` prints."""
        overall = self.overall.as_json()
        return {
            "points": [point.as_json() for point in self.points],
            "fit": overall["fit"],
            "at_twice": overall["at_twice"],
            "slices": {name: one.as_json() for name, one in self.slices.items()},
            "verdict": self.verdict,
        }

    def to_polars(self) -> "pl.DataFrame":
        """Returns one row a run: its size, seed and folder, its validation loss, and the metric with its interval."""
        import polars as pl

        numbers = dict.fromkeys(("validation_loss", "value", "low", "high"), pl.Float64())
        schema = {"size": pl.Int64(), "seed": pl.Int64(), "folder": pl.String(), **numbers}
        rows = [(one.size, one.seed, str(one.folder), one.validation_loss, *asdict(one.metric).values()) for one in self.points]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _repr_html_(self) -> str:
        rows = [(one.size, one.seed, one.validation_loss, *asdict(one.metric).values()) for one in self.points]
        columns = ("training examples", "seed", "validation loss", self.by, "low", "high")
        return html_table(f"learning curve -> {self.out}", columns, rows, [self.verdict])

    @property
    def verdict(self) -> str:
        """Whether more data would help, in words."""
        return " ".join([_overall_verdict(self.overall), *_label_verdict(self.slices)])


def run_curve(
    dataset_dir: Path,
    out: Path,
    config: TrainConfig,
    *,
    sizes: int = FEWEST_SIZES,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> CurveResult:
    """Trains on nested parts of the train split, from a sixteenth to all, and fits how the validation loss falls with their size.

    A run that is there already, finished or not, is taken up again, so that a curve that was stopped goes on.

    Args:
        dataset_dir: a dataset that `prep build` wrote.
        out: the curve's folder.
        config: the options of all runs; `seeds` says how many there are of each size, two where it is 1.
        sizes: how many sizes, five or more.
        progress: called after each step of each run.
        config_path: the config whose plug-ins are used.

    Raises:
        UserError: an option or the dataset is not fit, there are too few rows, or a run could not be trained.
    """
    require_alone("train curve")
    dataset = Dataset.open(dataset_dir)
    _require_options(config, sizes)
    require_comparable(dataset, config, "a curve")
    require_folder_of(out, (CURVE_NAME, RUNS_NAME, DATASETS_NAME), "a curve")
    shares = [_SMALLEST_SHARE ** (1 - step / (sizes - 1)) for step in range(sizes)]
    seeds = range(config.seed, config.seed + max(_FEWEST_SEEDS, config.seeds))
    parts = {seed: nested_subsets(dataset, shares, seed) for seed in seeds}
    _require_rows(dataset, parts, sizes)
    counts = ", ".join(f"{round(sum(len(part[step]) for part in parts.values()) / len(parts)):,}" for step in range(sizes))
    notice(f"{sizes * len(parts)} runs: {counts} rows, from {len(parts)} seeds.")
    notice(f"Epochs: {config.epochs} in each, so that fewer rows are fewer steps.")
    runs: dict[tuple[int, int], _Run] = {}
    with dataset_plugins(dataset_dir, config_path):
        # The largest first: what is wrong with any row is found there, before hours have gone into the others.
        for step in reversed(range(sizes)):
            for seed, part in parts.items():
                notice(f"== run {len(runs) + 1} of {sizes * len(parts)}: {len(part[step]):,} rows, seed {seed} ==")
                own = without_checkpoints(config.model_copy(update={"seed": seed, "seeds": 1, "influence": None}))
                whole = step == sizes - 1
                folder = dataset_dir if whole else write_subset(dataset, part[step], out / DATASETS_NAME)
                # Of the whole, what leaks has been refused, or allowed.
                run_config = own if whole else own.model_copy(update={"leaks": "allow"})
                runs[step, seed] = _Run.trained(Dataset.open(folder), out, run_config, part[step], progress)
    ordered = [(step, seed) for step in range(sizes) for seed in seeds]
    result = _result(dataset, out, config, ordered, [runs[place] for place in ordered])
    write_json(out / CURVE_NAME, result.as_json())
    return result


@dataclass(frozen=True, slots=True)
class _Run:
    """A run, and what it says of each validation row."""

    point: CurvePoint
    ids: set[str]
    scores: "ValidationScores"

    @classmethod
    def trained(cls, dataset: Dataset, out: Path, config: TrainConfig, ids: set[str], progress: ProgressCallback | None) -> "_Run":
        from train.engine.validation import ValidationScores

        folder = folder_of_run(out, dataset, config)
        record = train(dataset.path, folder, config, resume=True, progress=progress)
        scores = ValidationScores.load(weights_dir(folder))
        assert record.validation_loss is not None, "the options have been checked to measure it"
        metric = comparing(dataset, record, folder).value(scores.scores)
        return cls(CurvePoint(record.num_examples, config.seed, folder, record.validation_loss, metric), ids, scores)


def _result(dataset: Dataset, out: Path, config: TrainConfig, places: list[tuple[int, int]], runs: list[_Run]) -> CurveResult:
    """Fits the curves, of all validation rows and of each label's."""
    import numpy as np

    first = runs[-1].scores
    if any(one.scores.ids != first.ids for one in runs):
        raise UserError("the runs were not validated on the same rows", str(out), "Give another --out, so that all are trained anew.")
    labels = _labels(dataset)
    groups = np.unique(np.array(first.groups), return_inverse=True)[1]
    sums, weights = np.array([one.scores.losses for one in runs]), np.array(first.weights)
    steps = [step for step, _ in places]
    overall = slice_curve([one.point.size for one in runs], steps, Losses(sums, weights, groups), config.seed)
    slices = {}
    counted = [Counter(labels[id_] for id_ in one.ids if id_ in labels) for one in runs]
    of_rows = [labels.get(id_) for id_ in first.ids]
    for label in sorted({one for one in of_rows if one is not None}):
        chosen = np.array([one == label for one in of_rows])
        sizes = [count[label] for count in counted]
        if min(sizes) > 0 and len(set(sizes)) > 1:
            slices[label] = slice_curve(sizes, steps, Losses(sums[:, chosen], weights[chosen], groups[chosen]), config.seed)
    return CurveResult(out, metric_of(config), [one.point for one in runs], overall, slices)


def _labels(dataset: Dataset) -> dict[str, str]:
    """Returns the word of each example's label, of those that have one."""
    rows = dataset.examples().select("id", "label", "choices").collect()
    return {id_: choices[label] for id_, label, choices in rows.iter_rows() if label is not None and choices}


def _require_options(config: TrainConfig, sizes: int) -> None:
    if sizes < FEWEST_SIZES:
        raise UserError(f"{sizes} sizes do not show the shape of a curve", "sizes", f"Give {FEWEST_SIZES} or more.")
    if config.max_steps is not None:
        cause = "a curve compares runs of equal epochs, and max_steps would cut the larger ones short"
        raise UserError(cause, "max_steps", "Leave it out, and give epochs.")


def _require_rows(dataset: Dataset, parts: dict[int, list[set[str]]], sizes: int) -> None:
    """Makes sure that each size is larger than the one before.

    Raises:
        UserError: there are too few rows for that.
    """
    for part in parts.values():
        counts = [len(one) for one in part]
        if counts[0] == 0 or any(larger <= smaller for smaller, larger in pairwise(counts)):
            cause = f"{counts[-1]} training rows are too few for {sizes} sizes, groups left whole: they would be {counts}"
            fewer = f" or fewer --sizes ({FEWEST_SIZES} at least)" if sizes > FEWEST_SIZES else ""
            raise UserError(cause, str(dataset.path), f"It takes some 32 groups of rows: add rows{fewer}.")


def _overall_verdict(curve: SliceCurve) -> str:
    gain = curve.last_gain
    interval = f"[{gain.low:.4f}, {gain.high:.4f}]"
    if gain.low > 0:
        said = f"The last step, to {curve.rows:,} rows, lowered the validation loss by {gain.value:.4f} {interval}."
    else:
        said = (
            f"Whether the last step, to {curve.rows:,} rows, lowered the validation loss is within the noise: {gain.value:.4f} {interval}."
        )
    if curve.at_twice is None or curve.gain_at_twice is None:
        return f"{said} No prediction: {curve.why_not}."
    twice, more = curve.at_twice, curve.gain_at_twice
    return (
        f"{said} With twice the rows, {2 * curve.rows:,}, it would be about {twice.value:.4f} [{twice.low:.4f}, {twice.high:.4f}], "
        f"{more.value:.4f} [{more.low:.4f}, {more.high:.4f}] lower."
    )


def _label_verdict(slices: dict[str, SliceCurve]) -> Iterator[str]:
    """Names the label whose rows have most to gain, where the noise lets."""
    gains = [(one.gain_at_twice, name, one) for name, one in slices.items() if one.gain_at_twice is not None and one.gain_at_twice.low > 0]
    if not gains:
        return
    gain, name, one = max(gains, key=lambda found: found[0].low)
    yield (
        f"Most to gain: {one.rows:,} more rows of label '{name}', twice as many, beside as many more of the others: "
        f"its loss would fall by {gain.value:.4f} [{gain.low:.4f}, {gain.high:.4f}]."
    )
