"""The `train curve` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import (
    BaseModel,
    BatchSize,
    BuiltDataset,
    Json,
    Leaks,
    LearningRate,
    MaxLength,
    Method,
    TrainSection,
    Truncation,
    training_options,
)

if TYPE_CHECKING:
    from train.curve import CurveResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("curve")(curve)


def curve(
    dataset: BuiltDataset,
    out: Annotated[Path, typer.Option("--out", help="The curve's folder; runs that are there are not trained again.")],
    model: BaseModel = None,
    config: TrainSection = None,
    sizes: Annotated[int, typer.Option(help="Sizes from a sixteenth of the train split to all of it; five or more.")] = 5,
    objective: Annotated[str | None, typer.Option(help="What is learned, as of train run.")] = None,
    method: Method = None,
    seed: Annotated[int | None, typer.Option(help="The first seed, of which rows are chosen and of the runs.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each size, from so many seeds; two or more.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows of each run.")] = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    truncation: Truncation = None,
    leaks: Leaks = None,
    best: Annotated[str | None, typer.Option(help="Which checkpoint each run keeps: by validation_loss or a metric, or last.")] = None,
    as_json: Json = False,
) -> None:
    """Train on nested parts of the train split, and say whether more data would help: of how much, and of which label."""
    given = dict(locals())
    from train.api import learning_curve

    options = training_options(given)
    try:
        result = learning_curve(dataset, out, config, sizes=sizes, progress=True, **options)
    except KeyboardInterrupt:
        notice("Interrupted. The same command goes on from there.")
        raise
    if as_json:
        print_json(result.as_json())
    else:
        _show_curve(result)


def _show_curve(result: "CurveResult") -> None:
    from rich.table import Table

    seeds = list(dict.fromkeys(point.seed for point in result.points))
    table = Table("training examples", *(f"seed {seed}" for seed in seeds), "validation loss", "95 % interval")
    for step, mean in enumerate(result.overall.means):
        of_size = result.points[step * len(seeds) : (step + 1) * len(seeds)]
        size = f"{sum(point.size for point in of_size) / len(of_size):,.0f}"
        losses = (f"{point.validation_loss:.4f}" for point in of_size)
        table.add_row(size, *losses, f"{mean.value:.4f}", f"{mean.low:.4f} to {mean.high:.4f}")
    print_view(table)
    if result.slices:
        labels = Table("label", "training examples", "loss with all", "95 % interval", "with twice as many", "why not")
        labels.columns[-1].overflow = "fold"
        for name, one in result.slices.items():
            last, twice = one.means[-1], one.at_twice
            then = "" if twice is None else f"{twice.value:.4f} ({twice.low:.4f} to {twice.high:.4f})"
            labels.add_row(printable(name), f"{one.rows:,}", f"{last.value:.4f}", f"{last.low:.4f} to {last.high:.4f}", then, one.why_not)
        print_view(labels)
    notice(result.verdict)
