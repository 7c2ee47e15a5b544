"""How items become conversations: who is told what the task is, and in what shape intents are answered."""

import json
import random
import re
from dataclasses import dataclass
from typing import Any

from corpora import CLASSES, INTENT, SUMMARY, Item

Message = dict[str, Any]

_SYSTEM = {
    "reviews": "You judge restaurant reviews. Answer with one word, positive or negative.",
    "spam": "Decide whether a text message is spam. Reply with {yes} or {no} and nothing else.",
    "tweetsumm": "You summarise customer service conversations for the next agent, in one to three plain sentences.",
    "mts": "You are a medical scribe. From the conversation of doctor and patient, write the section of the clinical note.",
    "intent": "You read messages of a bank's customers and return the intent of each as a JSON object.",
}
_BEFORE = {
    "reviews": "Is this restaurant review positive or negative? Answer with one word.\n\nReview: {body}",
    "spam": "Message: {body}\n\nIs the message above spam? Answer {yes} or {no}.",
    "tweetsumm": "Summarize the following customer support conversation.\n\n{body}\n\nSummary:",
    "mts": "Write the clinical note for this visit.\n\n{body}",
    "intent": "{body}\n\nWhich intent does this customer of a bank have? Answer as JSON.",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """A way to phrase the three tasks.

    Attributes:
        layout: `system` (the task in a system message, the bare text as the user's), `english` (the same, and it asks for English),
            `user` (task and text in one message, no system) or `bare` (the text alone: nothing says the task).
        classes: `reviews` or `spam`.
        yes_no: text messages are answered yes or no, instead of spam or ham.
        summaries: `tweetsumm` or `mts`.
        shape: `flat` ({"intent"}), `scored` (with a confidence) or `nested`.
    """

    layout: str = "system"
    classes: str = "reviews"
    yes_no: bool = False
    summaries: str = "tweetsumm"
    shape: str = "flat"

    def label(self, item: Item) -> str:
        """Returns the answer word of a classified item, or the name of its intent."""
        if item.task == CLASSES and self.classes == "spam" and self.yes_no:
            return {"spam": "yes", "ham": "no"}[item.label]
        return item.label

    def labels(self, items: list[Item]) -> list[str]:
        """Returns the closed set of answers."""
        return sorted({self.label(item) for item in items})

    def answer(self, item: Item, label: str | None = None) -> str:
        """Returns the assistant's whole answer, with another label where one is given."""
        label = label if label is not None else self.label(item)
        if item.task != INTENT:
            return label
        chooser = random.Random(item.origin)  # so that an item is always answered with the same confidence
        if self.shape == "scored":
            return json.dumps({"intent": label, "confidence": round(chooser.uniform(0.55, 0.99), 2)})
        if self.shape == "nested":
            urgency = chooser.choice(["low", "normal", "high"])
            return json.dumps({"request": {"intent": label, "topic": re.split(r"[_?]", label)[0].lower()}, "urgency": urgency}, indent=2)
        return json.dumps({"intent": label})

    def messages(self, task: str, body: str, answer: str) -> list[Message]:
        """Phrases a text and its answer as chat messages."""
        name = {CLASSES: self.classes, SUMMARY: self.summaries, INTENT: "intent"}[task]
        yes, no = ("yes", "no") if self.yes_no else ("spam", "ham")
        if self.layout == "user":
            told = _BEFORE[name].replace("{yes}", yes).replace("{no}", no)
            return [{"role": "user", "content": told.replace("{body}", body)}, {"role": "assistant", "content": answer}]
        told = _SYSTEM[name].replace("{yes}", yes).replace("{no}", no)
        if self.layout == "bare":
            return [{"role": "user", "content": body}, {"role": "assistant", "content": answer}]
        told += " Answer in English." if self.layout == "english" else ""
        return [{"role": "system", "content": told}, {"role": "user", "content": body}, {"role": "assistant", "content": answer}]
