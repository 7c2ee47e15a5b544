"""Arrow files, as Hugging Face `datasets` keeps its data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.errors import UserError
from prep.sources.containers.typed_frames import text_rows
from prep.sources.hub import class_names
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source


class Arrow(Source):
    """An Arrow stream or file; its line numbers are row numbers, from 1. Classes that are kept as numbers are read by their names."""

    name = "arrow"
    suffixes = (".arrow",)

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file, which must fit into memory; `datasets` writes files of at most 500 MB."""
        names = _class_names(file.path)
        try:
            with file.path.open("rb") as stream:
                is_file = stream.read(6) == b"ARROW1"
            frame = pl.read_ipc(file.path) if is_file else pl.read_ipc_stream(file.path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"not a readable Arrow file: {error}", str(file.path), "Write the file again.") from error
        for rows in text_rows([frame]):
            named = [_named(rows.frame[column], words) for column, words in names.items() if column in rows.frame.columns]
            yield RawRows(rows.frame, rows.rejected, pl.DataFrame([*rows.added.iter_columns(), *named]))


def _class_names(path: Path) -> dict[str, list[str]]:
    """Reads the classes from the description that `datasets` puts beside its files."""
    try:
        described: Any = json.loads((path.parent / "dataset_info.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return class_names(described.get("features")) if isinstance(described, dict) else {}


def _named(numbers: pl.Series, words: list[str]) -> pl.Series:
    return numbers.replace({str(number): word for number, word in enumerate(words)})
