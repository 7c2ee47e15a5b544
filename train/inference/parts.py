"""Log-likelihoods of parts of texts: the tokens of a document, the answers of a chat, two answers to one prompt.

Each sequence is read once, whatever is asked of it. Where a model has a fast path (`train.fast`), what the sequences of a batch begin with
alike, such as the prompt of two answers, is computed once. The output head sees the positions that are read, a chunk at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from loopwright.progress import Advance
from train.inference.requests import PartsRequest, TokenSpan
from train.models.heads import into_head
from train.models.load import Model, unwrapped

if TYPE_CHECKING:
    from train.fast.forward import FastForward

# Positions whose logits are alive at a time: 256 x 49,152 in float32 are 50 MB.
_CHUNK = 256

_Read = Callable[[list[list[int]], list[tuple[TokenSpan, ...]]], list[list[float]]]
"""Sequences, and the spans of each -> the log-likelihood of each span."""


def score_parts(model: Model, requests: Sequence[PartsRequest], *, max_batch_tokens: int, advance: Advance) -> list[tuple[float, ...]]:
    """Scores the parts of each request: the sum of the log-probabilities of a part's tokens, each given all before it, in float32.

    Args:
        model: a causal language model in evaluation mode; what is read of each sequence has to fit its context.
        requests: sequences, and which of their tokens belong to which part.
        max_batch_tokens: tokens of a batch, padding included.
        advance: told how many requests are done.

    Returns:
        The log-likelihood of each part of each request, in their order, in nats.
    """
    sums = [[0.0] * request.num_parts for request in requests]
    missing = [len(request.sequences) for request in requests]
    if not requests:
        return []
    fast = _fast_path(model, requests)
    read = _read_fast(fast) if fast is not None else _read_by_head(model) if _says_by_head(model) else _read_whole(model)
    for batch in _batches(requests, max_batch_tokens, padded=fast is None):
        spans = [requests[index].spans[place] for index, place in batch]
        texts = [requests[index].sequences[place][: own[-1].end] for (index, place), own in zip(batch, spans, strict=True)]
        for (index, _), own, values in zip(batch, spans, read(texts, spans), strict=True):
            for span, value in zip(own, values, strict=True):
                sums[index][span.part] += value
            missing[index] -= 1
            if not missing[index]:
                advance(1)
    return [tuple(values) for values in sums]


def _fast_path(model: Model, requests: Sequence[PartsRequest]) -> "FastForward | None":
    """Returns the fast path of a model; None where it has none, or one whose attention does not see as far as the texts are long."""
    from train.fast.forward import FastForward

    fast = FastForward.of(model)
    return None if isinstance(fast, str) or not fast.sees(max(request.longest for request in requests)) else fast


def _batches(requests: Sequence[PartsRequest], max_batch_tokens: int, *, padded: bool) -> Iterator[list[tuple[int, int]]]:
    """Yields batches of sequences, each by its request and its place there, the longest requests first.

    On the fast path the sequences of a request stay side by side, as they may begin alike; where they are padded, those of one length do.
    """
    order = sorted(range(len(requests)), key=lambda index: requests[index].longest, reverse=True)
    places = [(index, place) for index in order for place in range(len(requests[index].sequences))]

    def length(place: tuple[int, int]) -> int:
        return len(requests[place[0]].sequences[place[1]])

    if padded:
        places.sort(key=length, reverse=True)
    batch: list[tuple[int, int]] = []
    for place in places:
        more = length(batch[0]) * (len(batch) + 1) if batch and padded else sum(map(length, batch)) + length(place)
        if batch and more > max_batch_tokens:
            yield batch
            batch = []
        batch.append(place)
    yield batch


def _read_fast(fast: "FastForward") -> _Read:
    """Returns what reads spans on the fast path."""
    from train.fast.forward import Read

    def read(texts: list[list[int]], spans: list[tuple[TokenSpan, ...]]) -> list[list[float]]:
        reads = [Read(row, token - 1, texts[row][token]) for row, own in enumerate(spans) for span in own for token in span.tokens]
        return _summed(fast.logprobs([text[:-1] for text in texts], reads), spans)

    return read


def _read_by_head(model: Model) -> _Read:
    """Returns what reads spans by the model's own modules: the positions that are asked for go through its head, a chunk at a time."""
    import torch

    from train.fast.forward import logprobs_at

    causal = unwrapped(model)
    head = causal.get_output_embeddings()

    def read(texts: list[list[int]], spans: list[tuple[TokenSpan, ...]]) -> list[list[float]]:
        width = max(map(len, texts)) - 1
        # Padding stands at the right, where causal attention keeps it from every token before it.
        ids = torch.tensor([[*text[:-1], *([0] * (width - len(text) + 1))] for text in texts], device=causal.device)
        asked = [(row, token) for row, own in enumerate(spans) for span in own for token in span.tokens]
        rows = torch.tensor([row for row, _ in asked], device=causal.device)
        columns = torch.tensor([token - 1 for _, token in asked], device=causal.device)
        wanted = torch.tensor([texts[row][token] for row, token in asked], device=causal.device)
        found: list[float] = []
        with torch.no_grad():
            states = into_head(causal, input_ids=ids)[rows, columns]
            for some, tokens in zip(torch.split(states, _CHUNK), torch.split(wanted, _CHUNK), strict=True):
                found += logprobs_at(head(some), torch.arange(len(some), device=causal.device), tokens)[0].tolist()
        return _summed(found, spans)

    return read


def _read_whole(model: Model) -> _Read:
    """Returns what reads spans of a model that changes its logits after the head: one text at a time, by its whole forward pass."""
    import torch

    causal = unwrapped(model)

    def read(texts: list[list[int]], spans: list[tuple[TokenSpan, ...]]) -> list[list[float]]:
        found: list[float] = []
        for text, own in zip(texts, spans, strict=True):
            tokens = torch.tensor([token for span in own for token in span.tokens], device=causal.device)
            ids = torch.tensor([text], device=causal.device)
            with torch.no_grad():
                logits = causal(input_ids=ids[:, :-1], use_cache=False).logits[0, tokens - 1].float()
            found += logits.log_softmax(-1).gather(1, ids[0, tokens, None]).squeeze(1).tolist()
        return _summed(found, spans)

    return read


def _says_by_head(model: Model) -> bool:
    """Says whether a model's logits are what its output head gives, tried on a short text: some scale or cap them afterwards."""
    import torch

    from train.fast.forward import PROBE_LENGTHS, is_like, probe_ids

    causal = unwrapped(model)
    with torch.no_grad():
        ids = probe_ids(causal, PROBE_LENGTHS[-1])
        return is_like(causal.get_output_embeddings()(into_head(causal, input_ids=ids)), causal(input_ids=ids, use_cache=False).logits)


def _summed(values: Sequence[float], spans: Sequence[Sequence[TokenSpan]]) -> list[list[float]]:
    """Returns the sum over each span of what was read, token by token in the order of the spans."""
    rest = iter(values)
    return [[sum(next(rest) for _ in span.tokens) for span in own] for own in spans]
