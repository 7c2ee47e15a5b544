"""Turns that a chat's whole rendering does not train as they are served: each is put behind the prompt that a server gives for it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from templates.conversation import EncodeError, Span, tokenize
from templates.turns import Turn, special_pattern

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(slots=True)
class Composed:
    """A sequence that is growing, of T tokens.

    Attributes:
        text: what the tokens say.
        input_ids: token ids, length T.
        trained: whether each is trained, length T.
        offsets: `[start, end)` of each in `text`, in characters.
        spans: spans of `text` that are trained.
        num_apart: turns whose tokens differ from those of prompt and answer encoded jointly.
    """

    text: str = ""
    input_ids: list[int] = field(default_factory=list)
    trained: list[bool] = field(default_factory=list)
    offsets: list[Span] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    num_apart: int = 0

    def is_begun_by(self, prompt_ids: list[int], text: str) -> bool:
        """Says whether a prompt goes on from all that is here, so that one sequence can hold both."""
        return bool(self.input_ids) and text.startswith(self.text) and prompt_ids[: len(self.input_ids)] == self.input_ids

    def add(self, text: str, ids: list[int], offsets: Iterable[Span], *, trained: bool) -> None:
        """Puts tokens behind those that are here."""
        start = len(self.text)
        self.offsets.extend((start + first, start + last) for first, last in offsets)
        self.text += text
        self.input_ids += ids
        self.trained += [trained] * len(ids)


def compose(tokenizer: "PreTrainedTokenizerBase", turns: Iterable[tuple[Turn, list[int], list[Span]]]) -> Iterator[Composed]:
    """Puts each turn behind its prompt, in one sequence for as long as the chat template keeps what it wrote before.

    Args:
        tokenizer: whose tokens they are.
        turns: of each trained turn, the tokens of its prompt as a server encodes it, and their offsets in `turn.prompt`.

    Raises:
        EncodeError: an answer holds the text of a special token, which this tokenizer cannot encode as plain text.
    """
    current = Composed()
    for turn, prompt_ids, offsets in turns:
        done = len(current.input_ids)
        if not current.is_begun_by(prompt_ids, turn.prompt):
            if current.input_ids:
                yield current
            current, done = Composed(), 0
        said = len(current.text)
        more = [(first - said, last - said) for first, last in offsets[done:]]
        current.add(turn.prompt[said:], prompt_ids[done:], more, trained=False)
        _add_turn(tokenizer, current, turn)
    if current.input_ids:
        yield current


def encode_turn(tokenizer: "PreTrainedTokenizerBase", turn: Turn) -> tuple[list[int], list[Span]]:
    """Encodes what a turn trains, apart from its prompt. Special tokens count as such only where the chat template wrote them.

    Returns:
        The token ids, and the place of each in `turn.text`.

    Raises:
        EncodeError: the answer holds the text of a special token, which this tokenizer cannot encode as plain text.
    """
    ids: list[int] = []
    offsets: list[Span] = []
    start = 0
    for text, is_content in ((turn.lead, False), (turn.answer, True), (turn.calls, False), (turn.end, False)):
        if not text:
            continue
        found, places = tokenize(tokenizer, text, split_special_tokens=is_content)
        if is_content and special_pattern(tokenizer).search(text) and not set(tokenizer.all_special_ids).isdisjoint(found):
            cause = "the answer holds the text of a special token, which this tokenizer cannot encode as plain text"
            raise EncodeError(cause, remedy="Reword that answer.")
        ids += found
        offsets += [(start + first, start + last) for first, last in places]
        start += len(text)
    return ids, offsets


def _add_turn(tokenizer: "PreTrainedTokenizerBase", current: Composed, turn: Turn) -> None:
    ids, offsets = encode_turn(tokenizer, turn)
    jointly, _ = tokenize(tokenizer, turn.prompt + turn.text)
    current.num_apart += jointly != [*current.input_ids, *ids]
    start = len(current.text)
    current.spans.append((start, start + len(turn.text)))
    current.add(turn.text, ids, offsets, trained=True)
