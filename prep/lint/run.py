"""The one door of lint: a path in, a report out."""

from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import polars as pl

from loopwright.errors import UserError
from loopwright.files import require_output_file
from prep.lint.context import Context, LintOptions
from prep.lint.engine import rules_matching, run_rules, runnable
from prep.lint.examples import LintData, load_dataset, load_files
from prep.lint.excerpts import make_excerpts
from prep.lint.options import check_options, model_of, with_config
from prep.lint.postprocess import postprocess
from prep.lint.report import Diagnostic, LintReport, Skipped
from prep.lint.reports.declared import count_declared
from prep.lint.reports.facts import page_facts
from prep.lint.reports.text import shown_in_text

__all__ = ["Diagnostic", "LintOptions", "LintReport", "Skipped", "lint"]


def lint(path: Path, *, test: Path | None = None, options: LintOptions | None = None) -> LintReport:
    """Lints a built dataset, or a training file that was made elsewhere.

    Args:
        path: a folder that `prep build` wrote, or a training file in any format that `prep` reads.
        test: a foreign evaluation file, to look for leaks from `path` into it.
        options: what to look for; a built dataset's own config is read beside them.

    Raises:
        UserError: the data cannot be read at all, an option names what does not exist, or the model is not there.
    """
    options = options or LintOptions()
    check_options(options)
    if options.scores is not None:
        require_output_file(options.scores)
    try:
        return _in_folder(path, test, options)
    except (OSError, pl.exceptions.PolarsError) as error:
        if isinstance(error, OSError):
            cause, location = error.strerror or str(error), error.filename
        elif "os error" in str(error):  # so Polars says that a disk is full
            cause, location = str(error).splitlines()[0], None
        else:
            raise
        remedy = (
            f"Check its permissions, and the free space in {gettempdir()}, where lint keeps what it reads (TMPDIR names another place)."
        )
        raise UserError(f"cannot read or write: {cause}", location, remedy) from error


def _in_folder(path: Path, test: Path | None, options: LintOptions) -> LintReport:
    if path.is_dir() and test is not None:
        raise UserError("a built dataset has its own test split", str(test), "Leave --test out.")
    files = [(path, "train"), *([(test, "test")] if test else [])]
    with TemporaryDirectory(prefix="loopwright-lint-") as name:
        folder = Path(name)
        data = load_dataset(path, folder) if path.is_dir() else load_files(files, folder)
        return _run(path, data, with_config(options, data.manifest), folder)


def _run(path: Path, data: LintData, options: LintOptions, folder: Path) -> LintReport:
    context = Context.of(options, data, path)
    named_by_config = model_of(data.manifest) == options.model
    rules, skipped = runnable(rules_matching(options.select, options.ignore), context, named_by_config=named_by_config)
    found = run_rules(rules, data.frame, data.num_examples, context, folder)
    diagnostics, num_suppressed = postprocess(found, options)
    return LintReport(
        path,
        diagnostics,
        tuple(skipped),
        data.num_examples,
        built=context.built,
        num_suppressed=num_suppressed,
        ran=tuple(rule.code for rule in rules),
        excerpts=make_excerpts(data.frame, shown_in_text(diagnostics)) if options.excerpts else {},
        facts=page_facts(data.frame, diagnostics, count_declared(data.frame, context)) if options.page else None,
    )
