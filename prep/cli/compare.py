"""The commands that compare: `prep diff` and `prep drift`."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import console, print_json, print_view
from loopwright.errors import ExitCode, UserError

Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]
Model = Annotated[str | None, typer.Option(metavar="MODEL", help="A model whose tokenizer counts tokens.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("diff")(diff_command)
    app.command("drift")(drift_command)


def diff_command(
    before: Annotated[Path, typer.Argument(metavar="A", help="A dataset's folder.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later dataset's folder.")],
    with_lint: Annotated[bool, typer.Option("--lint", help="Lint both, and count what each rule finds.")] = False,
    model: Model = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=0, help="How many changed examples of each cause to show.")] = 3,
    as_json: Json = False,
) -> None:
    """Say what changed from one built dataset to another, and why: fixes, templates, splits, sources."""
    from prep.compare.diff import diff
    from prep.compare.diff_view import diff_json, render_diff

    with console().status("Comparing"):
        found = diff(before, after, with_lint=with_lint, model=model, num_samples=limit)
    if as_json:
        print_json(diff_json(found))
    else:
        print_view(render_diff(found))


def drift_command(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder.")],
    new: Annotated[Path, typer.Argument(help="New rows: any file that a source of a build could be.")],
    text: Annotated[
        list[str] | None, typer.Option(metavar="FIELD", help="A column of the new rows that holds the text; repeat for more.")
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="FIELD", help="The column of the new rows that holds the label.")] = None,
    source_format: Annotated[str, typer.Option("--format", help="The format of the new rows, where their file does not say.")] = "auto",
    encoding: Annotated[
        str | None, typer.Option(help="The new rows' text encoding; default: that of the dataset's own files of their kind.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split to compare with.")] = "train",
    model: Model = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 where production has moved away.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="The config whose plug-ins are used; default: the one beside the dataset.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether new rows have moved away from the dataset: in words, length, labels, language; how far, and what to do."""
    from prep.drift.run import drift
    from prep.drift.sample import NewRows
    from prep.drift.view import drift_json, render_drift

    with console().status("Comparing"):
        rows = NewRows(new, source_format, tuple(text or ()), label, encoding)
        report = drift(dataset, rows, split=split, model=model, config_path=config)
    if as_json:
        print_json(drift_json(report))
    else:
        print_view(render_drift(report))
    if fail and report.drifted:
        raise typer.Exit(ExitCode.FINDINGS)


def show_preview(path: Path, template: Path | None, *, limit: int, as_json: bool, others: dict[str, str | None]) -> None:
    """Runs `prep show --diff`: what an edited template would change in a dataset, or in the rows of a config.

    Raises:
        UserError: no template is given, or an option that has no meaning here.
    """
    if template is None:
        raise UserError("--diff needs an edited template", remedy="Name it with: --template FILE.jinja")
    for option, value in others.items():
        if value is not None:
            raise UserError(f"{option} has no meaning with --diff", remedy=f"Leave {option} out.")
    from prep.compare.preview import preview, render_preview

    with console().status("Rendering"):
        found = preview(path, template, limit=limit)
    if as_json:
        print_json(found.to_json())
    else:
        print_view(render_preview(found))
