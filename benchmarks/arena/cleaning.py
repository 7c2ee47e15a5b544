"""Which items of the corpora are clean enough to count a report on them as false.

Nothing here asks the linter or shares code with it: otherwise its own mistakes would be cleaned away before they are counted.
"""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable

from corpora import SUMMARY, Item

_SIMILAR = 0.6  # of character 4-grams; two texts of one corpus that differ by a word or two have 0.7 and more
_LONGEST = 4.0  # times the median of the task
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: number for number, word in enumerate(_UNITS.split())} | {word: 20 + 10 * n for n, word in enumerate(_TENS.split())}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "once": 1, "twice": 2, "half": 2, "dozen": 12, "couple": 2, "both": 2, "pair": 2}

_ODD: dict[str, re.Pattern[str]] = {
    "doubled word": re.compile(r"\b(\w+)[\s,]+\1\b", re.IGNORECASE),
    "stretched or repeated": re.compile(r"(.{1,20}?)\1{3,}"),
    "markup": re.compile(r"</?[a-z]|&[a-z#0-9]+;|https?:|www\.|\]\(", re.IGNORECASE),
    "encoding": re.compile(r"[\u0080-\u009f\u00c0-\u00c5\u00e2\ufffd\x00-\x08\x0b-\x1f]"),
    "variable": re.compile(r"[{}$%]\w*[{}]|<<|>>|<[A-Z]+>|\bnan\b|\bNone\b|\bnull\b"),
    "personal": re.compile(r"@\w|\w@|\d[\d .()-]{6,}\d|\b\d{7,}\b|\b\d{3}-\d{4}\b"),
    "placeholder": re.compile(r"X{2,}|\*{2,}|_{2,}|#{3,}|\[\w+\]|<\w+>"),
}
_REFUSAL = re.compile(r"\b(can(no|')t (help|assist|answer)|unable to|as an ai|sorry)\b", re.IGNORECASE)


def clean(items: list[Item], *, raw: bool = False) -> list[Item]:
    """Returns the items without oddities, without those answered twice differently, and one of each group of look-alikes.

    Args:
        items: those of one task.
        raw: leave the oddities in, and the very long texts: what a corpus is like when only its duplicates were removed.
    """
    items = [item for item in items if item.body and item.label and (raw or not _odd(item))]
    items = _without_lookalikes(_without_conflicts(items))
    if raw:
        return items
    median = statistics.median(len(item.body) for item in items)
    return [item for item in items if len(item.body) <= _LONGEST * median]


def _odd(item: Item) -> bool:
    texts = (item.body, item.label)
    if any(pattern.search(text) for pattern in _ODD.values() for text in texts):
        return True
    if item.task != SUMMARY:
        return False
    ends = item.label.endswith((".", "!", "?")) and item.label[:1].isupper()
    brackets = item.label.count("(") == item.label.count(")") and item.label.count('"') % 2 == 0
    return not ends or not brackets or len(item.label) < 25 or bool(_REFUSAL.search(item.label)) or not supported(item)


def supported(item: Item) -> bool:
    """Whether each number of the summary is in the conversation, in figures or in words."""
    return numbers(item.label) <= numbers(item.body) | set(_ORDINALS.values())


def numbers(text: str) -> set[int | str]:
    """Returns the numbers of a text, in figures or in English words up to ninety-nine."""
    found: set[int | str] = {int(figures) for figures in re.findall(r"\d+", text) if len(figures) < 12}
    words = re.findall(r"[a-z]+", text.lower())
    for here, after in zip(words, [*words[1:], ""], strict=False):
        if here in _ORDINALS:
            found.add(_ORDINALS[here])
        if here in _WORDS:
            found.add(_WORDS[here])
            if _WORDS[here] >= 20 and 0 < _WORDS.get(after, 0) < 10:
                found.add(_WORDS[here] + _WORDS[after])
    return found


def _without_conflicts(items: list[Item]) -> list[Item]:
    labels: dict[str, set[str]] = defaultdict(set)
    for item in items:
        labels[_key(item.body)].add(item.label)
    return [item for item in items if len(labels[_key(item.body)]) == 1]


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _without_lookalikes(items: list[Item]) -> list[Item]:
    """Keeps the first of each group of texts that share most of their letters, by comparing all pairs."""
    return _distinct(_distinct(items, lambda item: item.body), lambda item: item.label if item.task == SUMMARY else item.body)


def _distinct(items: list[Item], text_of: Callable[[Item], str]) -> list[Item]:
    return _first_of_each(_first_of_each(items, lambda item: _grams(text_of(item))), lambda item: frozenset(_key(text_of(item)).split()))


def _grams(text: str) -> frozenset[str]:
    text = _key(text)
    return frozenset(text[start : start + 4] for start in range(max(1, len(text) - 3)))


def _first_of_each(items: list[Item], features: Callable[[Item], frozenset[str]]) -> list[Item]:
    """Drops each item whose features are mostly (Jaccard >= `_SIMILAR`) those of an item that was kept; all pairs, by a table."""
    kept, sizes = [], list[int]()
    having: dict[str, list[int]] = defaultdict(list)
    for item in items:
        own = features(item)
        shared = Counter[int]()
        for feature in own:
            shared.update(having[feature])
        if any(count >= _SIMILAR * (len(own) + sizes[other] - count) for other, count in shared.items()):
            continue
        for feature in own:
            having[feature].append(len(kept))
        kept.append(item)
        sizes.append(len(own))
    return kept
