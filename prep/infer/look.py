"""A look into a raw file: its first rows, and what has to be said of the file for it to be read so."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.errors import UserError
from prep.infer.columns import invent_names, look_at
from prep.sources.files import SourceFile, find_files
from prep.sources.rows import META_COLUMNS, iter_rows
from prep.sources.source_config import SourceConfig

MAX_ROWS = 20_000
"""Rows that are looked at; many files are sorted by their label."""
TURNS = "turns"
"""The column that turns are put into."""

_NUMBERED = re.compile(r"column_\d+")  # what the reader calls the columns of a table without a header
_CHINESE = "gb18030"
_MAX_BAD_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a file.

    Attributes:
        path: the file, or a folder of them, of which the first was looked into.
        frame: its first rows.
        options: what its source needs beside the path: encoding, names of columns.
        guesses: one line each: what was guessed and from what.
    """

    path: Path
    frame: pl.DataFrame
    options: dict[str, Any]
    guesses: list[str]

    @property
    def names(self) -> list[str]:
        """The columns of the file."""
        return [name for name in self.frame.columns if name not in META_COLUMNS]


def look_into(data: Path, encoding: str | None = None) -> Look:
    """Looks into a file.

    Args:
        data: the file.
        encoding: its text encoding; None to look for it.

    Raises:
        UserError: it is not there, or cannot be read, or has no row.
    """
    if not data.exists():
        raise UserError("the file does not exist", str(data), "Give a raw file: csv, tsv, json, jsonl, txt or parquet.")
    guesses: list[str] = []
    options: dict[str, Any] = {} if encoding is None else {"encoding": encoding}
    frame, file, _ = _read(data, options, guesses)
    header = [name for name in frame.columns if name not in META_COLUMNS]
    if header and all(_NUMBERED.fullmatch(name) for name in header) and any("looks like a row" in text for text in file.notices):
        names = invent_names(look_at(frame, header))
        guesses.append(f"columns: {', '.join(names)}; named here, because the first line looks like a row and not like a header")
        options["columns"] = names
        frame, file, _ = _read(data, options, guesses)
    if frame.is_empty():
        raise UserError("the file has no row that can be read", str(data), "Check its format.")
    looked = f"{frame.height:,} rows looked at" if frame.height < MAX_ROWS else f"the first {MAX_ROWS:,} rows looked at"
    by = "by the file's ending" if data.suffix.lower() in file.format.suffixes else "by its content"
    guesses.insert(0, f"format: {file.format.name}, {by}; {looked}")
    guesses[1:1] = [f"format: {text}" for text in dict.fromkeys(file.notices) if "is read as" in text]
    return Look(data, frame, options, guesses)


def read_turns(look: Look, column: str) -> pl.Series | None:
    """Returns a transcript's turns as JSON, row by row; None where any of its texts shows none, or the file has turns of its own."""
    if TURNS in look.names:
        return None
    frame, _, num_rejected = _read(look.path, {**look.options, "turns": {"field": column}}, [])
    return frame[TURNS] if num_rejected == 0 and frame.height == look.frame.height else None


def _read(data: Path, options: dict[str, Any], guesses: list[str]) -> tuple[pl.DataFrame, SourceFile, int]:
    """Reads the first rows; where many of them are no UTF-8, with the encoding under which they can be read, which `options` then have.

    Returns:
        The rows, their file, and how many others are rejected.
    """
    source = SourceConfig.model_validate({**options, "path": str(data.resolve()), "name": "look"})
    files = find_files((source,), data.resolve().parent, "prep init")
    try:
        batches = list(iter_rows(files[:1], MAX_ROWS))
    except UserError as error:
        batches = []
        if "UTF-8" not in str(error) and "utf-8" not in str(error):
            raise
    rejected = [row.reason for batch in batches for _, row in batch.rejected]
    num_rows = sum(batch.frame.height for batch in batches)
    num_bad = rejected.count("bad_encoding")
    if "encoding" not in options and (not batches or num_bad > _MAX_BAD_SHARE * (num_rows + num_bad)):
        options["encoding"] = _encoding_of(files[0].path)
        guesses.append(f"encoding: {options['encoding']}, because the bytes are not UTF-8; check that the words are right")
        return _read(data, options, guesses)
    frames = [batch.frame for batch in batches if batch.frame.height]
    return (pl.concat(frames, how="diagonal") if frames else pl.DataFrame()), files[0], len(rejected)


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        sample = file.read(1 << 16).rpartition(b"\n")[0]
    text = sample.decode(_CHINESE, "ignore")
    han = sum("一" <= character <= "鿿" for character in text)
    # Nearly every byte string decodes as either; Chinese text gives common characters and little else beyond ASCII.
    foreign = sum(character > "\x7f" for character in text)
    if han > 0.6 * max(foreign, 1) and han > 0.1 * len(text):
        return _CHINESE
    # Latin-1 has control characters where Windows has its curly quotes, dashes and the euro.
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in sample) else "latin-1"
