"""The `train stages` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json, print_view, printable
from train.cli.options import BaseModel, Json, exit_where_failed

if TYPE_CHECKING:
    from train.stages.result import StagesResult


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("stages")(stages)


def stages(
    out: Annotated[Path, typer.Option("--out", help="The folder of all stages; those that are there are not trained again.")],
    config: Annotated[Path, typer.Option("--config", help="A config file whose train: and stages: sections are read.")],
    model: BaseModel = None,
    start: Annotated[str | None, typer.Option(help="A finished run with whose weights the first stage begins.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all stages.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop each stage that does not say otherwise after this many steps.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Train all stages anew.")] = False,
    as_json: Json = False,
) -> None:
    """Train runs one after the other, each from the weights of the one before, and see what each forgets.

    The config's stages: section names them.
    """
    from train.api import run_stages

    try:
        result = run_stages(out, config, overwrite=overwrite, progress=True, model=model, start=start, seed=seed, max_steps=max_steps)
    except KeyboardInterrupt:
        notice("Interrupted. The same command goes on from there.")
        raise
    if as_json:
        print_json(result.as_json())
    else:
        _show_stages(result)
    exit_where_failed(result.failed_proofs)


def _show_stages(result: "StagesResult") -> None:
    from rich.table import Table

    table = Table("after", *(f"loss on {printable(one.name)}" for one in result.stages))
    for row in result.rows():
        table.add_row(*map(printable, row))
    print_view(table)
    for change in result.changes:
        notice(change.verdict)
