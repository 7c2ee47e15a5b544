"""What a planted defect is: its kind, the codes that answer for it, and how it is put into an item."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from corpora import Item
from wording import Message, Wording


@dataclass(eq=False, slots=True)
class Row:
    """One line of train.jsonl or test.jsonl.

    Attributes:
        item: what it was made from.
        messages: the conversation.
        kind: the planted defect, or None.
        note: what was done to it.
        split: `train` or `test`.
        partner: the other row of the pair, for duplicates, conflicts and leaks.
    """

    item: Item
    messages: list[Message]
    kind: str | None = None
    note: str = ""
    split: str = "train"
    partner: "Row | None" = None


@dataclass(slots=True)
class Workshop:
    """What planters work with.

    Attributes:
        chooser: the seeded source of chance.
        wording: how rows are phrased.
        spares: by task, clean items that are in no row.
        labels: by task, the closed set of labels (none for summaries).
    """

    chooser: random.Random
    wording: Wording
    spares: dict[str, list[Item]]
    labels: dict[str, list[str]]
    state: dict[str, str] = field(default_factory=dict)

    def row(self, item: Item, *, body: str | None = None, answer: str | None = None, note: str = "") -> Row:
        """Phrases an item, with another body or answer where given."""
        messages = self.wording.messages(
            item.task, item.body if body is None else body, self.wording.answer(item) if answer is None else answer
        )
        return Row(item, messages, note=note)

    def other_label(self, item: Item) -> str:
        """Returns a label of the task that is not the item's."""
        return self.chooser.choice([label for label in self.labels[item.task] if label != self.wording.label(item)])


Planter = Callable[[Workshop, Item, int], "Row | None"]
"""Makes the n-th defective row of an item, or None where the item does not lend itself to the defect."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of defect.

    Attributes:
        name: as the key file has it.
        codes: the rules that answer for it.
        tasks: the share of each task among its rows, by task.
        plant: the planter.
        how: `alone` (a row of its own), `pair` (a clean row stays, and this one joins it) or `leak` (a pair across the files).
        anywhere: some of its rows go into the test file.
    """

    name: str
    codes: tuple[str, ...]
    tasks: dict[str, int]
    plant: Planter
    how: str = "alone"
    anywhere: bool = True


KINDS: dict[str, Kind] = {}


def kind(name: str, codes: Iterable[str], *, how: str = "alone", anywhere: bool = True, **tasks: int) -> Callable[[Planter], Planter]:
    """Registers a planter under the name of its kind; keywords give the number of rows of each task among 20."""

    def register(plant: Planter) -> Planter:
        KINDS[name] = Kind(name, tuple(codes), tasks, plant, how, anywhere)
        return plant

    return register


def insert_sentence(chooser: random.Random, text: str, sentence: str) -> str:
    """Puts a sentence before, after or between the sentences of a text."""
    ends = [place + 1 for place, letter in enumerate(text[:-1]) if letter in ".!?" and text[place + 1].isspace()]
    place = chooser.choice([0, len(text), len(text), *ends[:3]])
    return " ".join(part for part in (text[:place].strip(" "), sentence, text[place:].strip(" ")) if part)
