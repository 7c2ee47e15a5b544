"""The `train report` command."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import notice, print_json
from train.cli.options import FinishedRun, Json, MovedModel, PluginConfig


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("report")(report)


def report(
    run: FinishedRun,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="The dataset that it was trained on, if it has moved since the run.")
    ] = None,
    model: MovedModel = None,
    config: PluginConfig = None,
    as_json: Json = False,
) -> None:
    """Write the report.html of a finished run again: a run writes it by itself, those of earlier versions did not."""
    from train.api import report_run

    path = report_run(run, dataset, model=model, config=config)
    if as_json:
        print_json({"report": str(path)})
    else:
        notice(f"The run's report: {path}")
