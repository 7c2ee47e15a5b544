"""Prompts as the page shows them: token by token, masked, without the middle of long ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evals.systems.asked import PromptToken
from loopwright.console import printable
from prep.pii import hidden_spans

# What is shown of a long prompt: how it begins, and what stands before the answer.
_HEAD, _TAIL = 400, 200
# Identifiers are looked for in so many more tokens than are shown.
_MARGIN = 200


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt to be shown.

    Attributes:
        num_tokens: how many tokens it has.
        tokens: their texts, masked.
        special: the places of special tokens among them.
        cut_at: the place before which tokens are left out; None where none are.
    """

    num_tokens: int
    tokens: list[str]
    special: list[int]
    cut_at: int | None

    def to_json(self) -> dict[str, Any]:
        """Returns it as the page's script reads it."""
        return {"num": self.num_tokens, "tokens": self.tokens, "special": self.special, "cut": self.cut_at}


def view_prompt(tokens: Sequence[PromptToken]) -> PromptView | None:
    """Returns a prompt as the page shows it; None of one that has no token."""
    if not tokens:
        return None
    if len(tokens) <= _HEAD + _TAIL:
        shown, cut_at = list(_masked(tokens)), None
    else:
        head = list(_masked(tokens[: _HEAD + _MARGIN]))[:_HEAD]
        shown, cut_at = [*head, *list(_masked(tokens[-_TAIL - _MARGIN :]))[-_TAIL:]], len(head)
    special = [place for place, token in enumerate(shown) if token.is_special]
    return PromptView(sum(token.num_tokens for token in tokens), [printable(token.text) for token in shown], special, cut_at)


def _masked(tokens: Sequence[PromptToken]) -> Iterator[PromptToken]:
    """Yields the tokens; those that an identifier lies in become one, which tells its kind and keeps what stands around it."""
    text = "".join(token.text for token in tokens)
    hidden = hidden_spans(text)
    start = number = index = 0
    while index < len(tokens):
        token = tokens[index]
        end = start + len(token.text)
        while number < len(hidden) and hidden[number][1] <= start:
            number += 1
        if number == len(hidden) or hidden[number][0] >= end:
            yield token
            start, index = end, index + 1
            continue
        # Whole tokens, up to one that ends where no identifier is left open.
        first, written, position, num_tokens = number, [], start, 0
        while True:
            num_tokens += tokens[index].num_tokens
            index += 1
            while number < len(hidden) and hidden[number][0] < end:
                number += 1
            if index == len(tokens) or hidden[number - 1][1] <= end:
                break
            end += len(tokens[index].text)
        for low, high, kind in hidden[first:number]:
            written += [text[position:low], f"[{kind}]"]
            position = high
        yield PromptToken("".join(written) + text[position:end], num_tokens=num_tokens)
        start = end
