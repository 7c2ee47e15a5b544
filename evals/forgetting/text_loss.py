"""How likely a model finds plain texts, by strided windows over each document."""

from collections.abc import Sequence
from dataclasses import dataclass

from evals.forgetting.asked import AskedModel
from loopwright.progress import Advance
from templates.chat import encode_continuation
from train.inference.loglikelihood import score_choices
from train.inference.requests import ChoiceRequest

_LONGEST_WINDOW = 2048
"""Tokens of a window where the model's context is longer: attention over more of them costs more than it says."""


@dataclass(frozen=True, slots=True)
class TextLoss:
    """What a model says of one document.

    Attributes:
        nll: the negative log-likelihood of all of its tokens, in nats.
        num_tokens: how many these are.
    """

    nll: float
    num_tokens: int


def text_losses(asked: AskedModel, documents: Sequence[str], advance: Advance) -> list[TextLoss]:
    """Returns the negative log-likelihood of each document, every token given those before it, and counted once.

    The first token follows the beginning-of-sequence token, or the end-of-sequence token where there is none, as in the rolling
    log-likelihood of lm-evaluation-harness 0.4. Window k = 0, 1, ... of a longer document holds the tokens [kS, kS + L), L being the
    model's context, at most 2,048, and S half of that: the first counts all of its tokens, each other those that no window before it
    counted, with at least L - S before them (a sliding window: Press et al., 2021, "Shortformer", section 3).

    Args:
        asked: base or tuned.
        documents: none is empty.
        advance: told how many documents are done.
    """
    requests: list[ChoiceRequest] = []
    owners: list[int] = []
    counts: list[int] = []
    for place, document in enumerate(documents):
        encoded = encode_continuation(asked.tokenizer, "", document)
        ids = [*encoded.context_ids, *encoded.continuation_ids]
        made = windows(ids, len(encoded.context_ids), min(asked.max_length, _LONGEST_WINDOW))
        requests += made
        owners += [place] * len(made)
        counts.append(len(encoded.continuation_ids))
    scored = score_choices(
        asked.model, requests, max_length=asked.max_length, max_batch_tokens=asked.max_batch_tokens, advance=lambda _: None
    )
    sums = [0.0] * len(documents)
    for owner, one in zip(owners, scored, strict=True):
        sums[owner] -= one.loglikelihoods[0]
    advance(len(documents))
    return [TextLoss(nll, count) for nll, count in zip(sums, counts, strict=True)]


def windows(ids: list[int], num_read: int, length: int) -> list[ChoiceRequest]:
    """Cuts a document into windows, of each of which the tokens count that none before it counts.

    Args:
        ids: its tokens.
        num_read: tokens at its beginning that are read and not counted, at least one.
        length: of a window in tokens, at least two.
    """
    stride = max(1, length // 2)
    requests = []
    start, done = 0, num_read
    while done < len(ids):
        stop = min(start + length, len(ids))
        requests.append(ChoiceRequest(ids[start:done], [ids[done:stop]]))
        start, done = start + stride, stop
    return requests
