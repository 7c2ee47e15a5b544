"""`judge.json`: what a judge said of an evaluation's answers, and how far it can be believed, in types."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from evals.data.contract import MetricValue


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(StrEnum):
    """What is judged: which of two answers is better, or whether one is good enough."""

    PAIRWISE = "pairwise"
    PASS = "pass"  # noqa: S105 (no password)

    @property
    def outcomes(self) -> tuple[str, str]:
        """The two verdicts that can be asked for; the first counts 1, the second 0."""
        return ("a", "b") if self is Kind.PAIRWISE else ("pass", "fail")

    @property
    def undecided(self) -> str:
        """The verdict of a judge that says one thing in one order and the other in the other; it counts a half."""
        return "tie" if self is Kind.PAIRWISE else "undecided"

    @property
    def categories(self) -> tuple[str, str, str]:
        """All verdicts that agreement is counted over."""
        return (*self.outcomes, self.undecided)


class ItemState(StrEnum):
    """How an example ended."""

    CONSISTENT = "consistent"  # the same verdict in both orders
    INCONSISTENT = "inconsistent"  # another verdict in the other order: counts as a tie
    IDENTICAL = "identical"  # both systems wrote the same: a tie, and nobody is asked
    UNPARSABLE = "unparsable"  # in one order or both, the judge's answer is no verdict: not a tie, and never counted
    UNANSWERED = "unanswered"  # the server did not answer
    NO_ANSWER = "no_answer"  # a system has no answer to judge

    @property
    def is_judged(self) -> bool:
        """A judge was asked, and what it said can be read."""
        return self in {ItemState.CONSISTENT, ItemState.INCONSISTENT}


class Method(StrEnum):
    """How a server is kept to two letters, in the order in which that is tried."""

    LOGPROBS = "logprobs"
    STRUCTURED_OUTPUTS = "structured_outputs"
    GUIDED_CHOICE = "guided_choice"
    GRAMMAR = "grammar"
    JSON_SCHEMA = "json_schema"
    TEXT = "text"  # by nothing: the answer is read as it comes


class Probe(_Model):
    """What a pair whose verdict is plain told of the server, before it was asked anything else."""

    method: Method
    refused: dict[str, str]  # the methods tried before, and why they are not used
    num_right: int  # of the two orders of the plain pair, those in which the judge said what is plain


class Agreement(_Model):
    """How far two verdicts on the same examples agree; null where it cannot be told."""

    kappa: MetricValue  # Cohen's: agreement beyond what the two would have by chance, given how often each says what
    observed: MetricValue  # the share of equal verdicts
    base_rate: float | None  # the share of the reference's most frequent verdict: what saying it always would reach
    num_comparisons: int
    num_clusters: int  # independent units: groups, else raw rows
    categories: list[str]
    counts: list[list[int]]  # the reference's verdicts in rows, the judge's in columns; of two people each pair both ways


class LabelCounts(_Model):
    """What became of the rows of the labels' file."""

    read: int
    used: int
    examples: int  # different examples that the used ones are about
    people: int | None  # null where no column says who labelled
    blank: int  # without a verdict
    unreadable: int  # with one that is none
    unknown_id: int
    other_answers: int  # of systems or answers that are not compared here
    identical: int  # of examples that both systems answer alike
    duplicate: int  # the same verdict of the same person again
    contradictory: int  # of a person who says both of one example


class Rate(_Model):
    """How often the first system wins, ties counting a half; or the share of answers that pass."""

    judge: MetricValue  # as the judge says
    corrected: MetricValue  # for what the judge gets wrong, by the labels
    people: MetricValue  # by the labels alone
    power: float  # the weight of the judge's word in the corrected rate, 0 to 1: 0 where it tells nothing of the people's
    counts: dict[str, int]  # verdict -> examples


class Bias(_Model):
    """What should not decide, and by how much it does; one half is none."""

    first_position: MetricValue  # the share of verdicts for what stands first
    longer_answer: MetricValue | None  # how often the longer answer wins; null where single answers are judged
    longer_answer_people: MetricValue | None  # likewise by the labels


class Effort(_Model):
    """What it took to ask."""

    requests: int
    known: int  # answered before, and kept
    latency_median: float | None  # seconds
    latency_95th: float | None
    input_tokens: int
    output_tokens: int
    cost: float | None  # by the config's prices; null without any


class JudgeReport(_Model):
    """A judged evaluation."""

    verdict: str
    is_reliable: bool  # the lower bound of the kappa with people reaches `least_kappa`
    least_kappa: float
    kind: Kind
    systems: list[str]
    endpoint: str
    rubric: str  # its file; `pairwise.jinja` or `pass.jinja` for those of the package
    rubric_sha256: str
    probe: Probe
    num_examples: int
    states: dict[ItemState, int]
    rate: Rate
    agreement_with_people: Agreement
    agreement_between_orders: Agreement
    agreement_when_repeated: Agreement | None  # null where nothing was asked again
    agreement_between_people: Agreement | None  # null where no example has verdicts of two people
    bias: Bias
    labels: LabelCounts
    effort: Effort
    confidence: float
    dataset: str
    dataset_key: str
    split: str
    split_key: str
    predictions_sha256: str  # of the file that was judged
    judgements_sha256: str  # of judgements.jsonl beside it
    warnings: list[str]
    notes: list[str]
    seconds: float
    loopwright_version: str
