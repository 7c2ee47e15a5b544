"""What one rendering may use: loop turns, characters written, characters worked on.

A template from a stranger must not hurt the machine, whatever it does. So nothing that grows or repeats goes uncounted: each operation
is charged for the text that it reads and writes before it runs, where its result could be far larger than what went in.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError, TemplateRuntimeError

# Far above any real rendering of one row, far below what would hurt a machine.
MAX_STEPS = 100_000
MAX_CHARACTERS = 5_000_000
MAX_WORK = 6 * MAX_CHARACTERS
MAX_INTEGER = 10**48
MAX_WIDTH = 10_000
# What an item of a list counts for beside its text: about the memory and time that it takes.
ITEM_CHARACTERS = 10


class LimitError(SecurityError):
    """A template asked for more work or output than one row can need."""


@dataclass(slots=True)
class Budget:
    """What one rendering may still use."""

    steps: int = MAX_STEPS
    characters: int = MAX_CHARACTERS
    work: int = MAX_WORK


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


def fresh_budget() -> None:
    """Starts the count anew. Called before each rendering."""
    _budget.set(Budget())


def step() -> None:
    """Counts one turn of a loop or one call."""
    if (budget := _budget.get()) is not None:
        budget.steps -= 1
        if budget.steps < 0:
            raise LimitError(f"the template runs more than {MAX_STEPS:,} loop turns and calls")


def write(num_characters: int) -> None:
    """Counts output."""
    if (budget := _budget.get()) is not None:
        budget.characters -= num_characters
        if budget.characters < 0:
            raise LimitError(f"the template writes more than {MAX_CHARACTERS:,} characters")


def work(num_characters: int) -> None:
    """Counts characters, or items of a list, that an operation reads or makes."""
    if (budget := _budget.get()) is not None:
        budget.work -= num_characters
        if budget.work < 0:
            raise LimitError(f"the template works on more than {MAX_WORK:,} characters")


def allow(num_characters: int, what: str) -> None:
    """Refuses a result that would be too long, before it is made."""
    if num_characters > MAX_CHARACTERS:
        raise LimitError(f"{what} would be longer than {MAX_CHARACTERS:,} characters")


def size(value: Any) -> int:
    """Returns how much a value holds at its first level: characters or items; 1 for what is neither."""
    return len(value) if isinstance(value, str | list | tuple | dict | range) else 1


def text_size(value: Any) -> int:
    """Returns about how many characters a value has as text, what it contains included.

    Raises:
        LimitError: they are too many. A list that holds itself over and over has few items and no end of text.
    """
    # Most values are plain text or numbers. By exact type: a subclass takes the long way.
    kind = type(value)
    if kind is str and len(value) <= MAX_CHARACTERS:
        return len(value)
    if kind is int or value is None:
        return ITEM_CHARACTERS
    return sum(characters for _, characters, _ in _walk(value))


def indent_size(value: Any) -> int:
    """Returns about how many characters of indentation JSON needs for a value, for each column of the indentation."""
    return sum(depth for depth, _, _ in _walk(value))


def printable(value: Any) -> Any:
    """Returns a value that has a text of its own, having counted it as output.

    Raises:
        TemplateRuntimeError: its text would be that of an object in memory, which is another one in each run.
    """
    if type(value) is str:  # as `write` does, without a call for each: most of what a template prints is plain text
        if (budget := _budget.get()) is not None:
            budget.characters -= len(value)
            if budget.characters < 0:
                write(0)
        return value
    for _, characters, part in _walk(value):
        if not isinstance(part, str | int | float | list | tuple | dict | Undefined | None):
            raise TemplateRuntimeError(f"a value of type '{type(part).__name__}' has no text")
        write(characters)
    return value


def _walk(value: Any) -> Iterator[tuple[int, int, Any]]:
    """Yields depth, about how many characters and the value itself, of a value and of all that it contains, depth first."""
    total = 0
    pending = [iter((value,))]
    while pending:
        try:
            part = next(pending[-1])
        except StopIteration:
            pending.pop()
            continue
        if isinstance(part, Undefined) and len(pending) > 1:
            str(part)  # raises: within a list it would be printed as the word Undefined
        characters = size(part) if isinstance(part, str | range) else ITEM_CHARACTERS
        total += characters
        if total > MAX_CHARACTERS:
            raise LimitError(f"a value is longer than {MAX_CHARACTERS:,} characters")
        yield len(pending), characters, part
        if isinstance(part, dict):
            pending.append(chain.from_iterable(part.items()))
        elif isinstance(part, list | tuple):
            pending.append(iter(part))
