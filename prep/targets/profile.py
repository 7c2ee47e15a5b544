"""What a target is: how a row is written for it, what its files are held to, what lies beside them."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from loopwright.registry import Registry
from prep.targets.checks.rules import Findings
from prep.targets.rows import ExportRow
from prep.targets.writers import LineWriter, RowWriter
from templates.form import Form

# Checks one row; it may remember what earlier rows of the file were like.
Checker = Callable[[dict[str, Any], Findings], None]


class CannotHold(Exception):
    """A row that the target's format has no place for.

    Args:
        reason: why, as a name to count by.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Job:
    """One export.

    Attributes:
        name: the dataset's name.
        form: the form that is written.
        has_extras: some row has tools, calls, names or weights.
        has_untrained_turns: some assistant message of the dataset has weight 0. Where a format has no place for weights, that decides
            whether its files mean all answers or the last one.
        changed: what was written otherwise than it stands in the dataset, counted.
    """

    name: str
    form: Form
    has_extras: bool = False
    has_untrained_turns: bool = False
    changed: Counter[str] = field(default_factory=Counter)


class Profile(ABC):
    """A target. A subclass in a module of `prep.targets` is found by itself.

    One export, or one validation, makes one instance, without arguments.

    Attributes:
        name: what `--target` takes.
        title: what it is, for people.
        forms: the forms that it takes, the preferred first.
        min_rows: rows that a training file needs.
        max_bytes: the largest file that is taken; None for any.
        refuses_bom: a byte order mark is an error, not a warning.
        lines_only: a file is JSON Lines, and neither an array nor parquet.
        left_out_rules: rules that a sound row can break because the format is narrower than ours: such rows are left out and counted,
            where any other broken rule stops the export.
        beside: the files that `write_beside` writes.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    forms: ClassVar[tuple[Form, ...]]
    min_rows: ClassVar[int] = 1
    max_bytes: ClassVar[int | None] = None
    refuses_bom: ClassVar[bool] = True
    lines_only: ClassVar[bool] = False
    left_out_rules: ClassVar[frozenset[str]] = frozenset()
    beside: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        """Returns a row as the target's file has it.

        Raises:
            CannotHold: the format has no place for it.
        """

    @abstractmethod
    def checker(self) -> Checker:
        """Returns what checks the rows of one file."""

    def file_checker(self, path: Path, found: Findings) -> Checker:  # noqa: ARG002 (most files say all by themselves)
        """Returns what checks the rows of a file by what lies beside it; `found` takes what is wrong there."""
        return self.checker()

    def own_checker(self, form: Form) -> Checker:  # noqa: ARG002 (most rows say their form by themselves)
        """Returns what checks rows as `convert` makes them for a form."""
        return self.checker()

    def open_writer(self, folder: Path, split: str, job: Job) -> RowWriter:  # noqa: ARG002 (lines need no schema)
        """Returns what writes a split's rows."""
        return LineWriter(folder, split)

    def write_beside(self, folder: Path, job: Job, files: dict[str, list[str]]) -> None:  # noqa: B027 (most targets need nothing)
        """Writes what the target wants beside its files.

        Args:
            folder: the export's folder.
            job: the export.
            files: split -> its files, relative to the folder; splits without a row are not in it.
        """


PROFILES: Registry[Profile] = Registry("prep.targets", Profile, key="name", kind="target", plugins=("targets",))
