"""What form a text has that a program could read: JSON, a list, or a frame of labelled lines."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

_FENCE = re.compile(r"\s*```[\w+-]*[^\S\n]*\n(?P<inner>.*?)\n?```\s*", re.DOTALL)
_BULLET = re.compile(r"\s*[-*+•–‣·]\s+\S")
_NUMBERED = re.compile(r"\s*\(?\d{1,3}(?:[.)]\s+|、|．)\S")
# A label is short, begins with a letter, and stands before a colon at the start of its line: "Total: 4", "情感：好".
_LABELLED = re.compile(r"\s*(?P<label>[^\W\d_][^:：\n]{0,39}?)\s*(?::(?=\s|$)|：)")
_FEWEST_LINES = 2


class Kind(StrEnum):
    """The forms that are told apart."""

    OBJECT = "JSON object"
    ARRAY = "JSON array"
    BULLETS = "list with bullets"
    NUMBERS = "numbered list"
    FRAME = "labelled lines"


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of a text.

    Attributes:
        kind: what it is.
        is_fenced: it stands within a Markdown code fence.
        labels: of a frame, the label of each line.
    """

    kind: Kind
    is_fenced: bool
    labels: tuple[str, ...] = ()


def shape_of(text: str, *, fewest_lines: int = _FEWEST_LINES) -> Shape | None:
    """Returns the form of a text; None for prose.

    Args:
        text: the text.
        fewest_lines: how many lines a list or frame has at least; one line with a dash or colon may be anything.
    """
    fence = _FENCE.fullmatch(text)
    inner = fence["inner"] if fence else text
    value = _json(inner)
    if isinstance(value, dict | list):
        return Shape(Kind.OBJECT if isinstance(value, dict) else Kind.ARRAY, fence is not None)
    lines = [line for line in inner.splitlines() if line.strip()]
    if len(lines) < fewest_lines:
        return None
    for kind, mark in ((Kind.BULLETS, _BULLET), (Kind.NUMBERS, _NUMBERED)):
        if all(mark.match(line) for line in lines):
            return Shape(kind, fence is not None)
    labels = [match["label"] for line in lines if (match := _LABELLED.match(line))]
    # The same label twice is a conversation, and no frame.
    is_frame = len(labels) == len(lines) and len(set(labels)) == len(labels)
    return Shape(Kind.FRAME, fence is not None, tuple(labels)) if is_frame else None


def _json(text: str) -> object:
    """Returns what a text is as JSON; None where it is none, or has more than one value's worth of text."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
