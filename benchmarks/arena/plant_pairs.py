"""Defects that take two rows: duplicates, conflicts and leaks."""

import random

from corpora import SUMMARY, Item
from planting import Row, Workshop, kind

_SWAPS = {
    "the": "this", "a": "the", "is": "was", "was": "is", "very": "really", "really": "very", "good": "nice", "great": "good", "my": "the",
    "and": "but", "i": "we", "we": "i", "can": "could", "it": "that", "this": "the", "to": "for", "of": "from", "have": "had", "why": "how",
    "what": "which", "not": "never", "food": "meal", "place": "spot", "u": "you", "card": "bank card", "please": "kindly",
}  # fmt: skip
_SHORTEST = 30  # characters; of less, a word more or less is no longer nearly the same
_SUFFIXES = {
    "classes": (" Really.", " !!", " Just saying.", " - anyway", " Ok."),
    "summary": ("\nThank you.", "\nBye.", "\nOk, thanks.", "\nGood day."),
    "intent": (" Thanks.", " Please help.", "??", " Thank you!", " Please."),
}


@kind("exact duplicate", ["DUP301"], how="pair", anywhere=False, classes=8, summary=4, intent=8)
def exact_duplicate(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Repeats a row as it is."""
    return shop.row(item, note="the same row")


@kind("near duplicate", ["DUP302", "DUP301"], how="pair", anywhere=False, classes=7, summary=6, intent=7)
def near_duplicate(shop: Workshop, item: Item, number: int) -> Row | None:
    """Repeats a row with a small change to its text."""
    body, note = changed(shop.chooser, item, number)
    return shop.row(item, body=body, note=note) if body != item.body and len(item.body) >= _SHORTEST else None


@kind("exact leak", ["LEK401"], how="leak", anywhere=False, classes=8, summary=4, intent=8)
def exact_leak(shop: Workshop, item: Item, number: int) -> Row:
    """Puts a test row among the training rows."""
    return exact_duplicate(shop, item, number)


@kind("near leak", ["LEK402", "LEK401"], how="leak", anywhere=False, classes=7, summary=6, intent=7)
def near_leak(shop: Workshop, item: Item, number: int) -> Row | None:
    """Puts a test row among the training rows with a small change to its text."""
    return near_duplicate(shop, item, number)


@kind("same input, another answer", ["CON201", "CON202"], how="pair", anywhere=False, classes=10, summary=3, intent=7)
def conflict(shop: Workshop, item: Item, number: int) -> Row:  # noqa: ARG001
    """Repeats a row's input with an answer that contradicts it."""
    if item.task == SUMMARY:
        return shop.row(item, answer=shop.chooser.choice(shop.spares[SUMMARY]).label, note="another conversation's summary")
    return shop.row(item, answer=shop.wording.answer(item, shop.other_label(item)), note="another label")


def changed(chooser: random.Random, item: Item, number: int) -> tuple[str, str]:
    """Returns a text with a small change, and what it was."""
    way = ("word", "case", "punctuation", "suffix", "dropped word", "typing error", "two words")[number % 7]
    if way == "case":
        return (item.body.lower() if item.body != item.body.lower() else item.body.upper()), way
    if way == "punctuation":
        return _punctuated(chooser, item.body), way
    words = item.body.split(" ")
    if way in {"word", "two words"} and _swap(chooser, words, 1 if way == "word" or len(words) < 12 else 2):
        return " ".join(words), way
    if way == "typing error" and _mistype(chooser, words):
        return " ".join(words), way
    if way == "suffix" or len(words) < 8:
        return item.body + chooser.choice(_SUFFIXES[item.task]), "suffix"
    del words[chooser.randrange(len(words))]
    return " ".join(words), "dropped word"


def _swap(chooser: random.Random, words: list[str], most: int) -> bool:
    """Replaces up to so many words by like ones, in place; False where there are none to replace."""
    places = [place for place, word in enumerate(words) if word.lower() in _SWAPS]
    for place in chooser.sample(places, min(len(places), most)):
        swap = _SWAPS[words[place].lower()]
        words[place] = swap.capitalize() if words[place][0].isupper() else swap
    return bool(places)


def _mistype(chooser: random.Random, words: list[str]) -> bool:
    """Lets two neighbouring letters of a longer word change places; False where there is no such word."""
    long = [place for place, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return False
    place = chooser.choice(long)
    at = chooser.randrange(1, len(words[place]) - 2)
    word = words[place]
    words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return True


def _punctuated(chooser: random.Random, text: str) -> str:
    if text.endswith((".", "!", "?")):
        return text.rstrip(".!?") + chooser.choice(["", "...", "!!"])
    return text.replace(",", "") + chooser.choice([".", "!"])
