"""Options that several commands take, and how a command ends whose run failed a proof."""

from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from train.runs.proof import Proof

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]


def exit_where_failed(proofs: "Mapping[str, Proof]") -> None:
    """Ends the command with 1 where a proof failed, and says which."""
    from train.runs.proof import failed_proofs

    if failed := failed_proofs(proofs):
        notice(f"Do not use this run: it failed {', '.join(failed)}. `train verify` repeats its proofs.", always=True)
        raise typer.Exit(ExitCode.FINDINGS)
