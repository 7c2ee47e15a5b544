"""Which files a source names, and with which format each is read."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import UserError, raise_all
from loopwright.registry import Registry
from prep.sources.hub import HUB, hub_files, saved_files
from prep.sources.newlines import with_newlines
from prep.sources.raw_file import RawFile, data_suffix
from prep.sources.sniff import sniff_format
from prep.sources.source import RawRows, Source
from prep.sources.source_config import SourceConfig
from prep.sources.speakers import with_roles

SOURCE_FORMATS: Registry[Source] = Registry("prep.sources", Source, key="name", kind="source format", plugins=("sources", "shapes"))
_NUM_LOOKED_AT = 8  # records by which a shape is told
_NUM_READ = 64  # among which they are looked for
# What datasets' own folders hold beside the rows.
_NO_ROWS = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read.

    Attributes:
        path: where it is.
        shown: its path as rows and messages name it, relative to the config.
        source: the source that it belongs to.
        format: what reads it.
        where: the source's place in the config, for messages.
        notices: what the user should know of how it was read; complete when it has been.
        opened: the file each time that it was opened.
    """

    path: Path
    shown: str
    source: SourceConfig
    format: Source
    where: str
    notices: list[str] = field(default_factory=list)
    opened: list[BinaryIO] = field(default_factory=list)

    def num_bytes_read(self) -> int:
        """Returns how many bytes of the file have been read, packed as it lies there."""
        try:
            return self.opened[-1].tell() if self.opened else 0
        except ValueError:  # it is closed, and so at its end
            return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class Reading:
    """A file being read.

    Attributes:
        batches: its rows.
        group: the column that keeps rows in one split, if the config or the format names one.
    """

    batches: Iterator[RawRows]
    group: str | None


class Shape(Source):
    """A shape of records, whatever file holds them: reads the file's columns, and adds fields of known names to them."""

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file as what it is, and adds the fields."""
        return self.convert(_read_columns(container_of(file.path, file.options), file), file)

    @abstractmethod
    def fits(self, record: dict[str, str | None]) -> int:
        """Returns how many of a record's columns this shape would read; 0 where the record is none of this shape."""

    def is_silent(self, record: dict[str, str | None]) -> bool:  # noqa: ARG002 (a shape that does not say otherwise has none)
        """Whether a record holds nothing of what this shape reads, so that it does not tell what the others are."""
        return False

    def reads_any(self, record: dict[str, str | None]) -> bool:  # noqa: ARG002 (likewise)
        """Whether a record has any of the columns that this shape reads, be it empty."""
        return False

    @abstractmethod
    def convert(self, batches: Iterator[RawRows], file: RawFile) -> Iterator[RawRows]:
        """Adds the fields; a row that is not of this shape is rejected."""


def find_files(
    sources: tuple[SourceConfig, ...], base_dir: Path, config_name: str, tables: Mapping[str, Path] | None = None
) -> list[SourceFile]:
    """Finds the files of all sources and the format of each.

    Args:
        sources: what to read.
        base_dir: folder that paths are relative to.
        config_name: the config file's name, for messages.
        tables: source's name -> the file that was written of the table that stands for it.

    Raises:
        UserError: a file is missing, its format is not known, or the config has a key that the format does not read; all such errors
            together.
    """
    found: list[SourceFile] = []
    errors: list[UserError] = []
    for index, source in enumerate(sources):
        where = f"{config_name}: sources.{index}"
        try:
            if table := (tables or {}).get(source.name or ""):
                files = [SourceFile(table, source.alias, source, format_of(source, table), where)]
            else:
                files = [_source_file(path, source, base_dir, where) for path in source_files(source, base_dir, where)]
            _check_options(source, files, where)
            found += files
        except UserError as error:
            errors.append(error if error.location else UserError(error.cause, f"{where}.format", error.remedy))
    raise_all(errors)
    return found


def source_files(source: SourceConfig, base_dir: Path, where: str) -> list[Path]:
    """Returns the files that a source's path names, sorted: a file, all matches of a glob, or the readable files of a folder.

    Raises:
        UserError: there is none.
    """
    if source.path is None:
        cause = f"the source '{source.alias}' has no path, and no table was given for it"
        remedy = "Add 'path:' with its file, or build from Python: prep.build_dataset(config, out, tables={'" + source.alias + "': table})."
        raise UserError(cause, where, remedy)
    if "://" in source.path:
        if source.path.startswith(HUB):
            return hub_files(source.path, f"{where}.path")
        scheme = source.path.partition("://")[0]
        raise UserError(f"'{scheme}://' paths are not read", f"{where}.path", "Copy the files to a folder here and name that.")
    path = base_dir / source.path
    if path.is_file():
        return [path]
    if path.is_dir():
        suffixes = {suffix for one in SOURCE_FORMATS.entries.values() for suffix in one.suffixes}
        found = saved_files(path) or _folder_files(path, suffixes)
        remedy = f"Put files there that end in one of: {', '.join(sorted(suffixes))}."
    else:
        found = _glob(base_dir, source.path)
        remedy = "Check the path; it is relative to the config file."
    if not found:
        raise UserError(f"the source '{source.path}' is not there", where, remedy)
    return found


def format_of(source: SourceConfig, path: Path) -> Source:
    """Returns the format to read a file with: the one that the config names, else the file's own.

    Raises:
        UserError: the name is unknown, or neither the file's ending nor its content tells what it is.
    """
    if source.format == "auto":
        return container_of(path, source)
    named = SOURCE_FORMATS.get(source.format)()
    if isinstance(named, Shape):
        container_of(path, source)  # refuses the file now, before the first row is read
    return named


