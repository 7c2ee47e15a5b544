"""Log-likelihoods of the words for a mask, by a masked language model."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loopwright.progress import Advance
from train.inference.loglikelihood import Scored, sum_words
from train.inference.requests import BlankRequest
from train.models.heads import into_head
from train.models.load import unwrapped

if TYPE_CHECKING:
    import torch


def score_blanks(model: Any, requests: Sequence[BlankRequest], *, max_batch_tokens: int, advance: Advance) -> list[Scored]:
    """Scores the words of each cloze as training does: the sum of the log-probabilities of a word's tokens at its masks, in float32.

    Args:
        model: a masked language model in evaluation mode; each text has to fit its context.
        requests: texts with masks, and the words for them.
        max_batch_tokens: tokens of a batch, padding included.
        advance: told how many requests are done.

    Returns:
        One result a request, in their order.
    """
    import torch

    places = [(index, word) for index, request in enumerate(requests) for word in range(len(request.texts))]
    places.sort(key=lambda place: len(requests[place[0]].texts[place[1]]), reverse=True)
    sums = [[0.0] * len(request.texts) for request in requests]
    missing = [len(request.texts) for request in requests]
    for batch in _batches(requests, places, max_batch_tokens):
        with torch.inference_mode():
            values = _score_batch(model, requests, batch).tolist()
        for (index, word), value in zip(batch, values, strict=True):
            sums[index][word] = value
            missing[index] -= 1
            if not missing[index]:
                advance(1)
    return [Scored(sum_words(values, request.words_of_choices), is_cut=False) for values, request in zip(sums, requests, strict=True)]


def _batches(requests: Sequence[BlankRequest], places: Sequence[tuple[int, int]], max_batch_tokens: int) -> Iterator[list[tuple[int, int]]]:
    """Cuts texts, longest first, into batches of at most so many tokens, or of one text."""
    batch: list[tuple[int, int]] = []
    for place in places:
        if batch and len(requests[batch[0][0]].texts[batch[0][1]]) * (len(batch) + 1) > max_batch_tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _score_batch(model: Any, requests: Sequence[BlankRequest], batch: Sequence[tuple[int, int]]) -> "torch.Tensor":
    """Returns the log-likelihood of each word of a batch, float32 [B]."""
    import torch

    texts = [requests[index].texts[word] for index, word in batch]
    positions = [requests[index].positions[word] for index, word in batch]
    words = [requests[index].words[word] for index, word in batch]
    device, width = model.device, max(map(len, texts))
    ids = torch.tensor([[*text, *([0] * (width - len(text)))] for text in texts], device=device)
    real = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for text in texts], device=device)
    inner = unwrapped(model)
    hidden = into_head(inner, input_ids=ids, attention_mask=real)
    rows = torch.tensor([row for row, masks in enumerate(positions) for _ in masks], device=device)
    columns = torch.tensor([column for masks in positions for column in masks], device=device)
    logprobs: torch.Tensor = inner.get_output_embeddings()(hidden[rows, columns]).float().log_softmax(-1)
    targets = torch.tensor([token for word in words for token in word], device=device)
    return logprobs.new_zeros(len(batch)).index_add(0, rows, logprobs.gather(1, targets[:, None]).squeeze(1))
