"""The `loop` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.command_line import make_program, run_app
from loopwright.console import console, notice, print_error, print_json, print_view
from loopwright.errors import ExitCode, UserError

if TYPE_CHECKING:
    from loop.record import RoundRecord

app = make_program("Run rounds of data and model: each carries what the model got wrong back into the data.")

Config = Annotated[Path, typer.Argument(help="The YAML config, with `train`, `evals` and `loop` sections.")]
Out = Annotated[Path | None, typer.Option("--out", help="The folder of the rounds; default: `loop.out` of the config.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]


@app.command()
def run(
    config: Config,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Run although nothing has changed since the last round.")] = False,
    as_json: Json = False,
) -> None:
    """Run one round: build, lint, train, evaluate, propose fixes, compare with the round before."""
    from evals.reports.results import written_reports
    from evals.reports.table import pairs_table, systems_table, verdict_markup
    from loop.run import DRAFTS_NAME, ProofFailed, run_round
    from loop.table import comparison_table

    try:
        outcome = run_round(config, out, force=force, progress=True)
    except ProofFailed as failure:
        print_error(failure)
        raise typer.Exit(ExitCode.FINDINGS) from failure
    record, folder = outcome.record, outcome.folder
    if outcome.report is not None:
        console().print(systems_table(outcome.report))
        console().print(pairs_table(outcome.report))
        console().print(verdict_markup(outcome.report), soft_wrap=True)
    if record.comparison is not None:
        console().print(comparison_table(record, record.comparison))
        notice(record.comparison.verdict)
    for path in written_reports(folder / "evals"):
        notice(f"report: {path}")
    notice(
        f"{record.num_drafts} drafts of fixes: prep fix edit {folder / DRAFTS_NAME}, then prep fix apply {folder / DRAFTS_NAME} {config}"
    )
    if as_json:
        print_json(record.model_dump(mode="json"))
    if record.failed_gates:
        print_error(UserError(f"{len(record.failed_gates)} gates failed: {'; '.join(record.failed_gates)}", str(config)))
        raise typer.Exit(ExitCode.FINDINGS)


@app.command()
def status(config: Config, out: Out = None, as_json: Json = False) -> None:
    """Show all rounds."""
    from loop.config import LoopConfig
    from loop.record import finished_rounds
    from loop.run import rounds_dir_of
    from loop.table import rounds_table
    from loopwright.config import load_section

    rounds_dir = out or rounds_dir_of(config, load_section(config, "loop", LoopConfig))
    records: list[RoundRecord] = finished_rounds(rounds_dir)
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
    elif records:
        print_view(rounds_table(records))
    else:
        notice(f"no round in {rounds_dir} yet. Run one: loop run {config}")


def main() -> None:
    """Runs the command line."""
    run_app(app)
