"""The `train curve` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import Json

if TYPE_CHECKING:
    from train.curve import CurveResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("curve")(curve)


def curve(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder that `prep build` wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The curve's folder; runs that are there are not trained again.")],
    model: Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose train: section is read.")] = None,
    sizes: Annotated[int, typer.Option(help="Sizes from a sixteenth of the train split to all of it; five or more.")] = 5,
    objective: Annotated[str | None, typer.Option(help="What is learned, as of train run.")] = None,
    method: Annotated[str | None, typer.Option(help="What of the model is trained: lora, full or freeze.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed, of which rows are chosen and of the runs.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each size, from so many seeds; two or more.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows of each run.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate; default: by method and objective.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest example, in tokens.")] = None,
    truncation: Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")] = None,
    leaks: Annotated[str | None, typer.Option(help="Train rows that are also in validation or test: refuse or allow.")] = None,
    best: Annotated[str | None, typer.Option(help="Which checkpoint each run keeps: by validation_loss or a metric, or last.")] = None,
    as_json: Json = False,
) -> None:
    """Train on nested parts of the train split, and say whether more data would help: of how much, and of which label."""
    given = dict(locals())
    from train.api import learning_curve
    from train.config import TrainConfig

    options = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
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
