"""Raw rows of all sources with their identity and mapped fields, in one frame."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.errors import UserError, did_you_mean, raise_all
from loopwright.hashing import hash_text
from loopwright.registry import Registry
from prep.config import SourceConfig
from prep.source import LINE, RECORD, RejectedRow, Source

ROW_ID = "#row_id"
SOURCE = "#source"
GROUP = "#group"
SPLIT = "#split"
META_COLUMNS = (ROW_ID, SOURCE, LINE, GROUP, SPLIT)
META_SCHEMA = {ROW_ID: pl.String(), SOURCE: pl.String(), LINE: pl.Int64(), GROUP: pl.String(), SPLIT: pl.String()}
SOURCE_FORMATS: Registry[Source] = Registry("prep.sources", Source, key="name", kind="source format")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read.

    Attributes:
        path: where it is.
        shown: its path as rows and messages name it, relative to the config.
        source: the source that it belongs to.
        format: what reads it.
        where: the source's place in the config, for messages.
    """

    path: Path
    shown: str
    source: SourceConfig
    format: Source
    where: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What the sources hold.

    Attributes:
        frame: `META_COLUMNS` and one text column a field, in the order of the sources.
        rejected: (source, row) for each row that could not be read.
    """

    frame: pl.LazyFrame
    rejected: list[tuple[str, RejectedRow]]

    @property
    def field_names(self) -> list[str]:
        """The fields, those of all sources; none where no row could be read."""
        return [name for name in self.frame.collect_schema().names() if name not in META_COLUMNS]


def source_files(source: SourceConfig, base_dir: Path, where: str) -> list[Path]:
    """Returns the files that a source's path names, sorted: a file, all matches of a glob, or the readable files of a folder.

    Raises:
        UserError: there is none.
    """
    path = base_dir / source.path
    if path.is_file():
        return [path]
    if path.is_dir():
        suffixes = {suffix for one in SOURCE_FORMATS.entries.values() for suffix in one.suffixes}
        found = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in suffixes)
        remedy = f"Put files there that end in one of: {', '.join(sorted(suffixes))}."
    else:
        found = _glob(base_dir, source.path)
        remedy = "Check the path; it is relative to the config file."
    if not found:
        raise UserError(f"the source '{source.path}' is not there", where, remedy)
    return found


def _glob(base_dir: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    root, relative = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (base_dir, pattern)
    try:
        return sorted(file for file in root.glob(relative) if file.is_file())
    except ValueError:  # no pattern at all, such as "a**b"
        return []


def format_of(source: SourceConfig, path: Path, where: str) -> Source:
    """Returns the format to read a file with: the one that the config names, else by the file's ending.

    Raises:
        UserError: the name is unknown, or the ending belongs to no format.
    """
    if source.format != "auto":
        return SOURCE_FORMATS.get(source.format)
    for one in SOURCE_FORMATS.entries.values():
        if path.suffix.lower() in one.suffixes:
            return one
    raise UserError(
        f"cannot tell the format of '{path.name}' by its ending",
        where,
        f"Name it: 'format:' with one of {', '.join(SOURCE_FORMATS.entries)}.",
    )


def find_files(sources: tuple[SourceConfig, ...], base_dir: Path, config_name: str) -> list[SourceFile]:
    """Finds the files of all sources and the format of each.

    Args:
        sources: what to read.
        base_dir: folder that paths are relative to.
        config_name: the config file's name, for messages.

    Raises:
        UserError: a file is missing, or its format is not known; all such errors together.
    """
    found: list[SourceFile] = []
    errors: list[UserError] = []
    for index, source in enumerate(sources):
        where = f"{config_name}: sources.{index}"
        try:
            for path in source_files(source, base_dir, where):
                shown = str(path.relative_to(base_dir)) if path.is_relative_to(base_dir) else str(path)
                found.append(SourceFile(path, shown, source, format_of(source, path, where), where))
        except UserError as error:
            errors.append(error if error.location else UserError(error.cause, f"{where}.format", error.remedy))
    raise_all(errors)
    return found


def read_rows(files: list[SourceFile]) -> Rows:
    """Reads all files.

    Raises:
        UserError: a file is unreadable as a whole, or the config names a column that it does not have; all such errors together.
    """
    frames: list[pl.LazyFrame] = []
    rejected: list[tuple[str, RejectedRow]] = []
    errors: list[UserError] = []
    for file in files:
        try:
            raw = file.format.read(file.path, file.source.encoding)
            frames.append(_map_columns(raw.frame, file.source, file.shown, file.where))
            rejected.extend((file.shown, row) for row in raw.rejected)
        except UserError as error:
            errors.append(error)
    raise_all(errors)
    return Rows(pl.concat(frames, how="diagonal").with_columns(_number_copies()), rejected)


def _map_columns(frame: pl.LazyFrame, source: SourceConfig, shown: str, where: str) -> pl.LazyFrame:
    """Names the columns as fields, and adds the row's identity."""
    columns = [name for name in frame.collect_schema().names() if name not in {LINE, RECORD}]
    if not columns:  # no row of it could be read
        return pl.LazyFrame(schema=META_SCHEMA)
    for key, column in [
        *((f"fields.{name}", column) for name, column in source.fields.items()),
        ("key", source.key),
        ("group", source.group),
    ]:
        if column is not None and column not in columns:
            hint = did_you_mean(column, columns)
            remedy = f"{hint} It has: {', '.join(columns)}." if hint.startswith("Did") else hint
            raise UserError(f"'{shown}' has no column '{column}'", f"{where}.{key}", remedy)
    alias = source.name or source.path
    # A row without its key is named by its record, or all such rows would be copies of one another.
    named = pl.when(pl.col(source.key).str.len_bytes() > 0).then(source.key).otherwise(RECORD) if source.key else pl.col(RECORD)
    identity = named.map_batches(
        lambda values: pl.Series(values.name, [hash_text(alias, value) for value in values], pl.String), return_dtype=pl.String
    )
    mapped = set(source.fields.values())
    # Names with # are this project's own, and nothing that a template could name.
    kept = [name for name in columns if name not in mapped and name not in source.fields and not name.startswith("#")]
    return frame.select(
        identity.alias(ROW_ID),
        pl.lit(shown).alias(SOURCE),
        pl.col(LINE),
        (pl.col(source.group) if source.group else pl.lit(None, pl.String)).alias(GROUP),
        pl.lit(source.split, pl.String).alias(SPLIT),
        *(pl.col(column).alias(name) for name, column in source.fields.items()),
        *(pl.col(name) for name in kept),
    )


def _number_copies() -> pl.Expr:
    """Gives equal records the suffixes -2, -3 in order of appearance."""
    number = pl.int_range(pl.len()).over(ROW_ID) + 1
    return pl.when(number == 1).then(pl.col(ROW_ID)).otherwise(pl.format("{}-{}", ROW_ID, number)).alias(ROW_ID)
