"""The `train sweep` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import BaseModel, BuiltDataset, Epochs, Json

if TYPE_CHECKING:
    from train.search import SweepResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("sweep")(sweep)


def sweep(
    dataset: BuiltDataset,
    out: Annotated[Path, typer.Option("--out", help="The sweep's folder; runs that are there are not trained again.")],
    config: Annotated[Path, typer.Option("--config", help="A config file whose train: and sweep: sections are read.")],
    model: BaseModel = None,
    epochs: Epochs = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop each run after this many steps.")] = None,
    best: Annotated[str | None, typer.Option(help="What runs are compared by: validation_loss, or a metric of evals.")] = None,
    as_json: Json = False,
) -> None:
    """Train a run for each choice of options, and compare them in pairs on the validation split. The config's sweep: section names them."""
    from train.api import sweep_runs

    try:
        result = sweep_runs(dataset, out, config, progress=True, model=model, epochs=epochs, max_steps=max_steps, best=best)
    except KeyboardInterrupt:
        notice("Interrupted. The same command goes on from there.")
        raise
    if as_json:
        print_json(result.as_json())
    else:
        _show_sweep(result)


def _show_sweep(result: "SweepResult") -> None:
    from rich.table import Table

    names = list(result.runs[0].options)
    table = Table(*names, "validation loss", *([] if result.by == "validation_loss" else [result.by]), "95 % interval", "run")
    for run in result.runs:
        loss = "failed" if run.validation_loss is None else f"{run.validation_loss:.4f}"
        value = [] if result.by == "validation_loss" else ["" if run.metric is None else f"{run.metric.value:.4f}"]
        is_known = run.metric is not None and run.metric.low is not None and run.metric.high is not None
        interval = f"{run.metric.low:.4f} to {run.metric.high:.4f}" if run.metric is not None and is_known else ""
        table.add_row(*(printable(str(run.options[name])) for name in names), loss, *value, interval, run.folder.name)
    print_view(table)
    notice(result.verdict)
