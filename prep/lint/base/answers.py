"""The answer of an example: its text, the mapped field that holds it, and the edit that asks a person for another."""

import re
from collections.abc import Mapping
from typing import Any

from prep.dataset.manifest import Manifest
from prep.dataset.messages import messages_of
from prep.lint.base.subject import Draft, Subject

_TURN = re.compile(r"messages\[(\d+)\]\.content")


def answer_field(row: Mapping[str, Any], fields: dict[str, Any], manifest: Manifest) -> str | None:
    """Returns the mapped field that holds an example's answer: the answer contains its text, or its value has that label word."""
    answer = example_answer(row)
    if answer is None:
        return None
    texts = {name: value.strip() for name, value in fields.items() if isinstance(value, str)}
    # From the last field: templates declare what is shown before what is answered, and a review may say just "positive".
    for name, text in reversed(texts.items()):
        if text == answer.strip():
            return name
    is_labelled = row["chosen"] is None and row["choices"] and row["label"] is not None  # what a pair prefers is said in its own words
    word = row["choices"][row["label"]] if is_labelled else None
    if word is not None:
        words = manifest.template(row["template"]).trained_words
        keys = {key for key, value in words.items() if value == word}
        labels = manifest.config.get("labels") or {}
        raw = keys | {value for value, key in labels.items() if key in keys}
        return next((name for name, value in reversed(fields.items()) if str(value).strip() in raw), None)
    contained = [name for name, text in texts.items() if text and text in answer]
    return max(contained, key=lambda name: len(texts[name]), default=None)


def example_answer(row: Mapping[str, Any]) -> str | None:
    """Returns the answer of an example (a row of `EXAMPLE_SCHEMA`)."""
    found = messages_of(row)
    if found.whole:
        return None if found.answer is None else str(found.answer["content"] or "")
    answer = row["target"] if row["target"] is not None else row["text"]
    return answer if answer is None else str(answer)


def field_text(row: Mapping[str, Any], name: str | None) -> str | None:
    """Returns the text of an example (a row of `EXAMPLE_SCHEMA`) that a finding names as its field; None where it names no single text."""
    if turn := _TURN.fullmatch(name or ""):
        turns, place = messages_of(row).whole, int(turn[1])
        return turns[place]["content"] if place < len(turns) else None
    if name == "chosen":
        return example_answer(row)
    return row[name] if name in {"prompt", "target", "text"} else None


def edit_answer(subject: Subject, reason: str) -> Draft | None:
    """Returns an edit of the answer whose new value is for a person to write; None where no field holds the answer."""
    return None if subject.answer_field is None else Draft("edit", reason, {subject.answer_field: None})
