"""What a model said of each row: the parquet that `evals score` wrote, opened and checked."""

from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.lint.frame.parquet_input import Types, is_number, is_text, open_parquet

_COLUMNS: Types = {
    "id": is_text,
    "choices": lambda dtype: isinstance(dtype, pl.List) and dtype.inner in (pl.String, pl.Null),
    "label": is_number,
    "probabilities": lambda dtype: isinstance(dtype, pl.List) and (dtype.inner == pl.Null or dtype.inner.is_numeric()),
    "loss": is_number,
    "num_tokens": is_number,
    "hidden": lambda dtype: isinstance(dtype, pl.Array) and len(dtype.shape) == 1 and dtype.size > 0 and dtype.inner.is_float(),
}
_REMEDY = "Write it with: evals score DATASET --model MODEL --out FILE"


def open_model_scores(path: Path) -> pl.LazyFrame:
    """Opens the scores of a model: one row an example, joined by `id`.

    `choices`, `label` and `probabilities` are the words that a row is answered from, the given one's index and the model's probability of
    each; `loss` is in nats a token of the answer, which has `num_tokens`; `hidden` is a vector of the question, in float32. What a row
    does not have is null; so are a vector and probabilities that are not finite, or not one for each choice.

    Raises:
        UserError: the file is missing, no parquet file, or not of this kind; or it holds an id twice, so that rows cannot be told apart.
    """
    frame = open_parquet(path, _COLUMNS, "file of model scores", _REMEDY)
    if frame.select(pl.col("id").is_duplicated().any()).collect(engine="streaming").item():
        raise UserError("the model scores have a duplicate id", str(path), _REMEDY)
    is_finite = pl.element().is_finite().all(ignore_nulls=False)
    probabilities = pl.col("probabilities")
    one_each = probabilities.list.agg(is_finite) & (probabilities.list.len() == pl.col("choices").list.len())
    return frame.with_columns(
        hidden=pl.when(pl.col("hidden").arr.agg(is_finite)).then("hidden"),  # one that is not would spoil the mean of all
        probabilities=pl.when(one_each).then("probabilities"),
    )
