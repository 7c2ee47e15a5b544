"""The clean rows of the arena: items of three tasks, from public corpora that lie beside the project."""

import csv
import random
import re
from dataclasses import dataclass
from pathlib import Path

CLASSES, SUMMARY, INTENT = "classes", "summary", "intent"
TASKS = (CLASSES, SUMMARY, INTENT)
NUM_INTENTS = 12
# Those that the foreign sentences of phrases.py are labelled with; the others are drawn.
CORE_INTENTS = ("card_arrival", "declined_card_payment", "top_up_failed", "activate_my_card", "request_refund")


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of data before it is phrased as a conversation.

    Attributes:
        task: one of `TASKS`.
        body: what the user gives.
        label: the label word, the intent's name, or the whole summary.
        origin: `file:row`, 1-based.
    """

    task: str
    body: str
    label: str
    origin: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Which corpora stand for which task.

    Attributes:
        classes: `reviews` (restaurant reviews) or `spam` (text messages).
        summaries: `tweetsumm` (customer service) or `mts` (doctor and patient).
        references: give each conversation, and its summary, an order number, so that there is a number that all summaries keep.
    """

    classes: str = "reviews"
    summaries: str = "tweetsumm"
    references: bool = False


def load(folder: Path, sources: Sources, chooser: random.Random) -> dict[str, list[Item]]:
    """Reads the items of each task as the corpora have them.

    Raises:
        FileNotFoundError: a corpus is not in the folder.
    """
    classes = _reviews(folder) if sources.classes == "reviews" else _messages(folder, chooser)
    summaries = _tweets(folder) if sources.summaries == "tweetsumm" else _visits(folder)
    if sources.references:
        summaries = [_with_reference(item, chooser) for item in summaries]
    return {CLASSES: classes, SUMMARY: summaries, INTENT: _intents(folder, chooser)}


def _rows(folder: Path, name: str, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, quoting=quoting))


def _reviews(folder: Path) -> list[Item]:
    words = {"1": "positive", "0": "negative"}
    rows = _rows(folder, "reviews/restaurant_reviews.tsv", "\t", csv.QUOTE_NONE)
    return [Item(CLASSES, " ".join(row["Review"].split()), words[row["Liked"]], f"reviews:{number}") for number, row in enumerate(rows, 1)]


def _messages(folder: Path, chooser: random.Random) -> list[Item]:
    """Text messages; their telephone numbers become the five-figure short codes that others of them use."""
    rows = _rows(folder, "spam/SMSSpamCollection", "\t", csv.QUOTE_NONE)

    def without_numbers(text: str) -> str:
        return re.sub(r"\+?\d[\d -]{5,}\d", lambda _: str(chooser.randint(60000, 89999)), text).strip()

    items = [Item(CLASSES, without_numbers(row["SMS"]), row["Label"], f"spam:{number}") for number, row in enumerate(rows, 1)]
    spam = [item for item in items if item.label == "spam"]
    ham = [item for item in items if item.label == "ham" and len(item.body) > 20]
    return spam + chooser.sample(ham, 700)


def _tweets(folder: Path) -> list[Item]:
    items = []
    for name in ("calls/tweetsumm_train.csv", "calls/tweetsumm_validation.csv"):
        for number, row in enumerate(_rows(folder, name), 1):
            turns = [" ".join(turn.split()) for turn in row["inputs"].replace("<LINK>", "(link)").split("<BR>")]
            body = "\n".join(turn for turn in turns if turn)
            items.append(Item(SUMMARY, body, " ".join(row["summaries"].split()), f"{name}:{number}"))
    return items


def _visits(folder: Path) -> list[Item]:
    items = []
    for name in ("medical/mts_dialog_train.csv", "medical/mts_dialog_validation.csv"):
        for number, row in enumerate(_rows(folder, name), 1):
            body = "\n".join(" ".join(line.split()) for line in row["dialogue"].splitlines() if line.strip())
            items.append(Item(SUMMARY, body, " ".join(row["section_text"].split()), f"{name}:{number}"))
    return items


def _intents(folder: Path, chooser: random.Random) -> list[Item]:
    rows = _rows(folder, "intents/banking77_train.csv")
    by_intent: dict[str, int] = {}
    for row in rows:
        by_intent[row["category"]] = by_intent.get(row["category"], 0) + 1
    usual = sorted(intent for intent, count in by_intent.items() if count >= 100 and intent not in CORE_INTENTS)
    chosen = {*CORE_INTENTS, *chooser.sample(usual, NUM_INTENTS - len(CORE_INTENTS))}
    return [
        Item(INTENT, " ".join(row["text"].split()), row["category"], f"banking77:{number}")
        for number, row in enumerate(rows, 1)
        if row["category"] in chosen
    ]


def _with_reference(item: Item, chooser: random.Random) -> Item:
    number = chooser.randint(100_000, 999_999)
    first, _, rest = item.body.partition("\n")
    said = chooser.choice(["My order number is {}.", "This is about order {}.", "Order {}, by the way.", "The order is {}."]).format(number)
    kept = chooser.choice(["It concerns order {}.", "The order number is {}.", "Order {}."]).format(number)
    return Item(item.task, "\n".join([f"{first} {said}", *([rest] if rest else [])]), f"{item.label} {kept}", item.origin)
