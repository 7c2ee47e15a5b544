"""The options of a lint run: the command line's, and the dataset's config beside them."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from loopwright.config import validate
from loopwright.errors import UserError, did_you_mean
from prep.config import ExpectConfig, LintConfig, SuppressConfig
from prep.dataset.manifest import Manifest
from prep.lint.base.rule import RULES, nearest_rules
from prep.lint.frame.answer_columns import NamedColumns


@dataclass(frozen=True, slots=True)
class LintOptions:
    """What to look for.

    Attributes:
        select: rule codes or their beginnings; empty means all.
        ignore: rule codes or their beginnings that are not reported.
        model: the model whose tokenizer and limits the token rules use.
        thresholds: `CODE.name` -> value, over a rule's default.
        expect: what is declared of the data.
        profile: the kind of data, for rules of one field only, such as `medical`.
        severities: rule code or its beginning -> the severity of its findings.
        per_source_ignores: pattern of a source's name -> codes or their beginnings that are not reported for its rows.
        suppress: findings that a person has reviewed and accepted, each with the reason.
        baseline: an earlier report as JSON; what it holds is not reported again.
        model_scores: the parquet that `evals score` wrote.
        training_ledger: a training run's folder, or its ledger.parquet.
        scores: where the scores of ranked rules are written, as parquet.
        excerpts: fetch the text that findings point at.
        page: count what the page shows of the data.
        columns: the columns of a training file that are its input and its answer; what is not named is guessed.
        encoding: of training files that have no byte-order mark.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    model: str | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    expect: ExpectConfig = field(default_factory=ExpectConfig)
    profile: str | None = None
    severities: dict[str, str] = field(default_factory=dict)
    per_source_ignores: dict[str, tuple[str, ...]] = field(default_factory=dict)
    suppress: tuple[SuppressConfig, ...] = ()
    baseline: Path | None = None
    model_scores: Path | None = None
    training_ledger: Path | None = None
    scores: Path | None = None
    excerpts: bool = False
    page: bool = False
    columns: NamedColumns = field(default_factory=NamedColumns)
    encoding: str = "utf-8"


def rule_codes(given: str | Sequence[str]) -> tuple[str, ...]:
    """Returns rule codes, or their beginnings, as the options hold them: of one text with commas, or of several."""
    codes = given.split(",") if isinstance(given, str) else given
    return tuple(code.strip().upper() for code in codes if code.strip())


def with_config(options: LintOptions, manifest: Manifest | None) -> LintOptions:
    """Adds what a built dataset's config says: a selection or a model of the command line counts more, ignored codes add up.

    Raises:
        UserError: the config names a rule or a threshold that does not exist.
    """
    if manifest is None:
        return options
    config = validate(manifest.config.get("lint") or {}, LintConfig, "manifest.json: config.lint")
    merged = dataclasses.replace(
        options,
        select=options.select or config.select,
        ignore=(*options.ignore, *config.ignore),
        model=options.model or model_of(manifest),
        thresholds={**config.thresholds, **options.thresholds},
        expect=config.expect,
        profile=config.profile,
        severities={**config.severities, **options.severities},
        per_source_ignores=config.per_source_ignores,
        suppress=config.suppress,
    )
    check_options(merged)
    return merged


def model_of(manifest: Manifest | None) -> str | None:
    """Returns the model that a built dataset's config names."""
    model = manifest.config.get("model") if manifest else None
    return model if isinstance(model, str) else None


def check_options(options: LintOptions) -> None:
    """Refuses what matches no rule: such an entry would do nothing, and nobody would see it.

    Raises:
        UserError: a code, the beginning of one, or a threshold is unknown, or a threshold is no number that can be.
    """
    by_source = [code for codes in options.per_source_ignores.values() for code in codes]
    check_codes((*options.select, *options.ignore, *options.severities, *by_source, *(entry.code for entry in options.suppress)))
    known = [f"{rule.code}.{threshold.name}" for rule in RULES.entries.values() for threshold in rule.thresholds]
    for name, value in options.thresholds.items():
        if name not in known:
            raise UserError(f"unknown threshold '{name}'", "lint.thresholds", did_you_mean(name, known))
        if not isfinite(value):
            raise UserError(f"the threshold '{name}' is {value}", "lint.thresholds", "Give a number.")
        if name.endswith(".similarity") and not 0 < value <= 1:
            raise UserError(f"the threshold '{name}' is {value:g}", "lint.thresholds", "A similarity is above 0 and at most 1.")


def check_codes(codes: Iterable[str]) -> None:
    """Refuses a rule code, or the beginning of one, that matches no rule.

    Raises:
        UserError: there is no such rule.
    """
    for code in codes:
        if not code or not any(known.startswith(code) for known in RULES.entries):
            raise UserError(f"no rule's code begins with '{code}'", remedy=nearest_rules(code))
