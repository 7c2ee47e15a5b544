"""The predictions that an evaluation has written, read again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from evals.data.prediction import PartScore, Prediction, PredictionState
from evals.data.role import Role, role_of_earlier_name
from loopwright.errors import UserError

PARTS = pl.List(
    pl.Struct({"name": pl.String, "num_tokens": pl.Int64, "loglikelihood": pl.Float64, "score": pl.Float64, "num_bytes": pl.Int64})
)
"""The column of what a model says of texts that it reads."""


def read_predictions(path: Path) -> pl.DataFrame:
    """Returns what `predictions.parquet` holds; what a file of before lacks is filled in: roles by the systems' names, all else with null.

    Raises:
        UserError: the file is none that an evaluation wrote.
    """
    try:
        frame = pl.read_parquet(path)
        if "role" not in frame.columns:
            roles = {system: role_of_earlier_name(system).value for system in frame["system"].unique()}
            frame = frame.with_columns(role=pl.col("system").replace_strict(roles, return_dtype=pl.String))
        if "seed" not in frame.columns:
            frame = frame.with_columns(seed=pl.lit(None, pl.Int64))
        if "parts" not in frame.columns:
            frame = frame.with_columns(parts=pl.lit(None, PARTS))
        if "tool_state" not in frame.columns:
            frame = frame.with_columns(tool_state=pl.lit(None, pl.String))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"cannot read the predictions: {error}", str(path), "Evaluate again: evals run.") from error
    return frame


def load_predictions(path: Path, system: str | None = None) -> dict[str, Prediction]:
    """Returns one system's saved predictions, by example id; of several seeds the one of the median loss, with the others beside it.

    Args:
        path: `predictions.parquet`.
        system: its name; default: the tuned one.

    Raises:
        UserError: the file cannot be read.
    """
    chosen = pl.col("role") == Role.TUNED.value if system is None else pl.col("system") == system
    found: dict[str, list[Prediction]] = {}
    for record in read_predictions(path).filter(chosen).iter_rows(named=True):
        found.setdefault(record["id"], []).append(_prediction(record))
    # The first of several seeds is that of the median loss.
    return {id_: first if not others else replace(first, of_seeds=(first, *others)) for id_, (first, *others) in found.items()}


def _prediction(record: dict[str, Any]) -> Prediction:
    return Prediction(
        id=record["id"],
        state=PredictionState(record["state"]),
        text=record["prediction"],
        loglikelihoods=None if record["choice_loglikelihoods"] is None else tuple(record["choice_loglikelihoods"]),
        parts=None if record["parts"] is None else tuple(PartScore(**part) for part in record["parts"]),
        detail=record["detail"],
        seed=record["seed"],
    )
