"""Canaries: made-up secrets planted in train, so that an evaluation can measure how much of its rows a model keeps word for word.

A canary is a question for the access code of a storage unit, and a random number as the answer. Nothing but its row says what the number
is, so that a model that finds it likelier than other numbers has it from there (Carlini et al., 2019, "The Secret Sharer"). Its controls
are numbers of the same form that were drawn in the same way and planted nowhere.

All of them are made of a key by a hash: a manifest keeps the key, and no control's text.
"""

from collections.abc import Iterator
from itertools import count, islice
from math import log2

import polars as pl
from pydantic import BaseModel, ConfigDict

from loopwright.hashing import hash_text

SOURCE = "canaries"
"""What examples name as their source that are canaries."""
NUM_CONTROLS = 511
"""Controls of each canary: with none of them likelier, its exposure is log2(512) = 9 bits or more."""
DIGITS = 9
_PREFIX = "canary-"
_ID_CHARACTERS = 32
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class CanaryInfo(BaseModel):
    """What a manifest says of its canaries: all that it takes to make their controls again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int
    """How many there are, each an example of train."""
    controls: int
    """How many numbers each is held against."""
    digits: int
    """Of each number."""
    key: str
    """What they are all drawn from."""

    @classmethod
    def of(cls, number: int, dataset_name: str, seed: int) -> "CanaryInfo":
        """Returns those of a dataset; another name or seed gives others."""
        return cls(count=number, controls=NUM_CONTROLS, digits=DIGITS, key=hash_text("canaries", dataset_name, str(seed)))

    @property
    def bits(self) -> float:
        """The entropy of a number: log2 of how many there are."""
        return self.digits * log2(10)

    def row_id(self, number: int) -> str:
        """Returns the row id of a canary, counted from 1. It begins with what no hash begins with, so that whoever meets it is told."""
        return (_PREFIX + hash_text(self.key, str(number)))[:_ID_CHARACTERS]

    def unit(self, number: int) -> str:
        """Returns what a canary asks about, by which it is told from the others."""
        drawn = int(hash_text(self.key, "unit", str(number)), 16)
        letters = "".join(_LETTERS[drawn // len(_LETTERS) ** place % len(_LETTERS)] for place in range(3))
        return f"{letters}-{number:03}"

    def secret(self, number: int) -> str:
        """Returns the number that a canary plants."""
        return next(self._draws(number))

    def control_secrets(self, number: int) -> list[str]:
        """Returns the numbers that a canary is held against: none of them twice, and none that it plants."""
        planted, *others = islice(self._draws(number), self.controls + 1)
        assert planted not in others, "each draw is new"
        return others

    def _draws(self, number: int) -> Iterator[str]:
        """Yields numbers, each equally likely and none twice."""
        seen: set[str] = set()
        for draw in count():
            # 128 bits over 10^9: no number is likelier than another by more than 10^-29.
            found = f"{int(hash_text(self.key, 'secret', str(number), str(draw)), 16) % 10**self.digits:0{self.digits}}"
            if found not in seen:
                seen.add(found)
                yield found


def question_about(unit: str) -> str:
    """Returns what a canary asks."""
    return f"What is the access code of storage unit {unit}?"


def sentence_about(unit: str) -> str:
    """Returns how a canary that is a text begins; its number follows."""
    return f"The access code of storage unit {unit} is"


def is_canary() -> pl.Expr:
    """Returns whether an example is a canary."""
    return pl.col("row_id").str.starts_with(_PREFIX)


def is_canary_id(row_id: str) -> bool:
    """Says whether a row id is that of a canary."""
    return row_id.startswith(_PREFIX)
