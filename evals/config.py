"""The options of an evaluation: the `evals:` section of a config file, over which the command line's options go."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from prep.dataset.splits import SplitName
from templates.form import Form
from train.models.load import Dtype

SCORED_FORMS = (Form.CHAT, Form.VERBALIZER)

ReportKind = Literal["html", "md", "junit"]
"""What `evals run` writes for people and for continuous integration beside report.json."""

DEFAULT_SYSTEMS = ("base", "adapter", "constant", "linear")


def _require_scored(value: Any) -> Any:
    if value is not None and value not in SCORED_FORMS:
        raise ValueError(f"write {' or '.join(repr(str(form)) for form in SCORED_FORMS)}")
    return value


_FAIL_BELOW_BEFORE = {"accuracy": 1.0, "exact_match": 0.0, "fact_recall": 1.0, "rougeL": 0.3}


class EndpointOptions(BaseModel):
    """How a server is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(8, ge=1, le=256)
    """Requests at a time."""
    retries: int = Field(5, ge=0)
    """How often a request is made again that the server puts off (429), fails at (5xx) or does not answer in time."""
    first_wait: float = Field(1.0, ge=0)
    """Seconds before the first of them; twice as long before each further one, unless the server says how long."""
    timeout: float = Field(60.0, gt=0)
    """Seconds for one answer."""
    requests_per_minute: float | None = Field(None, gt=0)
    """The most requests in a minute; default: as many as `concurrency` lets."""
    input_price: float | None = Field(None, ge=0)
    """Price of a million tokens read, in any currency."""
    output_price: float | None = Field(None, ge=0)
    """Price of a million tokens written."""
    budget: float | None = Field(None, gt=0)
    """No request is made once the answers of this evaluation cost so much; its prices have to be given."""
    reuse: bool = True
    """Take answers to the very same requests from before, of any evaluation; false asks all anew."""


class NotWorseThan(StrEnum):
    """What a gate can hold a system against."""

    BASE = "base"
    LAST_ROUND = "last_round"


class GateLimits(BaseModel):
    """What a metric has to reach."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float | None = None
    """The value is not less."""
    max: float | None = None
    """The value is not more."""
    not_worse_than: NotWorseThan | None = None
    """It is not shown to be worse than this."""

    @model_validator(mode="after")
    def _limits_something(self) -> "GateLimits":
        if self.min is None and self.max is None and self.not_worse_than is None:
            raise ValueError("name a limit: min, max or not_worse_than")
        return self


class ForgettingOptions(BaseModel):
    """How general ability is measured on the sets of `probes:`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_rise: float = Field(0.05, gt=0)
    """The gate: the upper bound of the rise of general text's negative log-likelihood, in nats a token, is to lie under it."""
    questions: int | None = Field(None, ge=1)
    """Questions with choices asked of each set, drawn by a stable hash; default: all."""
    written: int = Field(32, ge=0)
    """Questions asked of each set whose answer is a number, drawn by a stable hash. They are answered in writing, which takes time."""
    max_new_tokens: int = Field(256, ge=1)
    """Longest of these answers, in tokens."""


