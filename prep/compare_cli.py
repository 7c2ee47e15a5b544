"""The commands that compare: `prep diff` and `prep drift`."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import console, print_json, print_view

Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]
Model = Annotated[str | None, typer.Option(metavar="MODEL", help="A model whose tokenizer counts tokens.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("diff")(diff_command)


def diff_command(
    before: Annotated[Path, typer.Argument(metavar="A", help="A dataset's folder.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later dataset's folder.")],
    with_lint: Annotated[bool, typer.Option("--lint", help="Lint both, and count what each rule finds.")] = False,
    model: Model = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=0, help="How many changed examples of each cause to show.")] = 3,
    as_json: Json = False,
) -> None:
    """Say what changed from one built dataset to another, and why: fixes, templates, splits, sources."""
    from prep.diff import diff
    from prep.diff_view import diff_json, render_diff

    with console().status("Comparing"):
        found = diff(before, after, with_lint=with_lint, model=model, num_samples=limit)
    if as_json:
        print_json(diff_json(found))
    else:
        print_view(render_diff(found))
