"""Examples that are read -> token ids, and which of them belong to which part: a document, two answers, each answer of a chat.

All ids come from what encodes them for training, so that what is evaluated is what was trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from evals.data.prediction import CHOSEN, END, REJECTED, TEXT, UNWANTED, WANTED, PartScore, turn_name
from evals.data.rows import EvalRow, Task
from templates.chat import Encoded, EncodeError, Message, encode_chat
from templates.raw_text import encode_document
from train.config import TrainConfig
from train.inference.requests import PartsRequest, TokenSpan
from train.objectives.answers import encode_answer
from train.objectives.completion import Completion
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class AskedParts:
    """What is asked of an example that is read.

    Attributes:
        request: its tokens.
        names: of its parts.
        num_bytes: UTF-8 bytes of the text that each part's scored tokens say; 0 where nobody asks for it.
    """

    request: PartsRequest
    names: tuple[str, ...]
    num_bytes: tuple[int, ...]

    def scored(self, loglikelihoods: Sequence[float]) -> tuple[PartScore, ...]:
        """Returns the parts with what a model says of each."""
        given = zip(self.names, loglikelihoods, self.num_bytes, strict=True)
        return tuple(
            PartScore(name, self.request.num_tokens(part), value, num_bytes=size) for part, (name, value, size) in enumerate(given)
        )


@dataclass(frozen=True, slots=True)
class Windows:
    """How a document is read that is longer than a window, as `train.objectives.completion.Completion` does it.

    Attributes:
        length: of a window in tokens.
        stride: how far behind the one before a window begins.
    """

    length: int
    stride: int

    @classmethod
    def of(cls, records: Iterable[RunRecord] = ()) -> "Windows":
        """Returns the windows of the first run that was trained on documents; without one those that a run has by default.

        Args:
            records: of the runs that are evaluated.
        """
        options: Mapping[str, Any] = next((record.config for record in records if record.objective == Completion.name), {})
        length = options.get("max_length") or TrainConfig().max_length
        return cls(length, options.get("stride") or length // 2)

    def within(self, max_length: int) -> "Windows":
        """Returns windows that fit a model whose context has so many tokens."""
        length = min(self.length, max_length)
        return Windows(length, min(self.stride, length // 2))

    @property
    def told(self) -> str:
        """What a person should know of them."""
        return f"texts are read in windows of {self.length:,} tokens, each {self.stride:,} behind the one before"


def encode_text(tokenizer: "PreTrainedTokenizerBase", row: EvalRow, windows: Windows) -> AskedParts:
    """Encodes a document as it is held out in training: each token is predicted once, in strided windows, its end token last.

    Raises:
        EncodeError: the text is empty, or the tokenizer has no end token.
    """
    text = row.text or ""
    objective = Completion(TrainConfig(max_length=windows.length, stride=windows.stride))
    # Of any split but train, whose windows do not overlap.
    cut = objective.encode_within(tokenizer, {"text": text, "split": "validation"}, windows.length)
    spans = [[TokenSpan(one.positions[0] + 1, one.positions[-1] + 2, 0)] for one in cut]
    spans[-1] = _without_end(spans[-1][0])
    # Where the tokenizer puts nothing before a text, nothing predicts its first token, which is none of the bytes then.
    start, _ = encode_document(tokenizer, text).offsets[spans[0][0].start]
    sequences = tuple(one.encoded.input_ids for one in cut)
    return AskedParts(PartsRequest(sequences, tuple(map(tuple, spans)), 2), (TEXT, END), (len(text[start:].encode()), 0))


def encode_answers(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> AskedParts:
    """Encodes the two answers of a pair, or the one that is judged, each behind the messages before it, as in training.

    Raises:
        EncodeError: the mask cannot be proven, or the two answers of a pair are equal.
    """
    assert row.messages is not None, "answers that are judged are messages"
    names = (CHOSEN, REJECTED) if row.task is Task.PREFERENCE else (WANTED,) if row.wanted else (UNWANTED,)
    # What comes before the answers has the weight 0 in both chats.
    encoded = [encode_answer(tokenizer, (), messages, row.tools) for messages in (row.messages, row.rejected) if messages is not None]
    if len(encoded) > 1 and encoded[0].input_ids == encoded[1].input_ids:
        raise EncodeError("the preferred answer and the other one are equal, so that nothing is preferred")
    spans = tuple(tuple(TokenSpan(start, end, part) for start, end in _runs(one)) for part, one in enumerate(encoded))
    if not all(spans):
        raise EncodeError("an answer has no token that is trained")
    return AskedParts(PartsRequest(tuple(one.input_ids for one in encoded), spans, len(encoded)), names, (0,) * len(encoded))


def encode_turns(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> AskedParts:
    """Encodes every answer of a chat behind the messages before it, as in training: those of weight 0 are read and not scored.

    Raises:
        EncodeError: the mask cannot be proven, or the chat has no answer that is trained.
    """
    messages = _with_shown_read(row)
    encoded = encode_chat(tokenizer, messages, row.tools)
    left_out = encoded[0].left_out
    turns = [place for place, message in enumerate(messages) if message["role"] == "assistant" and not _is_shown(row, place)]
    numbers = {place: number for number, place in enumerate(turns, start=1)}
    trained = [place for place in turns if messages[place].get("weight", 1) != 0 and place not in left_out]
    found = [_spans_of_turns(one) for one in encoded]
    if not trained or sum(map(len, found)) != len(trained):
        raise EncodeError("the chat has no answer that is trained" if not trained else "the answers of the chat cannot be told apart")
    parts = iter(range(len(trained)))
    spans = tuple(tuple(TokenSpan(start, end, next(parts)) for start, end in own) for own in found)
    names = tuple(turn_name(numbers[place]) for place in trained)
    return AskedParts(PartsRequest(tuple(one.input_ids for one in encoded), spans, len(trained)), names, (0,) * len(trained))


def _without_end(span: TokenSpan) -> list[TokenSpan]:
    """Divides the last span of a document into its own tokens, where there are any, and its end token, which says nothing of the text."""
    end = span.end - 1
    return [*([TokenSpan(span.start, end, 0)] if span.start < end else []), TokenSpan(end, end + 1, 1)]


def _runs(encoded: Encoded) -> list[tuple[int, int]]:
    """Returns the stretches of tokens that are trained, [start, end); nothing predicts the first token of all."""
    places = [place for place, weight in enumerate(encoded.loss_weights) if place and weight > 0]
    runs = groupby(enumerate(places), key=lambda one: one[1] - one[0])  # places in a row are as far from their numbers
    return [(run[0][1], run[-1][1] + 1) for run in (list(some) for _, some in runs)]


def _spans_of_turns(encoded: Encoded) -> list[tuple[int, int]]:
    """Returns the tokens of each trained span of the text, [start, end)."""
    places = [place for place, weight in enumerate(encoded.loss_weights) if place and weight > 0]
    found = []
    for _, end in encoded.trained:
        own = [place for place in places if encoded.offsets[place][1] <= end]
        if own:
            found.append((own[0], own[-1] + 1))
        places = places[len(own) :]
    return found


def _with_shown_read(row: EvalRow) -> list[Message]:
    """Returns the messages of a chat, its demonstrations with the weight 0."""
    return [
        {**message, "weight": 0} if message["role"] == "assistant" and _is_shown(row, place) else message
        for place, message in enumerate(row.messages or ())
    ]


def _is_shown(row: EvalRow, place: int) -> bool:
    """Says whether a message is one of the demonstrations, which stand behind the system message."""
    first = 1 if row.messages and row.messages[0]["role"] == "system" else 0
    return first <= place < first + row.num_shown
