"""The `train verify` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import print_json, print_view, printable
from train.cli.options import FinishedRun, Json, MovedModel, PluginConfig, exit_where_failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from train.runs.proof import Proof


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("verify")(verify)


def verify(
    run: FinishedRun,
    dataset: Annotated[
        list[Path] | None,
        typer.Option("--dataset", help="The dataset that it was trained on, for the proofs about rows; of a mixture, each of them."),
    ] = None,
    model: MovedModel = None,
    config: PluginConfig = None,
    as_json: Json = False,
) -> None:
    """Repeat the proofs at the end of a run. Exits with 1 where one of them fails."""
    from train.api import verify_run

    proofs = verify_run(run, dataset, model=model, config=config)
    if as_json:
        print_json({"proofs": {name: proof.model_dump(mode="json") for name, proof in proofs.items()}})
    else:
        _show_proofs(proofs)
    exit_where_failed(proofs)


def _show_proofs(proofs: "Mapping[str, Proof]") -> None:
    from rich.table import Table

    table = Table("proof", "passed", "value", "tolerance", "what was compared")
    table.columns[-1].overflow = "fold"
    for name, proof in proofs.items():
        passed = proof.passed if isinstance(proof.passed, str) else "yes" if proof.passed else "NO"
        numbers = ("" if number is None else f"{number:.3g}" for number in (proof.value, proof.tolerance))
        table.add_row(name, passed, *numbers, printable(proof.reason))
    print_view(table)
