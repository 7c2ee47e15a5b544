"""What a rule is, and what it is given and gives back."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from loopwright.registry import Registry

if TYPE_CHECKING:
    from prep.lint.context import Context


class Severity(StrEnum):
    """How sure it is that a finding is a defect that spoils training or evaluation."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return {"error": 2, "warning": 1, "info": 0}[self.value]


class Need(StrEnum):
    """What a rule asks for beyond columns. It is made once for all rules that ask; where it cannot be had, they are skipped."""

    TOKENS = "tokens"  # the columns of `TOKEN_SCHEMA`; a model must be named
    NEAR = "near"  # `context.near`
    MODEL_SCORES = "model_scores"  # `context.model_scores`
    TRAINING_LEDGER = "training_ledger"  # `context.training_ledger`


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


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule reports; the engine adds the rule's code, name, severity and remedy.

    Attributes:
        message: what is wrong, from a small letter on and without a final stop. What it quotes is cut by `texts.shorten`, never by hand:
            an identifier that was cut in two is masked no more.
        id: the example, or None where it is none's in particular.
        row_id: the raw row behind the example.
        source: its file.
        line: its 1-based line.
        field: where in the example: `input`, `answer`, `messages[1].content`, ...
        span: `[start, end)` in that field's text, in characters.
        kind: what kind of thing was found, where the rule has kinds.
        score: how sure a ranked rule is, in [0, 1].
        severity: where it differs from the rule's.
        related: ids of the other examples concerned.
        remedy: where it differs from the rule's.
    """

    where: ClassVar = ("id", "row_id", "source", "line")

    message: str
    id: str | None = None
    row_id: str | None = None
    source: str | None = None
    line: int | None = None
    field: str | None = None
    span: tuple[int, int] | None = None
    kind: str | None = None
    score: float | None = None
    severity: Severity | None = None
    related: tuple[str, ...] = ()
    remedy: str | None = None

    @classmethod
    def at(cls, row: Mapping[str, Any], message: str, **more: Any) -> "Finding":
        """Returns a finding about a row of the lint frame."""
        return cls(message, **{name: row[name] for name in cls.where}, **more)


@dataclass(frozen=True, slots=True)
class Draft:
    """A fix that a rule proposes for one raw row; it takes effect only when accepted into the fix ledger.

    Attributes:
        op: drop the row, or edit fields of it.
        fields: new values by mapped field; None as a value is for a person to fill in.
        reason: why, in a clause.
        safe: it may be accepted without a look.
        row_id: the raw row to change, where it is not the finding's own.
        id: likewise its example.
    """

    op: str
    reason: str
    fields: dict[str, Any] | None = None
    safe: bool = False
    row_id: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The example that a draft is about.

    Attributes:
        row: its row of the lint frame.
        fields: the mapped fields of its raw row.
        answer_field: the mapped field that holds the answer, where one does.
        related: the lint-frame rows of the finding's related examples.
    """

    row: Mapping[str, Any]
    fields: Mapping[str, Any]
    answer_field: str | None
    related: Sequence[Mapping[str, Any]] = ()


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
    superseded_by: ClassVar[tuple[str, ...]] = ()
    """Codes whose finding on the same example says it all: an empty answer is not also unfinished."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__

    def unavailable(self, context: "Context") -> str | None:  # noqa: ARG002
        """Returns why the rule cannot look at this data, or None where it can."""
        return None

    def left_out(self, context: "Context") -> str | None:  # noqa: ARG002
        """Returns which part of its work the rule cannot do here and what that needs, or None where it does all of it."""
        return None

    @abstractmethod
    def check(self, examples: pl.LazyFrame, context: "Context") -> pl.LazyFrame:
        """Returns the findings, or the candidates for `refine`, among the examples (columns of `LINT_SCHEMA`)."""

    def refine(self, found: pl.DataFrame, context: "Context") -> Iterable[Finding]:  # noqa: ARG002
        """Turns what `check` selected into findings; as it stands, a row with a `message` is one."""
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
    def rank(self, examples: pl.LazyFrame, context: "Context") -> pl.DataFrame:
        """Returns `id` and `score` in [0, 1] for every example that the rule looked at, each once."""


RULES: Registry[Rule] = Registry("prep.lint.rules", Rule, key="code", kind="rule")
