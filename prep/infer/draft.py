"""The config in the making."""

from dataclasses import dataclass, field
from typing import Any

from prep.text.language import UNKNOWN


@dataclass(slots=True)
class Draft:
    """What a first config will say.

    Attributes:
        name: the dataset's name.
        sources: of each file its path as the config writes it, and what it needs beside.
        guesses: one line each: what was guessed and from what.
        language: of the texts.
        fields: the template's field -> the file's column.
        template: its name in the library, or the path of one of its own.
        template_source: what that one says.
        others: templates of the library that fit too.
        labels: raw value -> verbalizer key, where they differ.
        key: the column that names rows.
        group: the column whose rows stay together.
        date: the column that rows can be divided by.
        transcript: the column that may be made turns of.
        has_turns: whether it is: all its texts show turns.
        is_clinical: whether the texts are clinical notes or talks.
        split: the shares of the splits.
    """

    name: str
    sources: list[dict[str, Any]]
    guesses: list[str] = field(default_factory=list)
    language: str = UNKNOWN
    fields: dict[str, str] = field(default_factory=dict)
    template: dict[str, str] = field(default_factory=dict)
    template_source: str | None = None
    others: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    group: str | None = None
    date: str | None = None
    transcript: str | None = None
    has_turns: bool = False
    is_clinical: bool = False
    split: dict[str, float] = field(default_factory=lambda: {"train": 0.8, "validation": 0.1, "test": 0.1})

    def say(self, guess: str) -> None:
        """Explains a guess."""
        self.guesses.append(guess)