def container_of(path: Path, source: SourceConfig) -> Source:
    """Returns the format of a file by its ending, else by its content.

    Raises:
        UserError: neither tells it.
    """
    suffix = data_suffix(path)
    for one in SOURCE_FORMATS.entries.values():
        if suffix in one.suffixes:
            return one()
    if name := sniff_format(path, source):
        return SOURCE_FORMATS.get(name)()
    raise UserError(
        f"cannot tell the format of '{path.name}' by its ending or content",
        remedy=f"Name it: 'format:' with one of {', '.join(SOURCE_FORMATS.entries)}.",
    )


def read_file(file: SourceFile) -> Reading:
    """Starts to read a file; under `format: auto` its first records tell whether they have a shape of their own.

    Raises:
        UserError: the file as a whole cannot be read.
    """
    raw = RawFile(file.path, file.source, file.notices, file.opened)
    batches = file.format.read(raw) if isinstance(file.format, Shape) else _read_columns(file.format, raw)
    if file.source.format != "auto":
        return Reading(batches, file.source.group or file.format.group)
    container = file.format.name
    if data_suffix(file.path) not in file.format.suffixes:
        file.notices.append(f"'{file.shown}' is read as {container}, by its content. Name another with 'format:'.")
    seen: list[RawRows] = []
    for batch in batches:
        seen.append(batch)
        if not batch.frame.is_empty():
            break
    fitting = _fitting_shapes(seen[-1]) if seen else []
    whole = chain(seen, batches)
    if not fitting:
        return Reading(whole, file.source.group)
    shape, *others = fitting
    fits_too = f" ({', '.join(one.name for one in others)} would fit too)" if others else ""
    file.notices.append(
        f"'{file.shown}' is read as {shape.name}{fits_too}, by the keys of its first records. Name another with 'format:', or "
        f"{container} for its columns alone."
    )
    return Reading(shape.convert(whole, raw), file.source.group or shape.group)


def _read_columns(container: Source, file: RawFile) -> Iterator[RawRows]:
    """Reads a file as what it is, with one kind of line ends and the roles of the speakers that its source names, where it asks for these.

    The speakers of a transcript are given roles where its turns are made.
    """
    batches = container.read(file)
    if file.options.newlines == "normalise":
        batches = with_newlines(batches)
    return with_roles(batches, file) if file.options.speakers and file.options.turns is None else batches


def share_read(files: list[SourceFile]) -> float:
    """Returns the share of the bytes of all files that has been read; 0 where they do not tell, as Parquet does not."""
    return sum(file.num_bytes_read() for file in files) / max(sum(file.path.stat().st_size for file in files), 1)


def _fitting_shapes(batch: RawRows) -> list[Shape]:
    """Returns the shapes that all of the first records have, the one that makes most of their columns first."""
    records = [record for _, record in islice(batch.records(), _NUM_READ)]
    scores: list[tuple[int, str, Shape]] = []
    for one in SOURCE_FORMATS.entries.values():
        if not issubclass(one, Shape):
            continue
        shape = one()
        if score := _fit(shape, records):
            scores.append((-score, shape.name, shape))
    return [shape for _, _, shape in sorted(scores, key=lambda one: one[:2])]


def _fit(shape: Shape, records: list[dict[str, str | None]]) -> int:
    """Returns how many columns of each of the first records a shape reads at least; one that says nothing of it is passed over."""
    known: set[str] = set()
    scores: list[int] = []
    silent: list[dict[str, str | None]] = []
    for record in records:
        if score := shape.fits(record):
            scores.append(score)
            known.update(name for name, value in record.items() if value is not None)
        elif shape.is_silent(record):
            silent.append(record)
        else:
            return 0
        if len(scores) == _NUM_LOOKED_AT:
            break
    # A record that has what no record of the shape has is one of another shape.
    is_other = any(not shape.reads_any(one) and any(one[name] is not None for name in one.keys() - known) for one in silent)
    return 0 if is_other else min(scores, default=0)


def _source_file(path: Path, source: SourceConfig, base_dir: Path, where: str) -> SourceFile:
    if source.path is not None and source.path.startswith(HUB):
        shown = f"{source.path}/{path.name}"
    else:
        shown = str(path.relative_to(base_dir)) if path.is_relative_to(base_dir) else str(path)
    return SourceFile(path, shown, source, format_of(source, path), where)


def _check_options(source: SourceConfig, files: list[SourceFile], where: str) -> None:
    """Refuses a key that no format of the source's files reads: it would seem to be heeded."""
    known = {option for one in SOURCE_FORMATS.entries.values() for option in one.options}
    formats = [*(file.format for file in files), *(container_of(file.path, source) for file in files if isinstance(file.format, Shape))]
    read = {option for one in formats for option in one.options}
    for option in sorted(known & source.model_fields_set - read):
        names = ", ".join(one.name for one in SOURCE_FORMATS.entries.values() if option in one.options)
        shown = ", ".join(sorted({one.name for one in formats}))
        raise UserError(f"'{option}' says nothing of a {shown} file", f"{where}.{option}", f"Remove it; it is for {names}.")


def _folder_files(folder: Path, suffixes: set[str]) -> list[Path]:
    def is_data(file: Path) -> bool:
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        return data_suffix(file) in suffixes and file.name not in _NO_ROWS and not is_hidden and file.is_file()

    return sorted(file for file in folder.rglob("*") if is_data(file))


def _glob(base_dir: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    root, relative = (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (base_dir, pattern)
    try:
        return sorted(file for file in root.glob(relative) if file.is_file())
    except ValueError:  # no pattern at all, such as "a**b"
        return []
