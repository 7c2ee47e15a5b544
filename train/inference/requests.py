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
