"""What a rule may ask of the run beyond the rows: what is declared of the data, its manifest, its thresholds, and what was made for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, cast

import polars as pl

from prep.config import ExpectConfig
from prep.dataset.manifest import Manifest
from prep.lint.base.defects import Defect
from templates.chat_options import ChatTemplateConfig

Given = ParamSpec("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A number that a rule decides by; `thresholds: {CODE.name: value}` in the config overrides it.

    Attributes:
        name: its name after the code.
        default: the value.
        source: where the value comes from.
    """

    name: str
    default: float
    source: str


class HasThresholds(Protocol):
    """A rule, as far as its thresholds go."""

    @property
    def code(self) -> str:
        """Its code."""

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The numbers that it decides by."""


@dataclass(frozen=True)
class Context:
    """What rules may ask. It loads nothing: the run makes it, and hands in what the rules that run have need of.

    Attributes:
        expect: what is declared of the data.
        thresholds: `CODE.name` -> value, over a rule's default.
        profile: the kind of data, for rules of one field only, such as `medical`.
        model: the model whose tokenizer and limits the token rules use.
        defects: what was found wrong while reading.
        splits: the splits that have rows.
        manifest: of a built dataset; None for foreign files.
        config_dirs: the folders that paths of a built dataset's config may be relative to.
        token_limit: the longest row that the model takes, in tokens, where a rule needs tokens.
        near: proven pairs of near-duplicate bodies, where a rule needs them: positions `a` < `b`, and `similarity`, their exact Jaccard.
        model_scores: what a model said of each row, where `evals score` was asked.
        training_ledger: what a training run saw of each row, where one is given.
    """

    expect: ExpectConfig = field(default_factory=ExpectConfig)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    profile: str | None = None
    model: str | None = None
    defects: tuple[Defect, ...] = ()
    splits: frozenset[str] = frozenset()
    manifest: Manifest | None = None
    config_dirs: tuple[Path, ...] = ()
    token_limit: int | None = None
    near: pl.LazyFrame | None = None
    model_scores: pl.LazyFrame | None = None
    training_ledger: pl.LazyFrame | None = None
    _made: dict[object, object] = field(default_factory=dict)

    @property
    def chat_template(self) -> ChatTemplateConfig:
        """How the dataset's config wants the model's chat template used."""
        return ChatTemplateConfig() if self.manifest is None else self.manifest.chat_template

    @property
    def built(self) -> bool:
        """Whether the data is a dataset that `prep build` wrote."""
        return self.manifest is not None

    @cached_property
    def keep(self) -> dict[str, tuple[str, ...]]:
        """Template -> the kinds of fact that its answers must keep, where it says so."""
        return {} if self.manifest is None else {template.name: tuple(template.keep) for template in self.manifest.templates}

    def threshold(self, rule: HasThresholds, name: str) -> float:
        """Returns a rule's threshold: the config's, else its default."""
        return self.value(rule.code, next(threshold for threshold in rule.thresholds if threshold.name == name))

    def value(self, code: str, threshold: Threshold) -> float:
        """Returns the value of a threshold of the rule with this code: the config's, else its default."""
        return self.thresholds.get(f"{code}.{threshold.name}", threshold.default)

    def once(self, make: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
        """Returns what a function makes; it is made once a run, from what the first caller gives, for every rule that asks."""
        if make not in self._made:
            self._made[make] = make(*given, **named)
        return cast(Made, self._made[make])
