"""The one door of lint: a path in, a report out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import polars as pl

from loopwright.errors import UserError
from loopwright.files import require_output_file
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from prep.lint.base.context import Context
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import make_excerpts
from prep.lint.base.report import LintReport, Skipped
from prep.lint.base.rule import Need, Rule
from prep.lint.engine import Frames, rules_matching, run_rules, runnable
from prep.lint.frame.examples import LintData, load_dataset, load_files
from prep.lint.frame.foreign import FileReading
from prep.lint.frame.kept import Kept, read_kept
from prep.lint.frame.model_scores import open_model_scores
from prep.lint.frame.parquet_input import open_training_ledger
from prep.lint.frame.template_files import config_dirs
from prep.lint.frame.tokens import token_limit, with_tokens
from prep.lint.options import LintOptions, check_options, model_of, with_config
from prep.lint.postprocess import postprocess
from prep.lint.reports.declared import count_declared
from prep.lint.reports.facts import PageReport, page_facts
from prep.lint.reports.text import shown_in_text

__all__ = ["Diagnostic", "LintOptions", "LintReport", "Skipped", "lint"]

_SIMILARITY = "similarity"


def lint(
    path: Path,
    *,
    test: Path | None = None,
    options: LintOptions | None = None,
    names: Mapping[Path, str] | None = None,
    config_path: Path | None = None,
) -> LintReport:
    """Lints a built dataset, or a training file that no build wrote.

    Args:
        path: a folder that `prep build` wrote, or a training file in any format that `prep` reads.
        test: a foreign evaluation file, to look for leaks from `path` into it.
        options: what to look for; a built dataset's own config is read beside them.
        names: file -> what reports call it, where that is not its path.
        config_path: a built dataset's config, for its plug-ins and what its fix ledger keeps; default: the one that lies beside it, see
            `dataset_plugins`.

    Raises:
        UserError: the data cannot be read at all, an option names what does not exist, or the model is not there.
    """
    options = options or LintOptions()
    with dataset_plugins(path, config_path):
        check_options(options)
        if options.scores is not None:
            require_output_file(options.scores)
        return _lint(_Given(path, test, options, names or {}, config_path))


@dataclass(frozen=True, slots=True)
class _Given:
    """What `lint` was called with."""

    path: Path
    test: Path | None
    options: LintOptions
    names: Mapping[Path, str]
    config_path: Path | None


def _lint(given: _Given) -> LintReport:
    try:
        return _in_folder(given)
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


def _in_folder(given: _Given) -> LintReport:
    path, test, options, names = given.path, given.test, given.options, given.names
    if path.is_dir() and test is not None:
        raise UserError("a built dataset has its own test split", str(test), "Leave --test out.")
    if path.is_dir() and options.columns:
        raise UserError("a built dataset has its columns from its config", str(path), "Leave --input and --answer out.")
    files = [(path, "train"), *([(test, "test")] if test else [])]
    with TemporaryDirectory(prefix="loopwright-lint-") as name:
        folder = Path(name)
        reading = FileReading(options.columns, options.encoding)
        data = load_dataset(path, folder) if path.is_dir() else load_files(files, folder, names, reading)
        kept = Kept() if data.manifest is None else read_kept(Dataset(path, data.manifest), given.config_path)
        report = _run(path, data, with_config(options, data.manifest), kept, folder)
    return replace(report, path=Path(names[path])) if path in names else report


def _run(path: Path, data: LintData, options: LintOptions, kept: Kept, folder: Path) -> LintReport:
    context = _make_context(path, data, options)
    named_by_config = model_of(data.manifest) == options.model
    rules, skipped = runnable(rules_matching(options.select, options.ignore), context, named_by_config=named_by_config)
    context, frames = _meet_needs(rules, context, data.frame, folder)
    found = run_rules(rules, frames, data.num_examples, context, folder, scores=options.scores)
    diagnostics, num_suppressed, num_kept = postprocess(found, options, kept)
    report = LintReport(
        path,
        diagnostics,
        tuple(skipped),
        data.num_examples,
        built=context.built,
        num_suppressed=num_suppressed,
        num_kept=num_kept,
        ran=tuple(rule.code for rule in rules),
        excerpts=make_excerpts(data.frame, shown_in_text(diagnostics, data.num_examples)) if options.excerpts else {},
        notes=(*data.notes, *kept.notes),
    )
    if not options.page:
        return report
    name = None if data.manifest is None else data.manifest.name
    return PageReport.of(report, page_facts(data.frame, diagnostics, count_declared(data.frame, context), name))


def _make_context(path: Path, data: LintData, options: LintOptions) -> Context:
    """Returns what rules may ask before it is known which of them run.

    Raises:
        UserError: the model's scores or the training ledger cannot be read.
    """
    return Context(
        expect=options.expect,
        thresholds=options.thresholds,
        profile=options.profile,
        model=options.model,
        defects=tuple(data.defects),
        splits=data.splits,
        manifest=data.manifest,
        config_dirs=config_dirs(path) if data.manifest else (),
        model_scores=None if options.model_scores is None else open_model_scores(options.model_scores),
        training_ledger=None if options.training_ledger is None else open_training_ledger(options.training_ledger),
    )


def _meet_needs(rules: Sequence[Rule], context: Context, frame: pl.LazyFrame, folder: Path) -> tuple[Context, Frames]:
    """Makes what the rules that run need beyond the rows, once for all of them.

    Raises:
        UserError: the model is not there, or the data cannot be read.
    """
    needed = {need for rule in rules for need in rule.needs}
    tokens = None
    if Need.TOKENS in needed:
        model = context.model
        assert model is not None
        context = replace(context, token_limit=token_limit(model))
        tokens = with_tokens(frame, model, context.chat_template, folder / "tokens.parquet")
    if Need.NEAR in needed:
        context = replace(context, near=_near(rules, context, frame, folder))
    return context, Frames(frame, tokens)


def _near(rules: Sequence[Rule], context: Context, frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    """Returns the pairs for all rules that need them: as near as the most lenient of them asks."""
    from prep.lint.detectors.near_pairs import near_pairs

    thresholds = [
        context.threshold(rule, _SIMILARITY)
        for rule in rules
        if Need.NEAR in rule.needs and any(threshold.name == _SIMILARITY for threshold in rule.thresholds)
    ]
    return near_pairs(frame, folder, threshold=min(thresholds))
