"""What rules may know beyond the rows: the options, the manifest, what reading found, and facts of texts, each computed once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import polars as pl

from prep.config import ExpectConfig, SuppressConfig
from prep.facts import FactIndex
from prep.lint.model_scores import open_model_scores
from prep.lint.parquet_input import open_training_ledger
from prep.lint.template_files import config_dirs

if TYPE_CHECKING:
    from prep.dataset import Manifest
    from prep.lint.examples import LintData
    from prep.lint.lines import Defect
    from prep.lint.rule import Rule

_MAX_INDEXES = 50_000

Made = TypeVar("Made")


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
        suppress: findings that a person has looked at and lets stand, each with the reason.
        baseline: an earlier report as JSON; what it holds is not reported again.
        model_scores: the parquet that `evals score` wrote.
        training_ledger: a training run's folder, or its ledger.parquet.
        scores: where the scores of ranked rules are written, as parquet.
        excerpts: fetch the text that findings point at.
        page: count what the page shows of the data.
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


@dataclass
class Context:
    """One lint run.

    Attributes:
        options: what to look for.
        defects: what was found wrong while reading.
        splits: the splits that have rows.
        manifest: of a built dataset; None for foreign files.
        config_dirs: the folders that paths of a built dataset's config may be relative to.
        token_limit: the longest row that the model takes, in tokens, where a model is named.
        near: proven pairs of near-duplicate bodies, where a rule needs them: positions `a` < `b`, and `similarity`, their exact Jaccard.
        model_scores: what a model said of each row, where `evals score` was asked.
        training_ledger: what a training run saw of each row, where one is given.
    """

    options: LintOptions
    defects: list["Defect"]
    splits: frozenset[str]
    manifest: "Manifest | None" = None
    config_dirs: tuple[Path, ...] = ()
    token_limit: int | None = None
    near: pl.LazyFrame | None = None
    model_scores: pl.LazyFrame | None = None
    training_ledger: pl.LazyFrame | None = None
    _indexes: dict[str, FactIndex] = field(default_factory=dict)
    _made: dict[object, object] = field(default_factory=dict)

    @classmethod
    def of(cls, options: LintOptions, data: "LintData", path: Path) -> "Context":
        """Returns the context of a run over the data of a path.

        Raises:
            UserError: the model's scores or the training ledger cannot be read.
        """
        context = cls(options, data.defects, data.splits, data.manifest, config_dirs(path) if data.manifest else ())
        if options.model_scores is not None:
            context.model_scores = open_model_scores(options.model_scores)
        if options.training_ledger is not None:
            context.training_ledger = open_training_ledger(options.training_ledger)
        return context

    @property
    def built(self) -> bool:
        """Whether the data is a dataset that `prep build` wrote."""
        return self.manifest is not None

    @cached_property
    def keep(self) -> dict[str, tuple[str, ...]]:
        """Template -> the kinds of fact that its answers must keep, where it says so."""
        return {} if self.manifest is None else {template.name: tuple(template.keep) for template in self.manifest.templates}

    def threshold(self, rule: "Rule", name: str) -> float:
        """Returns a rule's threshold: the config's, else its default."""
        default = next(threshold.default for threshold in rule.thresholds if threshold.name == name)
        return self.options.thresholds.get(f"{rule.code}.{name}", default)

    def once(self, make: Callable[[pl.LazyFrame, "Context"], Made], examples: pl.LazyFrame) -> Made:
        """Returns what a function makes of the examples; it is made once a run, for every rule that asks."""
        if make not in self._made:
            self._made[make] = make(examples, self)
        return cast(Made, self._made[make])

    def facts(self, text: str) -> FactIndex:
        """Returns the facts of a text; rules that ask for the same text share the answer."""
        index = self._indexes.get(text)
        if index is None:
            if len(self._indexes) >= _MAX_INDEXES:
                self._indexes.clear()
            index = self._indexes[text] = FactIndex(text)
        return index
