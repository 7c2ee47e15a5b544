"""Raw rows of all sources with their identity and mapped fields, in one frame."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from loopwright.errors import UserError, did_you_mean, raise_all
from prep.sources.files import SourceFile, read_file
from prep.sources.raw_file import RejectedRow
from prep.sources.source import LINE, RawRows
from prep.sources.source_config import SourceConfig, TurnsConfig
from prep.sources.transcripts.turns import add_turns
from prep.sources.unread import Unread
from prep.text.normalise import hash_column, hash_input

ID_CHARACTERS = 32

ROW_ID = "#row_id"
SOURCE = "#source"
GROUP = "#group"
SPLIT = "#split"
# A thousand times what people's tables have; each column costs work and memory in every step.
_MAX_COLUMNS = 10_000
META_COLUMNS = (ROW_ID, SOURCE, LINE, GROUP, SPLIT)
META_SCHEMA = {ROW_ID: pl.String(), SOURCE: pl.String(), LINE: pl.Int64(), GROUP: pl.String(), SPLIT: pl.String()}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the sources.

    Attributes:
        frame: `META_COLUMNS` and one text column a field, in the order of the sources.
        rejected: (source, row) for each row that could not be read.
        unread: what neither the shape of the records nor the source's own config read. A template may still read a whole column.
    """

    frame: pl.DataFrame
    rejected: list[tuple[str, RejectedRow]]
    unread: Unread = field(default_factory=Unread)

    @property
    def field_names(self) -> list[str]:
        """The fields, those of all sources; none where no row could be read."""
        return [name for name in self.frame.columns if name not in META_COLUMNS]


def iter_rows(files: list[SourceFile], limit: int | None = None) -> Iterator[Rows]:
    """Reads all files, a bounded number of rows at a time, in their order.

    Copies of a row have one id here; `RowStore` tells them apart.

    Args:
        files: what to read.
        limit: rows to read of each file at most; None for all.

    Raises:
        UserError: a file is unreadable as a whole, or the config names a column that it does not have; all such errors together, after
            the last file.
    """
    errors: list[UserError] = []
    for file in files:
        columns: dict[str, None] = {}
        named = {name for _, name in _named_columns(file.source)}
        try:
            reading = read_file(file)
            for batch in _first_rows(reading.batches, limit):
                if len(batch.columns) > _MAX_COLUMNS:
                    cause = f"'{file.shown}' has {len(batch.columns):,} columns, more than {_MAX_COLUMNS:,}"
                    raise UserError(cause, file.where, "Leave out columns that no template needs; if they are keys, make rows of them.")
                raw = add_turns(batch, _turns_config(file.source.turns, file.source)) if file.source.turns else batch
                columns.update(dict.fromkeys([*batch.columns, *raw.columns]))
                unread = Unread()
                unread.add(batch.unread_keys().without(named), file.shown)
                yield Rows(_map_columns(raw, file, reading.group), [(file.shown, row) for row in raw.rejected], unread)
            _check_columns(file, list(columns))
        except UserError as error:
            errors.append(error)
    raise_all(errors)


def _turns_config(turns: TurnsConfig, source: SourceConfig) -> TurnsConfig:
    return turns.model_copy(update={"roles": {**source.speakers, **turns.roles}}) if source.speakers else turns


def _first_rows(batches: Iterator[RawRows], limit: int | None) -> Iterator[RawRows]:
    left = limit
    for raw in batches:
        if left is None:
            yield raw
            continue
        frame = raw.frame.head(left)
        left -= frame.height
        last = frame[LINE].max()
        rejected = raw.rejected if left else [row for row in raw.rejected if last is not None and row.line < last]  # type: ignore[operator]
        yield RawRows(frame, rejected, raw.added.head(frame.height), raw.unread)
        if not left:
            return


def read_rows(files: list[SourceFile]) -> Rows:
    """Reads all files into one frame, for those who need no more than a look.

    Raises:
        UserError: as `iter_rows`.
    """
    batches = list(iter_rows(files))
    frames = [batch.frame for batch in batches] or [pl.DataFrame(schema=META_SCHEMA)]
    return Rows(pl.concat(frames, how="diagonal"), [row for batch in batches for row in batch.rejected])


def _check_columns(file: SourceFile, columns: list[str]) -> None:
    """Refuses columns that the config names and the file does not have; a file of which no row could be read has none to name."""
    for key, column in _named_columns(file.source) if columns else ():
        if column not in columns:
            hint = did_you_mean(column, columns)
            remedy = f"{hint} It has: {', '.join(columns)}." if hint.startswith("Did") else hint
            raise UserError(f"'{file.shown}' has no column '{column}'", f"{file.where}.{key}", remedy)


def _named_columns(source: SourceConfig) -> list[tuple[str, str]]:
    """Returns the columns that a source's config names, each with the key that names it."""
    named = [*((f"fields.{name}", column) for name, column in source.fields.items()), ("key", source.key), ("group", source.group)]
    named += [("turns.field", source.turns.field)] if source.turns else []
    return [(key, column) for key, column in named if column is not None]


def _map_columns(raw: RawRows, file: SourceFile, group: str | None) -> pl.DataFrame:
    """Names the columns as fields, and adds the row's identity, which is made of the file's own columns alone."""
    source = file.source
    frame = raw.frame.rechunk()  # Polars 2.1 panics on joining text of columns whose chunks differ where one is empty
    own = raw.own_columns
    columns = raw.columns
    identity = row_identity(source.alias, own, source.key if source.key in own else None)
    row_id = frame.select(LINE, identity.alias(ROW_ID))[ROW_ID]  # beside the lines, as a constant has no height of its own
    if raw.added.width:
        frame = frame.with_columns(raw.added)

    def column(name: str | None) -> pl.Expr:
        return pl.col(name) if name in columns else pl.lit(None, pl.String)

    mapped = set(source.fields.values())
    # Names with # are this project's own, and nothing that a template could name.
    kept = [name for name in columns if name not in mapped and name not in source.fields and not name.startswith("#")]
    mapped_frame = frame.select(
        pl.lit(file.shown).alias(SOURCE),
        pl.col(LINE),
        column(group).alias(GROUP),
        pl.lit(source.split, pl.String).alias(SPLIT),
        *(column(name).alias(field) for field, name in source.fields.items()),
        *(pl.col(name) for name in kept),
    )
    return mapped_frame.insert_column(0, row_id)


def row_identity(alias: str, columns: list[str], key: str | None) -> pl.Expr:
    """Returns the id of each row: of its source's alias and its key, else of all its columns.

    A column that is null counts for nothing, so that a column which only other rows have changes no id, and the order of the columns
    counts for nothing either.

    Args:
        alias: the source's.
        columns: all columns of the file.
        key: the unique id column, if any. A row without its key is named by its record, or all such rows would be copies
            of one another.
    """
    record = hash_input(*(part for name in sorted(columns) for part in _named_value(name)))
    named = pl.when(pl.col(key).str.len_bytes() > 0).then(hash_input(pl.col(key))).otherwise(record) if key else record
    return hash_column(pl.concat_str(hash_input(pl.lit(alias)), named))


def _named_value(name: str) -> tuple[pl.Expr, pl.Expr]:
    is_given = pl.col(name).is_not_null()
    return pl.when(is_given).then(pl.lit(name)), pl.col(name)


def base_id(row_id: str) -> str:
    """Returns the id that all copies of a row share."""
    return row_id[:ID_CHARACTERS]
