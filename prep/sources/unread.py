"""What a file holds and nobody reads: keys, columns and parts, counted by their path."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from prep.dataset.manifest import UnreadInfo
from prep.pii.masking import shorten
from prep.sources.columns import columns_of
from prep.sources.json_paths import key_path

_BLANK = r"^[\s\[\]{}]*$"


@dataclass(frozen=True, slots=True)
class UnreadKey:
    """A key that nobody read.

    Attributes:
        num_rows: the rows that have it with a value.
        line: where the first of them starts.
        source: the file of that row; empty where only one file is spoken of.
        said_by: the field that a shape of records makes and that alone says it: it is read after all where that field is.
    """

    num_rows: int
    line: int
    source: str = ""
    said_by: str | None = None

    @property
    def place(self) -> str:
        """The first row that has it."""
        return f"{self.source}:{self.line}"


class Unread(dict[str, UnreadKey]):
    """Path of a key, such as `annotator` or `messages[].annotator` -> the rows in which nobody read it."""

    def note(self, paths: Iterable[str], line: int) -> None:
        """Counts the paths that nobody read of a row; rows come in their order."""
        for path in paths:
            known = self.get(path)
            self[path] = UnreadKey(1, line) if known is None else replace(known, num_rows=known.num_rows + 1)

    def add(self, other: "Unread", source: str = "") -> None:
        """Adds what was counted in rows that come later.

        Args:
            other: their counts.
            source: their file, where the counts do not say.
        """
        for path, one in other.items():
            known = self.get(path) or UnreadKey(0, one.line, one.source or source, one.said_by)
            self[path] = replace(known, num_rows=known.num_rows + one.num_rows)

    @property
    def counts(self) -> dict[str, int]:
        """Path -> the rows that have it."""
        return {path: one.num_rows for path, one in self.items()}

    def as_manifest(self) -> dict[str, UnreadInfo]:
        """Returns the counts as a manifest has them."""
        return {path: UnreadInfo(rows=one.num_rows, first=one.place) for path, one in self.items()}

    def without(self, names: Collection[str]) -> "Unread":
        """Returns the counts without some columns and fields, which somebody else reads."""
        read = {key_path(name) for name in names}
        return Unread({path: one for path, one in self.items() if path not in read and one.said_by not in names})


def unread_columns(frame: pl.DataFrame, names: Iterable[str], lines: pl.Series, said_by: str | None = None) -> Unread:
    """Returns the counts of whole columns; one that is empty says nothing and is left out.

    Args:
        frame: the rows.
        names: the columns.
        lines: the line of each row.
        said_by: the field that alone says what stands in them.
    """
    found = Unread()
    columns = columns_of(frame)
    for name in names:
        is_there = columns[name].is_not_null()
        if said_by is not None:  # a shape takes what is blank for nothing
            is_there &= ~columns[name].str.contains(_BLANK).fill_null(True)
        if count := int(is_there.sum()):
            first = is_there.arg_max()
            assert first is not None
            found[key_path(name)] = UnreadKey(count, lines[first], said_by=said_by)
    return found


def describe_unread(unread: Mapping[str, UnreadInfo], max_shown: int) -> list[str]:
    """Returns keys that nothing reads, those that the same rows have in one line, such as `date, stars: 708 rows, first at a.csv:2`.

    Args:
        unread: the keys by their paths.
        max_shown: how many lines there may be; a last one says how many more keys there are.
    """
    keys: dict[tuple[int, str], list[str]] = {}
    for path, one in unread.items():
        keys.setdefault((one.rows, one.first), []).append(shorten(path))
    said = [f"{', '.join(paths)}: {rows:,} row{'s' * (rows != 1)}, first at {first}" for (rows, first), paths in keys.items()]
    if len(said) > max_shown:
        num_more = sum(map(len, list(keys.values())[max_shown:]))
        said[max_shown:] = [f"and {num_more:,} more keys"]
    return said
