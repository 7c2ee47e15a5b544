"""The `train export` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import notice, print_json
from loopwright.errors import ExitCode
from train.cli.options import FinishedRun, Json, MovedModel, PluginConfig

if TYPE_CHECKING:
    from train.runs.exported import ExportRecord


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("export")(export)


def export(
    run: FinishedRun,
    to: Annotated[str, typer.Option("--to", help="'merged', a plain model; or 'adapter', for peft and servers that take adapters.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    with_base: Annotated[bool, typer.Option("--with-base", help="Copy the base model into an adapter's folder.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Which of several seeds; default: that of the median loss.")] = None,
    model: MovedModel = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="The run's dataset, to measure the loss, if it has moved since the run.")
    ] = None,
    config: PluginConfig = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the export in the folder.")] = False,
    with_canaries: Annotated[
        bool, typer.Option("--with-canaries", help="Export a run that was trained on canaries, made-up secrets of its dataset.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a run as a folder that other programs load, and measure what that changes. Exits with 1 where it does not load as trained."""
    from train.api import export_run

    record = export_run(
        run,
        out,
        to,
        with_base=with_base,
        seed=seed,
        model=model,
        dataset=dataset,
        config=config,
        overwrite=overwrite,
        with_canaries=with_canaries,
    ).record
    if as_json:
        print_json(record.model_dump(mode="json"))
    else:
        _show(record, out)
    if record.loaded.passed is False:
        notice(f"Do not use this export: {record.loaded.reason}", always=True)
        raise typer.Exit(ExitCode.FINDINGS)


def _show(record: "ExportRecord", out: Path) -> None:
    from train.export.card import interval

    size = sum(one.bytes for one in record.files.values())
    notice(
        f"{record.to} -> {out}: {len(record.files)} files, {size / 1e6:,.1f} MB, {record.dtype}. README.md says how to load and serve it."
    )
    for note in record.notes:
        notice(note)
    if record.loss_before is None or record.loss_after is None or record.difference is None:
        notice(f"The loss was not measured: {record.not_measured}.")
        return
    notice(
        f"Mean loss on {record.num_validation_examples} validation examples: {record.loss_before:.4f} as trained, {record.loss_after:.4f} "
        f"as exported; difference {record.difference.value:+.2g} (95 % interval: {interval(record.difference)})."
    )
