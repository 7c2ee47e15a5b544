"""Training rows that a model goes on with word for word, given the first half of what was trained of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from evals.compare.statistics import mcnemar_exact, tango_interval
from evals.data.memory import Estimate, MemorisedReport, SystemMemorised
from evals.forgetting.asked import AskedModel
from loopwright.hashing import hash_text
from loopwright.progress import Advance
from loopwright.statistics import wilson_interval
from prep.dataset.canaries import is_canary
from prep.dataset.manifest import Dataset, has_form
from prep.dataset.messages import messages_of
from templates.chat import Encoded, EncodeError, encode_chat
from templates.form import Form
from templates.raw_text import encode_document, encode_target
from train.inference.generation import generate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NUM_TOKENS = 50
"""Tokens of a continuation that have to be those of the row (as Carlini et al., 2023, "Quantifying Memorization", count it)."""

_LONGEST_TEXT = 2048
"""Tokens of a plain text that are read, its continuation among them."""


@dataclass(frozen=True, slots=True)
class Continued:
    """A training row that can be asked to be continued.

    Attributes:
        row_id: of the row.
        given: the tokens up to the middle of what was trained.
        expected: the tokens that follow in the row, `NUM_TOKENS` of them.
    """

    row_id: str
    given: list[int]
    expected: list[int]


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """Training rows that were drawn.

    Attributes:
        rows: those that can be measured.
        num_drawn: all of them.
        num_too_short: whose second half is shorter than a continuation.
        num_not_encoded: that the chat template does not take.
        num_too_long: chats that do not fit the model's context.
    """

    rows: list[Continued]
    num_drawn: int
    num_too_short: int
    num_not_encoded: int
    num_too_long: int


def drawn_records(dataset: Dataset, form: Form, number: int, seed: int) -> list[dict[str, Any]]:
    """Returns so many examples of the train split that have a form, drawn by the hash of their id and a seed; canaries are none of them."""
    is_unwanted = pl.col("wanted").fill_null(True).not_()  # what a run was to unlearn
    train = dataset.examples("train").filter(has_form(form), ~is_canary(), ~is_unwanted)
    ids = train.select("id").collect()["id"].to_list()
    drawn = sorted(ids, key=lambda one: hash_text(str(seed), one))[:number]
    return train.filter(pl.col("id").is_in(drawn)).sort("position", "id").collect().to_dicts()


def draw_rows(tokenizer: "PreTrainedTokenizerBase", records: Sequence[Mapping[str, Any]], form: Form, max_length: int) -> DrawnRows:
    """Encodes training examples as they are trained, and cuts each in the middle of the last answer, or of the text.

    Args:
        tokenizer: of the model, with the chat template as the run used it.
        records: of `EXAMPLE_SCHEMA`.
        form: which the run trained.
        max_length: the model's context in tokens.
    """
    rows: list[Continued] = []
    num_too_short = num_not_encoded = num_too_long = 0
    for record in records:
        try:
            encoded = _encode(tokenizer, record, form)
        except EncodeError:
            num_not_encoded += 1
            continue
        start, stop = _last_trained(encoded, tokenizer)
        middle = start + (stop - start) // 2
        if stop - middle < NUM_TOKENS:
            num_too_short += 1
        elif form is not Form.COMPLETION and middle + NUM_TOKENS > max_length:
            num_too_long += 1
        else:
            # Of a text the last tokens before its middle are enough; a chat without its beginning is another one.
            first = max(0, middle - (min(max_length, _LONGEST_TEXT) - NUM_TOKENS)) if form is Form.COMPLETION else 0
            expected = encoded.input_ids[middle : middle + NUM_TOKENS]
            rows.append(Continued(record["row_id"], encoded.input_ids[first:middle], expected))
    return DrawnRows(rows, len(records), num_too_short, num_not_encoded, num_too_long)


def are_verbatim(asked: AskedModel, rows: Sequence[Continued], advance: Advance) -> list[bool]:
    """Says of each row whether a model goes on with its very tokens, the likeliest token taken each time."""
    written = generate(
        asked.model,
        asked.tokenizer,
        [row.given for row in rows],
        end_ids=asked.end_ids,
        max_new_tokens=NUM_TOKENS,
        max_length=asked.max_length,
        max_batch_tokens=asked.max_batch_tokens,
        advance=advance,
    )
    return [one.token_ids == row.expected for one, row in zip(written, rows, strict=True)]


def system_memorised(
    system: str, seed: int | None, verbatim: Sequence[bool], base: Sequence[bool] | None, confidence: float
) -> SystemMemorised:
    """Sums up how much a system goes on with word for word, and how much more than its base, paired by row.

    Args:
        system: its label.
        seed: which of a run's several seeds was asked.
        verbatim: of each row.
        base: the same of the base; None of the base itself.
        confidence: of the intervals: Wilson's (1927) for the share, Tango's (1998) for the difference.
    """
    count, total = sum(verbatim), len(verbatim)
    low, high = wilson_interval(count, total, confidence)
    known = SystemMemorised(
        system=system,
        seed=seed,
        num_verbatim=count,
        share=Estimate(value=count / total, low=low, high=high),
        difference=None,
        low=None,
        high=None,
        p=None,
    )
    if base is None:
        return known
    gained = sum(one and not other for one, other in zip(verbatim, base, strict=True))
    lost = sum(other and not one for one, other in zip(verbatim, base, strict=True))
    low, high = tango_interval(gained, lost, total, confidence)
    return known.model_copy(update={"difference": (gained - lost) / total, "low": low, "high": high, "p": mcnemar_exact(gained, lost)})


def memorised_report(drawn: DrawnRows, systems: list[SystemMemorised], confidence: float) -> MemorisedReport:
    """Returns what the report says of memorised rows; `systems` is empty where no row can be measured."""
    return MemorisedReport(
        num_rows=drawn.num_drawn,
        num_measured=len(drawn.rows),
        num_too_short=drawn.num_too_short,
        num_not_encoded=drawn.num_not_encoded,
        num_too_long=drawn.num_too_long,
        num_tokens=NUM_TOKENS,
        confidence=confidence,
        systems=systems,
    )


def in_words(report: MemorisedReport) -> list[str]:
    """Returns a line for each system, for people."""
    left_out = [
        (report.num_too_short, f"have no {report.num_tokens} tokens behind the middle of their answer"),
        (report.num_not_encoded, "cannot be encoded"),
        (report.num_too_long, "do not fit the model's context"),
    ]
    reasons = "; ".join(f"{number} {why}" for number, why in left_out if number)
    if not report.systems:
        return [f"memorised: not measurable on {report.num_rows} train rows: {reasons or 'there is none in the form that was trained'}"]
    behind = f" ({reasons})" if reasons else ""
    lines = []
    for one in report.systems:
        more = "" if one.difference is None else f", {one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}] over its base"
        told = f"{one.num_verbatim} of {report.num_measured} train rows word for word{more}"
        lines.append(f"memorised: {one.system} goes on with {told}{behind}")
        behind = ""
    return lines


def _encode(tokenizer: "PreTrainedTokenizerBase", record: Mapping[str, Any], form: Form) -> Encoded:
    """Encodes an example as it is trained; of a chat that is trained as several sequences the last, which has the last answer.

    Raises:
        EncodeError: it cannot be encoded with proof.
    """
    if form is Form.COMPLETION:
        return encode_document(tokenizer, record["text"])
    if form is Form.VERBALIZER:
        if record["mask"] is not None:
            raise EncodeError("a cloze is not gone on with")
        return encode_target(tokenizer, record["prompt"], record["target"])
    found = messages_of(record)
    return encode_chat(tokenizer, found.said(), found.tools)[-1]


def _last_trained(encoded: Encoded, tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int]:
    """Returns where the last stretch of trained tokens begins and ends, without the special tokens that close it."""
    stop = max((place + 1 for place, weight in enumerate(encoded.loss_weights) if weight > 0), default=0)
    start = stop
    while start and encoded.loss_weights[start - 1] > 0:
        start -= 1
    special = set(tokenizer.all_special_ids)
    while stop > start and encoded.input_ids[stop - 1] in special:
        stop -= 1
    return start, stop