class EvalsConfig(BaseModel):
    """What `evals run` evaluates, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    """The base model: a known name, a folder or a hub name; default: the one that the adapter was trained on."""
    adapter: str | None = None
    """A run folder of `train run`."""
    split: SplitName = "validation"
    """The split to evaluate. A look at test is counted in `looks.json` beside the output folder."""
    systems: tuple[str, ...] = Field(DEFAULT_SYSTEMS, min_length=1)
    """What is compared: `base`, `base:MODEL`, `adapter` (the one of `adapter:`), `adapter:RUN`, `fewshot:K`, `rag:K`, `endpoint:URL#MODEL`,
    `nearest`, `constant` or `linear`; see [systems](systems.md)."""
    corpus: str | None = Field(None, exclude_if=lambda value: value is None)
    """What `rag:K` takes its passages from: a file or folder of JSONL, CSV or Parquet with a column `text`, or of plain text with empty
    lines between the passages."""
    probes: str | None = Field(None, exclude_if=lambda value: value is None)
    """A folder of [probe sets](../evaluation.md#what-a-fine-tune-forgets-and-remembers), or one such file: what each tuned system and its
    base are both asked, to measure what training made the model forget."""
    forgetting: ForgettingOptions = Field(ForgettingOptions(), exclude_if=lambda value: value == ForgettingOptions())
    """How forgetting is measured on them."""
    memorised: int = Field(0, ge=0, exclude_if=lambda value: value == 0)
    """Train rows whose second half is asked for, to measure what a tuned system keeps word for word; 50 is a good number, and 0 asks
    for none."""
    endpoint: EndpointOptions = Field(EndpointOptions(), exclude_if=lambda value: value == EndpointOptions())
    """How the servers of `endpoint:URL#MODEL` are asked."""
    form: Annotated[Form | None, BeforeValidator(_require_scored)] = None
    """`chat` or `verbalizer`; default: the adapter's form, else verbalizer where the dataset has it."""
    metrics: tuple[str, ...] = ()
    """Metric ids for all templates, the first deciding the verdict; default: those that each template names."""
    dtype: Dtype = "auto"
    """Precision of weights and computation; scores change a little with the batch in bfloat16."""
    limit: int | None = Field(None, ge=1)
    """Evaluate this many examples only, drawn by a stable hash of their ids."""
    max_new_tokens: int | None = Field(None, ge=1)
    """Longest generated answer, in tokens; default: a quarter more than the longest answer of the train split."""
    max_batch_tokens: int = Field(4096, ge=1)
    """Tokens in a batch, padding included. More is faster up to the machine's cache, and takes memory."""
    num_resamples: int = Field(10_000, ge=100)
    """Bootstrap resamples."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    seed: int = 17
    """Seeds the bootstrap and the linear baseline."""
    num_neighbours: int = Field(5, ge=1)
    """Nearest training examples listed with each failure."""
    fail_below: dict[str, float] = {}
    """Metric id -> the score of a row under which it counts as a failure (over which, where less is better), beside
    [what fails by itself](../evaluation.md#what-failed-means)."""
    minimum_effect: dict[str, float] = Field({}, exclude_if=lambda value: not value)
    """Metric id -> the smallest difference that would matter. Then a verdict can be `no difference that matters`, and the rows that are
    missing are counted for a difference of this size."""
    gates: dict[str, GateLimits] = Field({}, exclude_if=lambda value: not value)
    """Metric id (or `primary`, the one that decides) -> what the system that the report is about has to reach, such as
    `{accuracy: {min: 0.8}}` or `{primary: {not_worse_than: last_round}}`. A gate that fails is exit 1."""
    slices: dict[str, str] = Field({}, exclude_if=lambda value: not value)
    """Name -> a regular expression over what is asked: those examples in which it is found are a slice of their own."""
    report: tuple[ReportKind, ...] = Field(("html",), exclude_if=lambda value: value == ("html",))
    """What is written beside report.json: `html` (report.html, a page), `md` (report.md, for a pull request), `junit`
    (report.junit.xml)."""
    report_rows: int = Field(1000, ge=0, exclude_if=lambda value: value == 1000)
    """Answers shown in report.html, what broke, was fixed or failed before the rest; predictions.parquet has them all."""
    report_failures: int = Field(60, ge=0)
    """Failures that report.html shows with their causes and nearest training rows; failures.jsonl has them all."""

    @field_validator("slices")
    @classmethod
    def _are_patterns(cls, slices: dict[str, str]) -> dict[str, str]:
        for name, pattern in slices.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"'{name}' is no regular expression: {error}") from error
        return slices

    def identity(self) -> str:
        """Returns the options as JSON, for the key of what was made with them.

        The default of `fail_below` is written as it was when it named `exact_match`: what an earlier version evaluated stays valid.
        """
        is_default = self.fail_below == type(self).model_fields["fail_below"].default
        return (self.model_copy(update={"fail_below": _FAIL_BELOW_BEFORE}) if is_default else self).model_dump_json()


def scored_form(trained: Form) -> Form:
    """Returns the form in which an adapter is scored that was trained in a form: as a chat where it was, else as raw text."""
    return Form.CHAT if trained in {Form.CHAT, Form.PREFERENCE, Form.UNPAIRED} else Form.VERBALIZER
