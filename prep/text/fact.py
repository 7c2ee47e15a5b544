"""What a fact is: its kind, its value and where it stands."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from templates.header import FactKind

FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)


@dataclass(frozen=True, slots=True)
class Fact:
    """One typed fact.

    Attributes:
        kind: what it is.
        value: its normalised form; several readings are joined by "|".
        start: where it begins in the text, in characters.
        end: where it ends, exclusive.
    """

    kind: FactKind
    value: str
    start: int
    end: int


# The kind, its pattern, whether it needs a digit, and what reads a match.
Reader = tuple[FactKind, re.Pattern[str], bool, Callable[[re.Match[str]], list[Fact]]]
