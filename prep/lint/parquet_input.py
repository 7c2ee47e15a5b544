"""Parquet files that others wrote for lint: opened with a look at their columns, so that a wrong file is refused by name."""

from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.files import require_file

TRAINING_LEDGER_COLUMNS = ("id", "epoch", "loss", "margin", "correct")


def open_training_ledger(path: Path) -> pl.LazyFrame:
    """Opens the training ledger of a run: one row an example and epoch.

    Args:
        path: the run's folder, or its `ledger.parquet`.

    Raises:
        UserError: there is none, or the file is no training ledger.
    """
    file = path / "ledger.parquet" if path.is_dir() else path
    return open_parquet(file, TRAINING_LEDGER_COLUMNS, "training ledger", "Give the folder of a run that `train run` wrote.")


def open_parquet(path: Path, columns: tuple[str, ...], kind: str, remedy: str) -> pl.LazyFrame:
    """Opens a parquet file that must have some columns.

    Raises:
        UserError: it is missing, no parquet file, or lacks a column.
    """
    require_file(path, kind)
    if not path.exists():
        raise UserError(f"the {kind} does not exist", str(path), remedy)
    try:
        frame = pl.scan_parquet(path, glob=False)
        missing = [name for name in columns if name not in frame.collect_schema()]
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the {kind} cannot be read: {str(error).splitlines()[0]}", str(path), remedy) from error
    if missing:
        raise UserError(f"the {kind} lacks the column '{missing[0]}'", str(path), remedy)
    return frame
