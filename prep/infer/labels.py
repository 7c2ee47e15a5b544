"""Whether texts are labels: few words that recur. What init writes a verbalizer for, baselines predict and a wrong answer fails by."""

import re
from collections.abc import Collection, Mapping

MAX_LABELS = 200
"""More values than these sort nothing."""
ROWS_A_LABEL = 2
"""Train rows that each label has on average at the least; values that stand but once are names, titles or texts."""

_MAX_CHARACTERS = 60
_MEAN_WORDS = 4
_FEW_WORDS = 5
_NEARLY_ALL = 0.9
_SENTENCE_WORDS = 3
_HAN = re.compile("[㐀-鿿豈-﫿぀-ヿ]")
_SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]]*\s*$")


def are_labels(counts: Mapping[str, int], *, train_share: float = 1.0) -> bool:
    """Says whether the answers of a task, or the values of a column, are labels.

    Args:
        counts: value -> how often it stands.
        train_share: the share of these that the train split has, or will have.
    """
    num_rows = sum(counts.values())
    if not 2 <= len(counts) <= MAX_LABELS or num_rows * train_share < ROWS_A_LABEL * len(counts):
        return False
    words = sum(num_words(value) * count for value, count in counts.items())
    sentences = sum(count for value, count in counts.items() if is_sentence(value))
    return all(len(value) <= _MAX_CHARACTERS for value in counts) and words <= _MEAN_WORDS * num_rows and 2 * sentences <= num_rows


def are_exact(answers: Collection[str]) -> bool:
    """Says whether nearly all answers are codes or a few words, so that another wording is another answer; of sentences it is not."""
    exact = sum(len(answer) <= _MAX_CHARACTERS and num_words(answer) <= _FEW_WORDS and not is_sentence(answer) for answer in answers)
    return bool(answers) and exact >= _NEARLY_ALL * len(answers)


def is_sentence(text: str) -> bool:
    """Says whether a text of some words ends as a sentence does."""
    return num_words(text) >= _SENTENCE_WORDS and _SENTENCE_END.search(text) is not None


def num_words(text: str) -> float:
    """Returns the number of words; two Han or kana characters count for one."""
    return len(text.split()) + len(_HAN.findall(text)) / 2
