"""Raw text of a domain: all of its tokens."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.chat import Encoded
from templates.form import Form
from templates.raw_text import encode_document
from train.objectives.base import Objective, TokenScores, TokenSequence

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class Completion(Objective):
    """The negative log-likelihood of every token of a document, its end token among them.

    ## What it trains
    All tokens of `text`, each given those before it; the end token stands at a document's end alone. What the tokenizer puts before a text
    is read and not trained, and where it puts nothing there, nothing predicts the first token. A document longer than L = `max_length`
    tokens (the model's own limit where that is lower) is cut into windows, never dropped. Window k = 0, 1, ... of train holds the tokens
    [k(L - 1), k(L - 1) + L): each begins with the last token of the one before, so that every token is trained once. All windows are of
    one example: one split, one step, one line of the ledger.

    Held-out loss is strided. Window k of validation holds the tokens [kS, kS + L), with S = `stride` (default, and at most: half of L); the
    first counts all of its tokens, each other those from kS + L - S on. So each token is predicted once, and behind the first window with
    at least L - S >= S tokens before it (a sliding window: Press et al., 2021, "Shortformer", section 3).

    ## When to use it
    To teach a model a domain's language, knowledge or style from documents as they are, before it is taught a task on them.
    """

    name = "completion"
    form = Form.COMPLETION
    independent = True

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes a document within `max_length`."""
        return self.encode_within(tokenizer, example, self.config.max_length)

    @override
    def encode_within(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any], length_limit: int) -> tuple[TokenSequence, ...]:
        """Encodes a document once, as a whole, and cuts it into windows: of train one after the other, of other splits by strides."""
        document = encode_document(tokenizer, example["text"])
        num_tokens = len(document.input_ids)
        is_train = example["split"] in {None, "train"}
        stride = length_limit - 1 if is_train else min(self.config.stride or length_limit, length_limit // 2)
        starts = _starts(num_tokens, length_limit, stride)
        known = [0, *(start + length_limit for start in starts)]  # up to where the windows before have predicted
        return tuple(
            TokenSequence.causal(_cut(document, start, min(start + length_limit, num_tokens), done), _name(place, len(starts)))
            for place, (start, done) in enumerate(zip(starts, known, strict=False))
        )

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the sum of each row's negative log-likelihoods."""
        return scores.by_row(-scores.sequence_logprobs())


def _starts(num_tokens: int, length: int, stride: int) -> list[int]:
    """Returns where the windows of a document begin: as many as it takes to reach its end."""
    starts = [0]
    while starts[-1] + length < num_tokens:
        starts.append(starts[-1] + stride)
    return starts


def _cut(document: Encoded, start: int, stop: int, done: int) -> Encoded:
    """Returns the tokens [start, stop) of a document by themselves; those before `done` are read and not trained."""
    offsets = document.offsets[start:stop]
    first, last = offsets[0][0], max(end for _, end in offsets)
    # Nothing predicts a window's first token.
    weights = [weight if place and start + place >= done else 0.0 for place, weight in enumerate(document.loss_weights[start:stop])]
    trained = [span for span, weight in zip(offsets, weights, strict=True) if weight > 0]
    return Encoded(
        text=document.text[first:last],
        input_ids=document.input_ids[start:stop],
        loss_weights=weights,
        offsets=[(begin - first, end - first) for begin, end in offsets],
        trained=[(trained[0][0] - first, trained[-1][1] - first)],
    )


def _name(place: int, num_windows: int) -> str:
    return f"window {place + 1} of {num_windows}" if num_windows > 1 else ""
