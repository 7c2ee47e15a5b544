"""What `report.json` says of what tuned systems forgot and of what they keep of their training rows word for word."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(_Model):
    """A value with its interval; the ends are null where so few units have none."""

    value: float
    low: float | None
    high: float | None


class TextChange(_Model):
    """How likely a model finds general text before and after: mean negative log-likelihood, in nats a token."""

    probe: str  # the file's name without its suffix
    num_documents: int
    num_tokens: int
    base: float | None
    tuned: float | None
    rise: float | None  # tuned - base, paired by document
    low: float | None  # the rise's interval, clustered by document
    high: float | None
    upper: float | None  # its one-sided upper bound, which the gate is on
    passed: bool  # upper < max_rise
    not_measurable: str | None = None  # why a number is null; such a gate is not passed


class AnswerChange(_Model):
    """How many questions of general knowledge a model answers rightly before and after."""

    probe: str
    kind: Literal["choices", "number"]
    num_questions: int
    num_cut: int  # questions longer than the model's context, whose beginning was left out
    chance: float  # the accuracy of guessing
    base: Estimate
    tuned: Estimate
    num_gained: int  # questions that the tuned system alone answers rightly
    num_lost: int  # the contrary
    difference: float  # of the accuracies, tuned - base
    low: float
    high: float
    p: float  # McNemar's exact test
    retention: Estimate | None  # (tuned - chance) / (base - chance)
    not_measurable: str | None = None  # why there is no retention


class SystemForgetting(_Model):
    """One tuned system against its base."""

    system: str
    seed: int | None  # which of a run's several seeds was asked
    texts: list[TextChange]
    answers: list[AnswerChange]
    passed: bool | None  # all texts pass; null where there is no general text, so that there is no gate


class ForgettingReport(_Model):
    """What general ability training cost. Each probe set stands by itself: nothing is averaged over them."""

    probes: str
    probes_sha256: str
    max_rise: float
    confidence: float
    systems: list[SystemForgetting]


class CanaryExposure(_Model):
    """One planted secret among its controls."""

    canary: str  # its row id
    num_likelier: int | None  # controls that the model finds at least as likely; null where its scores are not numbers
    exposure: float | None  # bits
    low: float | None
    high: float | None


class SystemCanaries(_Model):
    """What one system knows of the canaries."""

    system: str
    seed: int | None
    exposure: Estimate | None  # the mean over canaries; null where no canary has one
    num_at_ceiling: int  # canaries that are likelier than each of their controls
    rise: Estimate | None  # of the mean exposure over the base's, paired by canary; null of the base
    canaries: list[CanaryExposure]


class CanariesReport(_Model):
    """Exposure of the canaries that the dataset planted."""

    num_canaries: int
    num_controls: int
    bits: float  # log2 of how many secrets there are: the most that an exposure can be
    ceiling: float  # log2(controls + 1): the most that so many controls can show
    expected: float  # of a secret that a model does not know
    estimator: str
    confidence: float
    systems: list[SystemCanaries]


class SystemMemorised(_Model):
    """How many training rows one system goes on with word for word."""

    system: str
    seed: int | None
    num_verbatim: int
    share: Estimate
    difference: float | None  # of the shares, tuned - base; null of the base
    low: float | None
    high: float | None
    p: float | None


class MemorisedReport(_Model):
    """Training rows that are continued word for word from the first half of what was trained of them."""

    num_rows: int  # that were drawn
    num_measured: int
    num_too_short: int  # their second half is shorter than the continuation
    num_not_encoded: int  # the chat template does not take them
    num_too_long: int  # they do not fit the model's context
    num_tokens: int  # of a continuation
    confidence: float
    systems: list[SystemMemorised]
