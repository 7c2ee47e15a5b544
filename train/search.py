"""Several runs that differ in some options, compared in pairs on the validation split: the work behind `train sweep`."""

import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.config import validate
from loopwright.console import notice, print_error
from loopwright.errors import UserError
from loopwright.files import write_json
from loopwright.notebook import html_table
from loopwright.progress import ProgressCallback
from prep.dataset.manifest import Dataset
from train.config import Range, SweepConfig, TrainConfig
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

    from train.engine.best import Comparing, Measured
    from train.engine.validation import ValidationScores
    from train.runs.record import RunRecord

SWEEP_NAME = "sweep.json"
_WHERE = "sweep.options"
_NUMBERS = ("validation_loss", "value", "low", "high")


@dataclass(frozen=True, slots=True)
class SweptRun:
    """One run of a sweep.

    Attributes:
        options: what it differs in, by the keys of `sweep.options`.
        folder: the run's folder.
        validation_loss: of its saved weights; None where its training failed.
        metric: what runs are compared by, with its 95 % interval; None where its training failed.
    """

    options: dict[str, Any]
    folder: Path
    validation_loss: float | None
    metric: "Measured | None"

    def as_json(self) -> dict[str, Any]:
        """Returns what `--json` says of it."""
        metric = {"value": None, "low": None, "high": None} if self.metric is None else asdict(self.metric)
        return {"options": self.options, "validation_loss": self.validation_loss, "metric": metric}


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep.

    Attributes:
        out: its folder; each run lies in a folder of `runs/`.
        by: what runs are compared by: `validation_loss`, or a metric.
        runs: all of them, in the order of the sweep.
        winner: the options of the run that is better than each other one beyond the noise; None where none is.
    """

    out: Path
    by: str
    runs: list[SweptRun]
    winner: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Returns what `--json` prints."""
        return {"runs": [run.as_json() for run in self.runs], "winner": self.winner}

    def to_polars(self) -> "pl.DataFrame":
        """Returns one row a run: its options as JSON, its folder, its validation loss, and the metric with its interval."""
        import polars as pl

        schema = {"options": pl.String(), "folder": pl.String(), **dict.fromkeys(_NUMBERS, pl.Float64())}
        rows = [(json.dumps(run.options), str(run.folder), run.validation_loss, *run.as_json()["metric"].values()) for run in self.runs]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _repr_html_(self) -> str:
        rows = [(_shown(run.options), run.validation_loss, *run.as_json()["metric"].values()) for run in self.runs]
        return html_table(f"sweep -> {self.out}", ("options", "validation loss", self.by, "low", "high"), rows, [self.verdict])

    @property
    def verdict(self) -> str:
        """Which run is better than the others, in words."""
        if self.winner is None:
            return f"No run is better than each other one by {self.by} beyond the noise."
        return f"Better than each other run by {self.by}, beyond the noise: {_shown(self.winner)}."


def run_sweep(
    dataset_dir: Path,
    out: Path,
    config: TrainConfig,
    sweep: SweepConfig,
    *,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> SweepResult:
    """Trains a run for each choice of options, and says which is better where the validation split can tell.

    A run that is there already, finished or not, is taken up again; so a sweep that was killed goes on, and one with more values trains
    the new ones alone.

    Args:
        dataset_dir: a dataset that `prep build` wrote.
        out: the sweep's folder.
        config: the options that all runs share.
        sweep: what they differ in.
        progress: called after each step of each run.
        config_path: the config whose plug-ins are used.

    Raises:
        UserError: an option or the dataset is not fit, or no run could be trained.
    """
    require_alone("train sweep")
    dataset = Dataset.open(dataset_dir)
    configs = [(options, _config(config, options)) for options in _choices(sweep)]
    require_comparable(dataset, config, "a sweep")
    require_folder_of(out, (SWEEP_NAME, RUNS_NAME), "a sweep")
    runs: list[SweptRun] = []
    scored: list[tuple[SweptRun, ValidationScores]] = []
    by: Comparing | None = None
    for number, (options, one) in enumerate(configs, start=1):
        folder = folder_of_run(out, dataset, one)
        notice(f"== run {number} of {len(configs)}: {_shown(options)} ==")
        try:
            record = train(dataset_dir, folder, one, resume=True, progress=progress, config_path=config_path)
        except UserError as error:
            print_error(error)  # one that diverges says something, too: the others are still worth their while
            runs.append(SweptRun(options, folder, None, None))
            continue
        by = by or comparing(dataset, record, folder, len(configs) - 1)
        run, scores = _measured(options, folder, record, by)
        runs.append(run)
        scored.append((run, scores))
    if by is None:
        raise UserError("no run of the sweep could be trained", str(out), "See what each says above.")
    result = SweepResult(out, metric_of(config), runs, _winner(scored, by))
    write_json(out / SWEEP_NAME, result.as_json())
    return result


def _choices(sweep: SweepConfig) -> Iterator[dict[str, Any]]:
    """Yields the options of each run: all combinations, or so many drawn ones, none twice."""
    names = list(sweep.options)
    if sweep.search == "grid":
        for name, values in sweep.options.items():
            if isinstance(values, Range):
                raise UserError("a grid takes values, not a range", f"{_WHERE}.{name}", "Name values in a list, or take search: random.")
        for chosen in itertools.product(*(values for values in sweep.options.values() if not isinstance(values, Range))):
            yield dict(zip(names, chosen, strict=True))
        return
    drawn: list[dict[str, Any]] = []
    generator = random.Random(sweep.seed)  # noqa: S311 (no secret)
    for _ in range(100 * sweep.num_runs):  # few values may have fewer combinations than are asked for
        options = {name: _draw(values, generator) for name, values in sweep.options.items()}
        if options not in drawn:
            drawn.append(options)
        if len(drawn) == sweep.num_runs:
            break
    yield from drawn


def _draw(values: tuple[Any, ...] | Range, generator: random.Random) -> Any:
    if not isinstance(values, Range):
        return values[generator.randrange(len(values))]
    if values.log:
        return float(f"{math.exp(generator.uniform(math.log(values.low), math.log(values.high))):.3g}")
    return float(f"{generator.uniform(values.low, values.high):.3g}")


def _config(config: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Returns a run's options. Its checkpoints do not stay, unless the config asks for other than the usual: there are many runs.

    Raises:
        UserError: a key or a value is not allowed.
    """
    changed: dict[str, Any] = without_checkpoints(config).model_dump()
    for name, value in options.items():
        *path, last = name.split(".")
        inner = changed
        for part in path:
            inner = inner.get(part, {})
            if not isinstance(inner, dict):
                raise UserError(f"'{name}' is no option of training", _WHERE, "See the keys of train: in the reference.")
        inner[last] = value
    return validate(changed, TrainConfig, _WHERE)


def _measured(options: dict[str, Any], folder: Path, record: "RunRecord", by: "Comparing") -> "tuple[SweptRun, ValidationScores]":
    from train.engine.validation import ValidationScores

    scores = ValidationScores.load(weights_dir(folder))
    return SweptRun(options, folder, record.validation_loss, by.value(scores.scores)), scores


def _winner(scored: "list[tuple[SweptRun, ValidationScores]]", by: "Comparing") -> dict[str, Any] | None:
    """Returns the options of the run that is better than each other beyond the noise."""
    for run, own in scored:
        gains = [by.gain(own.scores, other.scores) for rival, other in scored if rival is not run]
        if gains and all(gain.low is not None and gain.low > 0 for gain in gains):
            return run.options
    return None


def _shown(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())
