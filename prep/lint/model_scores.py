"""What a model said of each row: the parquet that `evals score` wrote, opened and checked."""

from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.lint.parquet_input import open_parquet

MODEL_SCORE_COLUMNS = ("id", "choices", "label", "probabilities", "loss", "num_tokens", "hidden")
_REMEDY = "Write it with: evals score DATASET --model MODEL --out FILE"


def open_model_scores(path: Path) -> pl.LazyFrame:
    """Opens the scores of a model: one row an example, joined by `id`.

    `choices`, `label` and `probabilities` are the words that a row is answered from, the given one's index and the model's probability of
    each; `loss` is in nats a token of the answer, which has `num_tokens`; `hidden` is a vector of the question, in float32. What a row
    does not have is null.

    Raises:
        UserError: the file is missing, no parquet file, or not of this kind; or it holds an id twice, so that rows cannot be told apart.
    """
    frame = open_parquet(path, MODEL_SCORE_COLUMNS, "file of model scores", _REMEDY)
    schema = frame.collect_schema()
    wanted = {"id": pl.String, "choices": pl.List, "probabilities": pl.List, "hidden": pl.Array}
    for name, kind in wanted.items():
        if not isinstance(schema[name], kind):
            raise UserError(f"the column '{name}' of the model scores has the type {schema[name]}", str(path), _REMEDY)
    if frame.select(pl.col("id").is_duplicated().any()).collect(engine="streaming").item():
        raise UserError("the model scores hold an id twice", str(path), _REMEDY)
    return frame
