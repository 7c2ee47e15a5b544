"""The commands `prep lint` and `prep rule`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import console, notice, print_json, print_result
from loopwright.errors import ExitCode


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class FailOn(StrEnum):
    """The least severe finding that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("lint")(lint_command)
    app.command("rule")(rule_command)


def lint_command(
    path: Annotated[Path, typer.Argument(help="A built dataset's folder, or any training JSONL (or JSON array).")],
    test: Annotated[Path | None, typer.Option("--test", help="An evaluation file, to look for leaks into it.")] = None,
    select: Annotated[str, typer.Option(metavar="CODES", help="Only these rules: codes or their beginnings, with commas.")] = "",
    ignore: Annotated[str, typer.Option(metavar="CODES", help="Not these rules.")] = "",
    model: Annotated[str | None, typer.Option(help="The model whose tokenizer the token rules use; default: the config's.")] = None,
    output: Annotated[Format, typer.Option("--format", help="How findings are printed.")] = Format.TEXT,
    fail_on: Annotated[FailOn, typer.Option(help="The least severe finding that makes the exit code 1.")] = FailOn.WARNING,
    statistics: Annotated[bool, typer.Option("--statistics", help="Print counts by rule instead of findings.")] = False,
) -> None:
    """Find what is wrong with a dataset, or with a training file that was made elsewhere."""
    from prep.lint.render import as_github, as_statistics, as_text
    from prep.lint.rule import Severity
    from prep.lint.run import LintOptions, lint

    with console().status("Linting"):
        report = lint(path, test=test, options=LintOptions(select=_codes(select), ignore=_codes(ignore), model=model))
    if output is Format.JSON:
        print_json(report.as_json())
    elif output is Format.GITHUB:
        print_result(as_github(report))
    else:
        print_result(as_statistics(report) if statistics else as_text(report))
    if report.fails(None if fail_on is FailOn.NEVER else Severity(fail_on.value)):
        raise typer.Exit(ExitCode.FINDINGS)


def rule_command(
    code: Annotated[str | None, typer.Argument(help="A rule's code; without one all rules are listed.")] = None,
) -> None:
    """Explain a lint rule: what it does, why it matters, an example, whether a fix is safe."""
    from prep.lint.documentation import list_rules, rule_page
    from prep.lint.rule import RULES

    if code is None:
        print_result(list_rules())
        notice("Explain one with: prep rule CODE")
    else:
        print_result(rule_page(RULES.get(code.upper())))


def _codes(text: str) -> tuple[str, ...]:
    return tuple(code.strip().upper() for code in text.split(",") if code.strip())
