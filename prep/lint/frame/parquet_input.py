"""Parquet files that others wrote for lint: opened with a look at their columns, so that a wrong file is refused by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.files import require_file

Types = Mapping[str, Callable[[pl.DataType], bool]]
"""Column -> what says whether its type is right."""


def is_text(dtype: pl.DataType) -> bool:
    """Whether a column holds text."""
    return dtype == pl.String


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column holds numbers."""
    return dtype.is_numeric()


_TRAINING_LEDGER: Types = {
    "id": is_text,
    "epoch": is_number,
    "loss": is_number,
    "margin": is_number,
    "correct": lambda dtype: dtype == pl.Boolean or is_number(dtype),
}


def open_training_ledger(path: Path) -> pl.LazyFrame:
    """Opens the training ledger of a run: one row an example and epoch.

    Args:
        path: the run's folder, or its `ledger.parquet`.

    Raises:
        UserError: there is none, or the file is no training ledger.
    """
    file = path / "ledger.parquet" if path.is_dir() else path
    return open_parquet(file, _TRAINING_LEDGER, "training ledger", "Give the folder of a run that `train run` wrote.")


def open_parquet(path: Path, columns: Types, kind: str, remedy: str) -> pl.LazyFrame:
    """Opens a parquet file that must have some columns, and reads it once, so that damage in it is said of this file.

    Raises:
        UserError: it is missing, no parquet file, damaged, or lacks a column, or a column is of another type.
    """
    require_file(path, kind)
    if not path.exists():
        raise UserError(f"the {kind} does not exist", str(path), remedy)
    try:
        frame = pl.scan_parquet(path, glob=False)
        schema = frame.collect_schema()
        missing = [name for name in columns if name not in schema]
        if not missing:
            frame.select(pl.col(name).count() for name in columns).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the {kind} cannot be read: {str(error).splitlines()[0]}", str(path), remedy) from error
    if missing:
        raise UserError(f"the {kind} lacks the column '{missing[0]}'", str(path), remedy)
    for name, is_right in columns.items():
        if not is_right(schema[name]):
            raise UserError(f"the column '{name}' of the {kind} has the type {schema[name]}", str(path), remedy)
    return frame
