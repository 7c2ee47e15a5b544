"""The commands `prep lint` and `prep rule`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.console import console, notice, output_width, print_result, print_view
from loopwright.errors import ExitCode
from loopwright.process import release_memory_early
from prep.cli.deliver import deliver

if TYPE_CHECKING:
    from prep.lint.base.report import LintReport


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


Test = Annotated[Path | None, typer.Option("--test", help="An evaluation file, to check for leakage.")]
InputColumns = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="COLUMN", help="A column of a training file that is its input; several times for several."),
]
AnswerColumn = Annotated[
    str | None, typer.Option("--answer", metavar="COLUMN", help="The column of a training file that is its answer; default: guessed.")
]
Encoding = Annotated[str, typer.Option(help="The files' text encoding, where they have no byte order mark.")]
Select = Annotated[str, typer.Option(metavar="CODES", help="Only these rules: codes or prefixes, separated by commas.")]
Model = Annotated[str | None, typer.Option(help="The model whose tokenizer the token rules use; default: the config's.")]
ModelScores = Annotated[Path | None, typer.Option("--model-scores", help="The model scores that `evals score` wrote.")]
TrainingLedger = Annotated[Path | None, typer.Option("--training-ledger", help="A training run's folder, for its loss on each row.")]
Baseline = Annotated[Path | None, typer.Option("--baseline", help="An earlier JSON report: report only new findings.")]
Scores = Annotated[Path | None, typer.Option("--scores", help="Write the id, code and score of every ranked row to this Parquet file.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the report to this file instead of printing it.")]
Statistics = Annotated[bool, typer.Option("--statistics", help="Print counts by rule instead of findings.")]
Fix = Annotated[bool, typer.Option("--fix", help="Add safe fixes to the fix ledger, rebuild the dataset and lint it again.")]
FixTo = Annotated[
    Path | None, typer.Option("--fix-to", help="With --fix, of a training file: write a copy with the safe fixes, as JSON Lines.")
]
UnsafeFixes = Annotated[bool, typer.Option("--unsafe-fixes", help="With --fix: unsafe fixes too, such as dropping near-duplicates.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show what --fix would change, without changing anything.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="The build config, for plug-ins and the fix ledger; default: the one beside the data."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="List the rules that did not run, with the reasons.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to an application."""
    app.command("lint")(lint_command)
    app.command("rule")(rule_command)


def lint_command(
    path: Annotated[Path, typer.Argument(help="A built dataset's folder, or a training file in any format that prep reads.")],
    test: Test = None,
    input_columns: InputColumns = None,
    answer_column: AnswerColumn = None,
    encoding: Encoding = "utf-8",
    select: Select = "",
    ignore: Annotated[str, typer.Option(metavar="CODES", help="Not these rules.")] = "",
    model: Model = None,
    model_scores: ModelScores = None,
    training_ledger: TrainingLedger = None,
    baseline: Baseline = None,
    scores: Scores = None,
    output: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
    out: Out = None,
    statistics: Statistics = False,
    fail_on: Annotated[FailOn, typer.Option(help="The lowest severity with exit code 1.")] = FailOn.WARNING,
    fix: Fix = False,
    fix_to: FixTo = None,
    unsafe_fixes: UnsafeFixes = False,
    diff: Diff = False,
    config: Config = None,
    verbose: Verbose = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ignore cached results.")] = False,
) -> None:
    """Find defects in a dataset or a training file."""
    release_memory_early()
    from loopwright.files import require_output_file
    from prep.cli.lint_fixes import Fixing, fixed
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
        if diff or fix or unsafe_fixes or fix_to is not None:
            report = fixed(path, test, LintOptions(**options, columns=columns), Fixing(diff, unsafe_fixes, fix_to, config, out))
        else:
            options |= {"input_columns": columns.inputs, "answer_column": columns.answer, "config": config}
            report = _look(path, test, options, fresh=no_cache)
        if report is None:  # the fixes are only shown
            return
        _print_report(report, output, out, statistics=statistics, verbose=verbose)
    if report.fails(None if fail_on is FailOn.NEVER else Severity(fail_on.value)):
        raise typer.Exit(ExitCode.FINDINGS)


def _look(path: Path, test: Path | None, options: dict[str, Any], *, fresh: bool) -> "LintReport":
    from prep.api import lint_dataset

    with console().status("Linting"):
        return lint_dataset(path, test=test, fresh=fresh, **options)


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
    deliver(text, out, reports.summary_line(report, verbose=verbose))


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
