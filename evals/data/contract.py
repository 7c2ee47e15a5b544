"""`report.json`: what an evaluation found, in types."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from evals.data.memory import CanariesReport, ForgettingReport, MemorisedReport
from evals.data.role import Role

Outcome = Literal["better", "better than base", "worse", "no difference that matters", "cannot tell"]
Test = Literal["mcnemar_exact", "cluster_sign_flip", "bootstrap", "t_over_seeds"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricValue(_Model):
    """A metric with its interval; all null where no example has a score, the interval where too few rows are independent of each other."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The value with its interval, as people read it."""
        return "–" if self.value is None else f"{self.value:.3f} {self.interval}".rstrip()

    @property
    def interval(self) -> str:
        """The interval; that there is none where there is a value."""
        if self.value is None:
            return ""
        return "(no interval)" if self.low is None or self.high is None else f"[{self.low:.3f}, {self.high:.3f}]"


class SystemReport(_Model):
    """One system on the split."""

    role: Role
    n_total: int
    n_scored: int
    metrics: dict[str, MetricValue]
    states: dict[str, int]  # how many examples ended in which state
    seconds: float
    examples_per_second: float
    cost: float | None = None  # of its answers, by the config's prices for servers; null where none are given


class PairReport(_Model):
    """Two systems on the examples that both have a score for: `difference` is a - b."""

    a: str
    b: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None  # adjusted for the number of metrics of this pair
    test: Test
    n: int
    standard_error: float | None
    smallest_effect: float | None  # the smallest true difference that these examples would have shown in 80 of 100 cases
    seed_error: float | None = None  # the part of the standard error that is luck of the seeds; null where each side has one
    equivalent: bool | None = None  # shown to be smaller than the config's minimum_effect; null where it names none

    @property
    def text(self) -> str:
        """The difference with its interval, as people read it."""
        if self.difference is None:
            return "no common examples"
        return f"{self.difference:+.3f} {self.interval}"

    @property
    def interval(self) -> str:
        """The interval; that there is none where there is a difference."""
        return "(no interval)" if self.low is None or self.high is None else f"[{self.low:+.3f}, {self.high:+.3f}]"


class VerdictDetail(_Model):
    """What the verdict line is made of; null where there was nothing to compare."""

    outcome: Outcome
    a: str | None = None
    b: str | None = None
    metric: str | None = None
    difference: float | None = None
    p: float | None = None
    rows_needed: int | None = None  # in all, to show a difference of this size, or the config's minimum_effect
    seeds_needed: int | None = None  # likewise; null where the run has one seed or has enough
    not_shown: list[str] = []  # baselines, and the round before, that it is not shown to beat


class BaselineComparison(_Model):
    """The system of the headline against something plain, or against the round before: `difference` is its value minus the other's."""

    system: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    outcome: Outcome


class SeedsReport(_Model):
    """How much the deciding metric of the tuned system depends on the seed: its standard deviation over seeds with its interval."""

    n: int
    sd: float
    low: float
    high: float


class Headline(_Model):
    """What the first sentence of a report says: from what to what, what it mended and what it broke."""

    system: str  # whose answers it is about
    against: str | None  # where the system started: its base, or what it is compared with; null where it is alone
    metric: str
    before: float | None
    after: float | None
    fixed: int  # examples that `against` fails and `system` does not
    broken: int  # the contrary
    baselines: list[BaselineComparison] = []
    last_round: BaselineComparison | None = None
    sentence: str


class GateReport(_Model):
    """One gate of the config."""

    name: str  # such as `accuracy: min`
    passed: bool
    value: float | None
    limit: float


class SliceReport(_Model):
    """One metric of one system on a part of the examples."""

    slice: str  # what the examples are divided by: template, label, length, source, a slice of the config, or "found"
    value: str
    system: str
    metric: str
    n: int
    score: MetricValue
    difference: float | None = None  # to the other examples
    p: float | None = None
    p_adjusted: float | None = None  # over all slices of the system (Benjamini and Hochberg 1995); of those found, over them (Holm 1979)


class Confusion(_Model):
    """Counts of right (rows) against predicted (columns) words of one system and template."""

    system: str
    template: str
    labels: list[str]
    counts: list[list[int]]


class Report(_Model):
    """A whole evaluation."""

    verdict: str
    systems: dict[str, SystemReport]
    pairs: list[PairReport]
    verdict_detail: VerdictDetail
    dataset: str
    dataset_name: str
    dataset_key: str
    split: str
    split_key: str  # hash of the example ids: two evaluations of one key saw the same examples
    num_examples: int
    num_clusters: int  # independent units: groups, else raw rows
    model: str | None
    model_sha256: str | None
    adapter: str | None
    form: str
    dtype: str | None
    seconds: float
    settings: dict[str, Any]
    test_looks: int | None  # how often this test set has been looked at, this time included; null on other splits
    warnings: list[str]
    notes: list[str]
    slices: list[SliceReport]
    confusions: list[Confusion]
    loopwright_version: str
    headline: Headline | None = None  # null in a report of before it was written
    gates: list[GateReport] = []
    seeds: SeedsReport | None = None  # null where the tuned system has one seed
    tool_states: dict[str, dict[str, int]] = {}  # system -> what became of calls that were expected or made -> examples
    json_states: dict[str, dict[str, int]] = {}  # system -> how answers that are to be JSON ended -> examples
    forgetting: ForgettingReport | None = None  # null where no probe sets were given
    canaries: CanariesReport | None = None  # null where the dataset has none, or no run was trained on any
    memorised: MemorisedReport | None = None  # null where it was not asked for
