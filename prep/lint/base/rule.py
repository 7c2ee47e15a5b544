"""What a rule is, and what it is given and gives back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from enum import StrEnum
from typing import ClassVar

import polars as pl

from loopwright.errors import UserError
from loopwright.registry import Registry
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.subject import Draft, Subject


class Need(StrEnum):
    """What a rule asks for beyond columns. It is made once for all rules that ask; where it cannot be had, they are skipped."""

    TOKENS = "tokens"  # the columns of `TOKEN_SCHEMA`; a model must be named
    NEAR = "near"  # `context.near`
    MODEL_SCORES = "model_scores"  # `context.model_scores`
    TRAINING_LEDGER = "training_ledger"  # `context.training_ledger`


class Rule(ABC):
    """One lint rule. Its class docstring is its documentation, under four headings: What it does, Why is this bad, Example, Fix safety.

    The engine makes an instance of each selected rule for one run, without arguments; drafts are asked of an instance made likewise.

    `check` is a lazy query, so that all rules run in one pass over the data. A rule that needs an exact look in Python selects its
    candidates there and takes that look in `refine`, at the few rows that are left.
    """

    name: ClassVar[str]
    """The rule's name: its class's."""
    code: ClassVar[str]
    severity: ClassVar[Severity]
    remedy: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    """What it reads of the lint frame, beside `Finding.where` and `position`; it is given no more."""
    needs: ClassVar[tuple[Need, ...]] = ()
    thresholds: ClassVar[tuple[Threshold, ...]] = ()
    fixes_files: ClassVar[bool] = False
    """Whether its drafts are safe, and made of nothing but a record's own texts: then `--fix-to` makes them in files of any origin."""
    superseded_by: ClassVar[tuple[str, ...]] = ()
    """Codes whose finding on the same example says it all: an empty answer is not also unfinished."""
    quotes_input: ClassVar[bool] = False
    """A finding of it is told by the row's text: beside "labelled 'negative', ..." the label says nothing more."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__

    def unavailable(self, context: Context) -> str | None:  # noqa: ARG002
        """Returns why the rule cannot look at this data, or None where it can."""
        return None

    def left_out(self, context: Context) -> str | None:  # noqa: ARG002
        """Returns which part of its work the rule cannot do here and what that needs, or None where it does all of it."""
        return None

    @abstractmethod
    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        """Returns the findings, or the candidates for `refine`, among the examples (columns of `LINT_SCHEMA`)."""

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:  # noqa: ARG002
        """Turns the rows that `check` selected into findings; by default, each row with a `message` is one."""
        for row in found.iter_rows(named=True):
            yield Finding.at(
                row,
                row["message"],
                field=row.get("field"),
                kind=row.get("kind"),
                score=row.get("score"),
                severity=Severity(row["severity"]) if row.get("severity") else None,
                related=tuple(row.get("related") or ()),
            )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:  # noqa: ARG002
        """Returns the fix to propose for a finding, or None."""
        return None


class RankedRule(Rule):
    """A rule that puts rows in an order, the likeliest defect first, and reports those above a threshold.

    Its `check` is given the column `score` beside its own.
    """

    @abstractmethod
    def rank(self, examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
        """Returns `id` and `score` in [0, 1] for every example that the rule looked at, each once."""


class DefectRule(Rule):
    """A rule that reports the reader's defects of its own code."""

    @staticmethod
    def nothing(examples: pl.LazyFrame) -> pl.LazyFrame:
        """Returns no candidate: there is nothing to look for in rows that could be read."""
        return examples.select(Finding.where).limit(0)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:  # noqa: ARG002
        """Reports the defects that carry this rule's code."""
        for defect in context.defects:
            if defect.code == self.code:
                yield Finding(
                    defect.message,
                    id=defect.id,
                    source=defect.source,
                    line=defect.line,
                    field=defect.field,
                    severity=Severity(defect.severity) if defect.severity else None,
                )


RULES: Registry[Rule] = Registry("prep.lint.rules", Rule, key="code", kind="rule", plugins=("rules",))

_MAX_NEAREST = 3
_SHORTEST = 4  # part of a name that tells it
_FAMILY = 3  # letters of a code that rules of one subject share


def nearest_rules(text: str) -> str:
    """Returns a remedy for what is no rule's code: the rules whose codes or names are nearest to it."""
    entries = RULES.entries
    names = {rule.__name__.casefold(): code for code, rule in entries.items()}
    folded = text.casefold()
    by_name = [*(name for name in names if len(folded) >= _SHORTEST and folded in name), *get_close_matches(folded, names)]
    family = [code for code in entries if code[:_FAMILY] == text[:_FAMILY].upper()]
    family.sort(key=lambda code: (-SequenceMatcher(None, text.upper(), code).ratio(), code))
    codes = dict.fromkeys((*(names[name] for name in by_name), *(family or get_close_matches(text.upper(), list(entries)))))
    shown = [f"'{code}' ({entries[code].__name__})" for code in list(codes)[:_MAX_NEAREST]]
    if not shown:
        return f"`prep rule` lists all {len(entries)} rules."
    return f"Did you mean {' or '.join((', '.join(shown[:-1]), shown[-1])) if len(shown) > 1 else shown[0]}?"


def find_rule(text: str) -> type[Rule]:
    """Returns the rule of a code or a name, in any case.

    Raises:
        UserError: there is none.
    """
    for code, rule in RULES.entries.items():
        if text.casefold() in {code.casefold(), rule.__name__.casefold()}:
            return rule
    raise UserError(f"unknown rule '{text}'", remedy=nearest_rules(text))
