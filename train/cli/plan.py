"""The `train plan` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import Json

if TYPE_CHECKING:
    from train.preflight.result import PlanResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("plan")(plan)


def plan(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder that `prep build` wrote.")],
    model: Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose train: section is read.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is learned: chat (the default), completion, verbalizer, cloze, preference, unpaired, reward or an own one."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Of preference: dpo, orpo or simpo; of unpaired: kto.")] = None,
    method: Annotated[str | None, typer.Option(help="What of the model is trained: lora, full or freeze.")] = None,
    quantize: Annotated[str | None, typer.Option(help="Load the base in 4 bits, on a GPU: nf4.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the adapter, the order and dropout.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Plan so many runs, one a seed.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the train split.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or adafactor.")] = None,
    normalize: Annotated[str | None, typer.Option(help="What counts the same in a step: each token, or each example.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Examples a forward pass; gradients accumulate.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest example, in tokens.")] = None,
    truncation: Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")] = None,
    leaks: Annotated[str | None, typer.Option(help="Train rows that are also in validation or test: refuse or allow.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")] = None,
    best: Annotated[str | None, typer.Option(help="Which checkpoint is kept: the best by validation_loss or a metric, or last.")] = None,
    early_stopping: Annotated[int | None, typer.Option(help="Stop after so many validations that are worse than the best.")] = None,
    as_json: Json = False,
) -> None:
    """Say how long a run will take and how much memory, from a few timed micro-batches; nothing is written."""
    given = dict(locals())
    from train.api import plan_run
    from train.config import TrainConfig

    options = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
    result = plan_run(dataset, config, progress=True, **options)
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
