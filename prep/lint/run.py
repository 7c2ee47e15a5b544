"""The one door of lint: a path in, a report out."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from loopwright.config import validate
from loopwright.errors import UserError, did_you_mean
from prep.config import LintConfig
from prep.dataset import Manifest
from prep.lint.context import Context, LintOptions
from prep.lint.examples import LintData, load_dataset, load_files
from prep.lint.report import Diagnostic, LintReport, Skipped
from prep.lint.rule import RULES, Finding, Need, Rule
from prep.lint.tokens import token_limit, with_tokens

__all__ = ["Diagnostic", "LintOptions", "LintReport", "Skipped", "lint"]


def lint(path: Path, *, test: Path | None = None, options: LintOptions | None = None) -> LintReport:
    """Lints a built dataset, or a training file that was made elsewhere.

    Args:
        path: a folder that `prep build` wrote, or a JSON Lines file (or JSON array) in any of the usual training formats.
        test: a foreign evaluation file, to look for leaks from `path` into it.
        options: what to look for; a built dataset's own config is read beside them.

    Raises:
        UserError: the data cannot be read at all, an option names what does not exist, or the model is not there.
    """
    options = options or LintOptions()
    check_codes((*options.select, *options.ignore))
    _check_thresholds(options)
    if path.is_dir() and test is not None:
        raise UserError("a built dataset has its own test split", str(test), "Leave --test out.")
    with TemporaryDirectory(prefix="loopwright-lint-") as name:
        folder = Path(name)
        files = [(path, "train"), *([(test, "test")] if test else [])]
        data = load_dataset(path, folder) if path.is_dir() else load_files(files, folder)
        return _run(path, data, _with_config(options, data.manifest), folder)


def _run(path: Path, data: LintData, options: LintOptions, folder: Path) -> LintReport:
    context = Context(options, data.defects, data.splits, data.manifest)
    rules, skipped = _runnable(_selected(options), context, named_by_config=_model_of(data.manifest) == options.model)
    frames: dict[Need | None, pl.LazyFrame] = {None: data.frame}
    if any(Need.TOKENS in rule.needs for rule in rules):
        assert options.model is not None
        context.token_limit = token_limit(options.model)
        frames[Need.TOKENS] = with_tokens(data.frame, options.model, folder / "tokens.parquet")
    queries = [rule.check(_visible(frames[rule.needs[0] if rule.needs else None], rule), context) for rule in rules]
    found = {rule: list(rule.refine(rows, context)) for rule, rows in zip(rules, pl.collect_all(queries, engine="streaming"), strict=True)}
    return LintReport(path, _diagnostics(found), tuple(skipped), data.num_examples, built=context.built)


def _visible(frame: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """Returns the columns that a rule declares, and where each row stands: what it does not ask for is not read from disk for it."""
    return frame.select(list(dict.fromkeys((*Finding.where, "position", *rule.columns))))


def _diagnostics(found: Mapping[Rule, list[Finding]]) -> tuple[Diagnostic, ...]:
    """Orders the findings, and leaves out those that say nothing new."""
    ids = {rule.code: {finding.id for finding in findings if finding.id} for rule, findings in found.items()}
    first_id: dict[tuple[str, str, str], str | None] = {}
    diagnostics = []
    for rule, findings in found.items():
        said = set().union(*(ids.get(code, set()) for code in rule.yields_to))
        for finding in sorted(findings, key=_place):  # a streaming query yields its rows in no order that holds
            if finding.id in said:
                continue
            if finding.row_id is not None:
                # One raw row rendered by several templates is one place to mend: its first example speaks for the others.
                key = (rule.code, finding.row_id, finding.message)
                if first_id.setdefault(key, finding.id) != finding.id:
                    continue
            diagnostics.append(Diagnostic.of(rule, finding))
    return tuple(sorted(diagnostics, key=lambda one: (one.file or "", one.line or 0, one.code, one.span or (0, 0))))


def _place(finding: Finding) -> tuple[str, int, str, str, tuple[int, int], str]:
    return finding.source or "", finding.line or 0, finding.id or "", finding.field or "", finding.span or (0, 0), finding.message


def _selected(options: LintOptions) -> list[Rule]:
    return [
        rule
        for rule in RULES.entries.values()
        if (not options.select or rule.code.startswith(options.select)) and not rule.code.startswith(options.ignore or ("\0",))
    ]


def _runnable(rules: Iterable[Rule], context: Context, *, named_by_config: bool) -> tuple[list[Rule], list[Skipped]]:
    """Divides the rules into those that can look at this data and those that cannot, with the reason."""
    runnable, skipped = [], []
    model_reason = _model_reason(context.options.model, named_by_config=named_by_config)
    for rule in rules:
        reason = model_reason if Need.TOKENS in rule.needs else None
        reason = reason or rule.unavailable(context)
        if reason is None:
            runnable.append(rule)
        else:
            skipped.append(Skipped(rule.code, reason))
    return runnable, skipped


def _model_reason(model: str | None, *, named_by_config: bool) -> str | None:
    if model is None:
        return "needs a tokenizer: give --model, or 'model:' in the config"
    if not named_by_config:
        return None
    try:
        token_limit(model)
    except UserError as error:  # asked for on the command line it is an error; the config's model may be fetched later
        return str(error)
    return None


def _model_of(manifest: Manifest | None) -> str | None:
    model = manifest.config.get("model") if manifest else None
    return model if isinstance(model, str) else None


def _with_config(options: LintOptions, manifest: Manifest | None) -> LintOptions:
    """Adds what the dataset's config says: a selection or a model of the command line counts more, ignored codes add up."""
    if manifest is None:
        return options
    config = validate(manifest.config.get("lint") or {}, LintConfig, "manifest.json: config.lint")
    merged = dataclasses.replace(
        options,
        select=options.select or config.select,
        ignore=(*options.ignore, *config.ignore),
        model=options.model or _model_of(manifest),
        thresholds={**config.thresholds, **options.thresholds},
        expect=config.expect,
    )
    check_codes((*merged.select, *merged.ignore))
    _check_thresholds(merged)
    return merged


def check_codes(codes: Iterable[str]) -> None:
    """Refuses a rule code, or the beginning of one, that matches no rule.

    Raises:
        UserError: there is no such rule.
    """
    for code in codes:
        if not code or not any(known.startswith(code) for known in RULES.entries):
            raise UserError(f"no rule's code begins with '{code}'", remedy=did_you_mean(code, list(RULES.entries)))


def _check_thresholds(options: LintOptions) -> None:
    known = [f"{rule.code}.{threshold.name}" for rule in RULES.entries.values() for threshold in rule.thresholds]
    for name in options.thresholds:
        if name not in known:
            raise UserError(f"there is no threshold '{name}'", "lint.thresholds", did_you_mean(name, known))
