"""DUP303 SemanticDuplicate."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule

_MAX_ROWS = 30_000
_ROWS_AT_ONCE = 1_000
_MIN_ROWS = 20
_FOUND = pl.Schema({"position": pl.UInt32(), "position_other": pl.UInt32(), "similarity": pl.Float64()})

Vectors = NDArray[np.float32]


class SemanticDuplicate(Rule):
    """A paraphrase of another input.

    ## What it does
    Compares the input embeddings that `evals score` wrote, within each task, by the cosine of their differences from the task's mean
    (the vectors of a language model all point the same way: Ethayarajh 2019). Lists the later row of each pair of close neighbours. Of
    more than 30,000 rows it reads an evenly spread sample of 30,000.

    ## Why is this bad
    Paraphrases teach little that is new (Abbas et al. 2023), and across splits they leak. But an embedding is a guess: look at the rows
    first.

    ## Example
    `Where is my card?` on line 3 and `My card has still not come, where is it?` on line 90.

    ## Fix safety
    Never fixed automatically: paraphrases can be wanted.
    """

    code = "DUP303"
    severity = Severity.INFO
    needs = (Need.MODEL_SCORES,)
    columns = ("template", "task", "input_key")
    thresholds = (
        Threshold(
            "cosine", 0.8, "300 bank questions: all 53 pairs above 0.8 share an intent, and all but one of 140 above 0.7 (embedded model)"
        ),
    )
    superseded_by = ("DUP301", "DUP302", "LEK401", "LEK402")
    remedy = "Compare both rows; drop one if it adds nothing."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        assert context.model_scores is not None
        vectors = context.model_scores.filter(pl.col("hidden").is_not_null()).select("id", "hidden")
        rows = examples.join(vectors, on="id").select("position", "template", "task", "input_key", "hidden")
        num_rows = rows.select(pl.len()).collect(engine="streaming").item()
        chosen = rows.filter(pl.col("position") % (num_rows // _MAX_ROWS + 1) == 0)
        found = [pl.DataFrame(schema=_FOUND)]
        for task in chosen.collect(engine="streaming").sort("position").partition_by("template", "task", maintain_order=True):
            if task.height >= _MIN_ROWS:
                found += _near(task, context.threshold(self, "cosine"))
        places = examples.select(*Finding.where, "position")
        return (
            pl.concat(found)
            .lazy()
            .join(places, on="position")
            .join(places, left_on="position_other", right_on="position", suffix="_other")
            .select(
                *Finding.where,
                message=pl.format("possible paraphrase of {}:{} (cosine {})", "source_other", "line_other", pl.col("similarity").round(2)),
                field=pl.lit("input"),
                related=pl.concat_list("id_other"),
            )
        )


def _near(task: pl.DataFrame, threshold: float) -> Iterator[pl.DataFrame]:
    """Yields each row of a task that is near one before it, with the nearest (`_FOUND`)."""
    vectors = _directions(task["hidden"].to_numpy())
    keys = task["input_key"].fill_null("").rank("dense").to_numpy()
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(vectors)))
        cosines = vectors[rows] @ vectors[: rows[-1] + 1].T
        cosines[np.arange(rows[-1] + 1) >= rows[:, None]] = -1
        cosines[keys[: rows[-1] + 1] == keys[rows][:, None]] = -1
        nearest = cosines.argmax(axis=1)
        best = cosines[np.arange(len(rows)), nearest]
        near = np.flatnonzero(best >= threshold)
        positions = task["position"].to_numpy()
        columns = {"position": positions[rows[near]], "position_other": positions[nearest[near]], "similarity": best[near]}
        yield pl.DataFrame(columns, schema_overrides=dict(_FOUND)).cast({"similarity": pl.Float64})


def _directions(vectors: Vectors) -> Vectors:
    """Returns what tells each vector from the mean, at length 1 [num_rows, width]."""
    centred = vectors - vectors.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    directions: Vectors = centred / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions
