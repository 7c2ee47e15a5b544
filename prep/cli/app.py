"""The `prep` command."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.command_line import make_program, run_app
from loopwright.console import notice, print_json, print_result, print_view
from prep.cli.compare import register as register_compare
from prep.cli.compare import show_preview
from prep.cli.export import register as register_export
from prep.cli.fix import fix_app
from prep.cli.lint import register as register_lint
from prep.cli.templates import templates_app

_ORDER = ("init", "templates", "build", "show", "lint", "rule", "fix", "diff", "export", "validate", "push", "drift")  # of use

app = make_program("Build a fine-tuning dataset from raw rows, and maintain it.", _ORDER)
app.add_typer(fix_app, name="fix")
app.add_typer(templates_app, name="templates")
register_lint(app)
register_compare(app)
register_export(app)

Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]


@app.command()
def init(
    data: Annotated[list[Path], typer.Argument(help="A raw file, or several with the same columns.")],
    test: Annotated[Path | None, typer.Option("--test", help="A hold-out file, whose rows all go into the test split.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The config to write; default: beside the first file.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The files' text encoding; default: told by their bytes.")] = None,
) -> None:
    """Write a commented config from a look at the data."""
    from prep.infer.config import write_config

    written = write_config(data, out, test=test, encoding=encoding)
    for line in written.guesses:
        notice(line)
    print_result(str(written.path))


@app.command()
def build(
    config: Annotated[Path, typer.Argument(help="The YAML config.")],
    out: Annotated[Path, typer.Option("--out", help="The dataset's folder.")],
    strict: Annotated[bool, typer.Option("--strict", help="Stop at rows that cannot be used.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Read no more than this many rows of each file, for a quick look.")] = None,
    as_json: Json = False,
) -> None:
    """Build a dataset: read, map, fix, split, render, write."""
    from prep.api import build_dataset
    from prep.build.summary import print_build

    result = build_dataset(config, out, strict=strict, limit=limit, progress=True)
    print_build(result)
    if as_json:
        print_json(result.to_json())


@app.command()
def show(
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder; with --diff a build config will do too.")],
    example_id: Annotated[str | None, typer.Option("--id", help="An example's id, or the beginning of one.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many examples.")] = 1,
    tokens: Annotated[str | None, typer.Option(metavar="MODEL", help="Show what is trained, under this model's chat template.")] = None,
    template: Annotated[Path | None, typer.Option(metavar="FILE", help="With --diff: an edited template.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what the edited template would change, word by word.")] = False,
    as_json: Json = False,
) -> None:
    """Show rendered examples, which of their tokens are trained, and what an edited template would change."""
    if diff or template is not None:
        show_preview(dataset, template, limit=limit, as_json=as_json, others={"--id": example_id, "--split": split, "--tokens": tokens})
        return
    from dataclasses import asdict

    from loopwright.console import output_has_colours
    from prep.dataset.show import as_json_row, render_example
    from prep.dataset.show import show as show_examples

    shown = show_examples(dataset, split=split, example_id=example_id, limit=limit, model=tokens)
    if as_json:
        print_json(
            [{**as_json_row(row), "tokens": None if pieces is None else [asdict(piece) for piece in pieces]} for row, pieces in shown]
        )
        return
    for row, pieces in shown:
        print_view(render_example(row, pieces, coloured=output_has_colours()))


def main() -> None:
    """Runs the command."""
    run_app(app)
