"""What a model is asked: token ids, and what may follow them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlankRequest:
    """One cloze to be scored by a masked model: the log-likelihood of each word at its own mask tokens.

    Attributes:
        texts: token ids of the text with masks in it, one text for each word of each choice, in the order of the example's choices.
        positions: where the masks of each text stand.
        words: token ids of each word, as many as there are masks.
        words_of_choices: how many words in a row say each choice.
    """

    texts: list[list[int]]
    positions: list[list[int]]
    words: list[list[int]]
    words_of_choices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """One example to be scored: the log-likelihood of each continuation after the context.

    Attributes:
        context_ids: token ids that all choices share. Never empty.
        continuations: token ids of each word of each choice, in the order of the example's choices. None is empty.
        words_of_choices: how many continuations in a row say each choice; empty where each is said by one.
        num_split_apart: continuations of which a token spanned the join with the context, so that they were encoded apart.
    """

    context_ids: list[int]
    continuations: list[list[int]]
    num_split_apart: int = 0
    words_of_choices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Tokens of a sequence whose log-likelihood is asked for, each given all before it.

    Attributes:
        start: the first of them, at least 1: nothing predicts the first token of a sequence.
        end: behind the last of them.
        part: what they are a part of.
    """

    start: int
    end: int
    part: int

    @property
    def tokens(self) -> range:
        """Where they stand."""
        return range(self.start, self.end)


@dataclass(frozen=True, slots=True)
class PartsRequest:
    """One example to be read: the log-likelihood of each of its parts.

    Attributes:
        sequences: token ids.
        spans: of each sequence, which of its tokens are scored, in rising order; at least one.
        num_parts: how many parts they belong to.
    """

    sequences: tuple[list[int], ...]
    spans: tuple[tuple[TokenSpan, ...], ...]
    num_parts: int

    @property
    def longest(self) -> int:
        """The most tokens that are read of a sequence: the last one that is scored is predicted and never read."""
        return max(own[-1].end for own in self.spans) - 1

    def num_tokens(self, part: int) -> int:
        """Returns how many tokens of a part are scored."""
        return sum(len(span.tokens) for own in self.spans for span in own if span.part == part)
