"""The `train plan` command."""

from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import (
    BaseModel,
    BatchSize,
    Best,
    BuiltDataset,
    Dtype,
    EarlyStopping,
    Epochs,
    Exact,
    Json,
    Leaks,
    Loss,
    MaxLength,
    MaxSteps,
    Method,
    MicroBatchSize,
    Normalize,
    Objective,
    Optimizer,
    Quantize,
    Seed,
    TrainSection,
    Truncation,
    training_options,
)

if TYPE_CHECKING:
    from train.preflight.result import PlanResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("plan")(plan)


def plan(
    dataset: BuiltDataset,
    model: BaseModel = None,
    config: TrainSection = None,
    objective: Objective = None,
    loss: Loss = None,
    method: Method = None,
    quantize: Quantize = None,
    seed: Seed = None,
    seeds: Annotated[int | None, typer.Option(help="Plan so many runs, one a seed.")] = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    optimizer: Optimizer = None,
    normalize: Normalize = None,
    batch_size: BatchSize = None,
    micro_batch_size: MicroBatchSize = None,
    max_length: MaxLength = None,
    truncation: Truncation = None,
    leaks: Leaks = None,
    dtype: Dtype = None,
    exact: Exact = None,
    best: Best = None,
    early_stopping: EarlyStopping = None,
    as_json: Json = False,
) -> None:
    """Say how long a run will take and how much memory, from a few timed micro-batches; nothing is written."""
    given = dict(locals())
    from train.api import plan_run

    result = plan_run(dataset, config, progress=True, **training_options(given))
    if as_json:
        print_json(result.to_json())
    else:
        _show(result)


def _show(result: "PlanResult") -> None:
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, text in result.lines():
        table.add_row(printable(name), printable(text))
    print_view(table)
    for warning in result.warnings:
        notice(f"warning: {warning}")
