"""A shape of records that is read row by row: the file's columns in, fields of known names out."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl

from loopwright.files import is_utf8
from prep.sources.files import Shape
from prep.sources.json_paths import key_path
from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.shapes.legal import SYSTEM_KEYS
from prep.sources.source import LINE, TEXT_MARK, RawRows, to_text
from prep.sources.strict_json import Keys
from prep.sources.unread import Unread, unread_columns

_NOTHING = re.compile(r'[\s\[\]{},:"]*')
# As it stands in the JSON of turns; within a text its quotes would be escaped.
_REASONING = ',"reasoning":"'


class RecordShape(Shape):
    """A shape in which each row stands for itself.

    Attributes:
        reads: the columns that it reads.
        makes: the fields that it adds.
        only_in_turns: those of the columns that `turns` alone says: no other field has what stands in them.
    """

    reads: ClassVar[tuple[str, ...]]
    makes: ClassVar[tuple[str, ...]]
    only_in_turns: ClassVar[tuple[str, ...]] = SYSTEM_KEYS

    @abstractmethod
    def is_of_shape(self, record: Keys) -> bool:
        """Whether a record has this shape, by its columns and what they hold."""

    @abstractmethod
    def fields(self, record: Keys) -> dict[str, Any]:
        """Returns the fields of a record; lists are written as JSON.

        Args:
            record: the columns of `reads`; what is not asked for counts as not read.

        Raises:
            ValueError: the record is not of this shape; the message says why, with "it" for the record.
        """

    def fits(self, record: dict[str, str | None]) -> int:
        """Returns how many of a record's columns this shape reads, or 0."""
        whole = Keys({name: record.get(name) for name in self.reads})
        return sum(value is not None for value in whole.values()) if self.is_of_shape(whole) else 0

    def is_silent(self, record: dict[str, str | None]) -> bool:
        """Whether all columns that this shape reads are missing, blank, or lists and objects without a word in them."""
        return all(_NOTHING.fullmatch(record.get(name) or "") for name in self.reads)

    def reads_any(self, record: dict[str, str | None]) -> bool:
        """Whether any of these columns is there."""
        return any(record.get(name) is not None for name in self.reads)

    def convert(self, batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
        """Adds the fields; a row that is not of this shape is rejected as `bad_record`."""
        num_reasoned = 0
        for rows in batches:
            made: list[tuple[str | None, ...]] = []
            rejected: list[RejectedRow] = []
            is_good: list[bool] = []
            unread = Unread()
            for line, values in rows.records(self.reads):
                record = Keys(values)
                try:
                    found = self.fields(record)
                    texts = tuple(to_text(found.get(name)) for name in self.makes)
                    if not all(text is None or text.isascii() or is_utf8(text) for text in texts):
                        raise ValueError("JSON within it holds half a character")
                    made.append(texts)
                    is_good.append(True)
                    if paths := record.unread:
                        unread.note(paths, line)
                except (ValueError, RecursionError) as error:
                    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
                    rejected.append(RejectedRow(line, "bad_record", f"the record is not of the format {self.name}: {why}"))
                    is_good.append(False)
            good = pl.Series(is_good, dtype=pl.Boolean)
            fields = pl.DataFrame(made, schema=dict.fromkeys(self.makes, pl.String()), orient="row")
            # A field that no row has is left out, unless it stands in place of a column.
            added = fields.select(name for name in self.makes if fields[name].null_count() < len(made) or name in rows.frame.columns)
            if rows.added.width:
                added = rows.added.filter(good).drop(added.columns, strict=False).hstack(added)
            # What is made is no text of the file, whatever the column is called.
            frame = rows.frame.filter(good).drop([TEXT_MARK + name for name in self.makes], strict=False)
            others = [name for name in rows.own_columns if name not in self.reads]
            unread.add(unread_columns(frame, others, frame[LINE]))
            if "turns" in self.makes:
                said = [
                    name for name in rows.own_columns if name in self.only_in_turns and name in self.reads and key_path(name) not in unread
                ]
                unread.add(unread_columns(frame, said, frame[LINE], said_by="turns"))
            yield RawRows(frame, rows.rejected + rejected, added, unread)
            if "turns" in added.columns:
                num_reasoned += int(added["turns"].str.contains(_REASONING, literal=True).sum())
        if num_reasoned:
            file.notices.append(
                f"{num_reasoned:,} rows of '{file.path.name}' hold reasoning: it stands in their turns as 'reasoning', apart from the text."
            )
