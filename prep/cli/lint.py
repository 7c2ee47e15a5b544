"""The commands `prep lint` and `prep rule`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.console import console, notice, output_width, print_result, print_view
from loopwright.errors import ExitCode, UserError
from loopwright.process import release_memory_early

if TYPE_CHECKING:
    from prep.lint.base.report import LintReport
    from prep.lint.options import LintOptions


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    HTML = "html"


class FailOn(StrEnum):
    """The lowest severity with exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("lint")(lint_command)
    app.command("rule")(rule_command)


def lint_command(
    path: Annotated[Path, typer.Argument(help="A built dataset's folder, or a training file in any format that prep reads.")],
    test: Annotated[Path | None, typer.Option("--test", help="An evaluation file, to check for leakage.")] = None,
    input_columns: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="COLUMN", help="A column of a training file that is its input; several times for several."),
    ] = None,
    answer_column: Annotated[
        str | None, typer.Option("--answer", metavar="COLUMN", help="The column of a training file that is its answer; default: guessed.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="The files' text encoding, where they have no byte order mark.")] = "utf-8",
    select: Annotated[str, typer.Option(metavar="CODES", help="Only these rules: codes or prefixes, separated by commas.")] = "",
    ignore: Annotated[str, typer.Option(metavar="CODES", help="Not these rules.")] = "",
    model: Annotated[str | None, typer.Option(help="The model whose tokenizer the token rules use; default: the config's.")] = None,
    model_scores: Annotated[Path | None, typer.Option("--model-scores", help="The model scores that `evals score` wrote.")] = None,
    training_ledger: Annotated[
        Path | None, typer.Option("--training-ledger", help="A training run's folder, for its loss on each row.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option("--baseline", help="An earlier JSON report: report only new findings.")] = None,
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Write the id, code and score of every ranked row to this Parquet file.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report to this file instead of printing it.")] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="Print counts by rule instead of findings.")] = False,
    fail_on: Annotated[FailOn, typer.Option(help="The lowest severity with exit code 1.")] = FailOn.WARNING,
    fix: Annotated[bool, typer.Option("--fix", help="Add safe fixes to the fix ledger, rebuild the dataset and lint it again.")] = False,
    fix_to: Annotated[
        Path | None, typer.Option("--fix-to", help="With --fix, of a training file: write a copy with the safe fixes, as JSON Lines.")
    ] = None,
    unsafe_fixes: Annotated[
        bool, typer.Option("--unsafe-fixes", help="With --fix: unsafe fixes too, such as dropping near-duplicates.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what --fix would change, without changing anything.")] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The build config, for plug-ins and the fix ledger; default: the one beside the data."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="List the rules that did not run, with the reasons.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ignore cached results.")] = False,
) -> None:
    """Find defects in a dataset or a training file."""
    release_memory_early()
    from loopwright.files import require_output_file
    from prep.dataset.plugins import dataset_plugins
    from prep.lint.base.finding import Severity
    from prep.lint.frame.answer_columns import NamedColumns
    from prep.lint.options import LintOptions, rule_codes

    if out is not None:
        require_output_file(out)
    options: dict[str, Any] = {
        "encoding": encoding,
        "select": rule_codes(select),
        "ignore": rule_codes(ignore),
        "model": model,
        "model_scores": model_scores,
        "training_ledger": training_ledger,
        "baseline": baseline,
        "scores": scores,
        "excerpts": output in {Format.TEXT, Format.SARIF} and not statistics,
        "page": output is Format.HTML,
    }
    columns = NamedColumns(tuple(input_columns or ()), answer_column)
    with dataset_plugins(path, config):
        if fix_to is not None or (diff and path.is_file()):
            _require_file_to_fix(path, test, has_other=unsafe_fixes)
            if diff:
                _show_file_fixes(path, LintOptions(**options, columns=columns), out)
                return
            assert fix_to is not None
            report = _fix_file(path, fix_to, LintOptions(**options, columns=columns))
        elif diff or fix or unsafe_fixes:
            to_fix, chosen = _config_to_fix(path, config, test), LintOptions(**options, columns=columns)
            if diff:
                _show_fixes(path, to_fix, chosen, out, unsafe=unsafe_fixes)
                return
            report = _fix(path, to_fix, chosen, unsafe=unsafe_fixes)
        else:
            options |= {"input_columns": columns.inputs, "answer_column": columns.answer}
            report = _look(path, test, options | {"config": config}, fresh=no_cache)
        _print_report(report, output, out, statistics=statistics, verbose=verbose)
    if report.fails(None if fail_on is FailOn.NEVER else Severity(fail_on.value)):
        raise typer.Exit(ExitCode.FINDINGS)


def _look(path: Path, test: Path | None, options: dict[str, Any], *, fresh: bool) -> "LintReport":
    from prep.api import lint_dataset

    with console().status("Linting"):
        return lint_dataset(path, test=test, fresh=fresh, **options)


def _config_to_fix(path: Path, config: Path | None, test: Path | None) -> Path:
    from prep.fixes.fixing import find_config

    if test is not None:
        raise UserError("fixes need a built dataset, which has its own evaluation splits", "--test", "Leave it out.")
    return find_config(path, config)


def _require_file_to_fix(path: Path, test: Path | None, *, has_other: bool) -> None:
    if path.is_dir():
        raise UserError("--fix-to is for a training file, and this is a dataset", str(path), "Leave it out: --fix writes the fix ledger.")
    if test is not None:
        raise UserError("a file is fixed by itself", "--test", "Leave it out.")
    if has_other:
        raise UserError(
            "only safe fixes are made in a file", "--unsafe-fixes", "Leave it out, or build a dataset from the file: prep init."
        )


def _show_file_fixes(path: Path, options: "LintOptions", out: Path | None) -> None:
    from prep.fixes.file_fixing import next_file_fixes
    from prep.fixes.view import as_diff

    with console().status("Linting"):
        planned = next_file_fixes(path, options)
    _deliver(as_diff(planned), out, f"{len(planned)} fixes would be made.")


def _fix_file(path: Path, fix_to: Path, options: "LintOptions") -> "LintReport":
    """Writes the copy; returns the report of what is left in it."""
    from prep.fixes.file_fixing import fix_file
    from prep.fixes.view import as_diff

    with console().status("Fixing"):
        result = fix_file(path, fix_to, options)
    notice(as_diff(result.fixes))
    notice(f"{len(result.fixes)} fixes made; {result.num_written:,} records are in {fix_to}.")
    if result.unreadable:
        notice(f"{len(result.unreadable)} that cannot be read are not in it, the first at {result.unreadable[0]}.")
    return result.report


def _show_fixes(path: Path, config: Path, options: "LintOptions", out: Path | None, *, unsafe: bool) -> None:
    from prep.fixes.fixing import next_fixes
    from prep.fixes.view import as_diff

    with console().status("Linting"):
        planned = next_fixes(path, config, options, unsafe=unsafe)
    _deliver(as_diff(planned), out, f"{len(planned)} fixes would be made.")


def _fix(path: Path, config: Path, options: "LintOptions", *, unsafe: bool) -> "LintReport":
    """Makes the fixes; returns the report of what is left."""
    from prep.fixes.fixing import fix
    from prep.fixes.view import as_diff

    with console().status("Fixing"):
        result = fix(path, config, options, unsafe=unsafe)
    notice(as_diff(result.fixes))
    notice(f"{len(result.fixes)} fixes added to the ledger of {config}, in {result.num_rounds} rounds; the dataset was built again.")
    if result.unfinished:
        notice(f"Of what is left: {result.unfinished}.")
    return result.report


def _print_report(report: "LintReport", output: Format, out: Path | None, *, statistics: bool, verbose: bool) -> None:
    from prep.lint import reports
    from prep.lint.reports.facts import PageReport

    if out is None and output is Format.TEXT and not statistics:
        print_view(reports.text_view(report, report.excerpts, width=output_width(110), verbose=verbose), wrap=False)
        return
    if output is Format.JSON:
        text = json.dumps(reports.statistics_as_json(report) if statistics else report.as_json(), ensure_ascii=False, indent=2)
    elif output is Format.GITHUB:
        text = reports.as_github(report)
    elif output is Format.SARIF:
        text = json.dumps(reports.as_sarif(report, report.excerpts), ensure_ascii=False, indent=2)
    elif output is Format.HTML:
        assert isinstance(report, PageReport)
        text = reports.as_html(report, report.facts)
    else:
        text = reports.as_statistics(report, verbose=verbose) if statistics else reports.as_text(report, report.excerpts, verbose=verbose)
    _deliver(text, out, reports.summary_line(report, verbose=verbose))


def _deliver(text: str, out: Path | None, summary: str) -> None:
    """Prints a text, or writes it to a file that only its owner can read, and says so."""
    if out is None:
        print_result(text)
        return
    from loopwright.files import write_atomic

    write_atomic(out, text + "\n", private=True)
    notice(f"{summary}\nThe report is in {out}.")


def rule_command(
    code: Annotated[str | None, typer.Argument(help="A rule's code; without it, all rules are listed.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are rules, too.")] = None,
) -> None:
    """Explain a lint rule: what it does, why it matters, an example, whether a fix is safe."""
    from loopwright.plugin_config import plugins_of
    from loopwright.plugins import use_plugins
    from prep.lint.base.documentation import list_rules, rule_page
    from prep.lint.base.rule import find_rule

    with use_plugins(plugins_of(config)):
        if code is None:
            print_result(list_rules())
            notice("Explain one with: prep rule CODE")
        else:
            print_result(rule_page(find_rule(code)))
