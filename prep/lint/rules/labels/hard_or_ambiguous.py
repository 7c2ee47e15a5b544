"""LBL802 HardOrAmbiguous."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, RankedRule


class HardOrAmbiguous(RankedRule):
    """A row that training did not learn, or did not settle.

    ## What it does
    Reads a training run's ledger (`--training-ledger RUN`), where each row has its loss in each epoch, and places the rows on a map
    (dataset cartography, Swayamdipta 2020): confidence is the mean probability that the model gave a token of the answer (the
    exponential of minus the mean loss), variability its standard deviation over the epochs. Rows whose confidence is far below the
    others' are hard to learn, and in that region wrong labels gather; rows whose probability moves most are ambiguous. The score is one
    minus the confidence. Reported, as information, are hard rows that were not once answered right, and the most variable ones. A run of
    one epoch has no variability; its rows are ranked all the same.

    ## Why is this bad
    A hard row is often a wrong one, and an ambiguous one is where more examples like it help most.

    ## Example
    Over 3 epochs the answer `negative` kept a probability of 4%, where the median row has 93%.

    ## Fix safety
    Never fixed automatically: hard is not wrong.
    """

    code = "LBL802"
    severity = Severity.INFO
    columns = ("answer_field", "answer")
    needs = (Need.TRAINING_LEDGER,)
    remedy = "Read the row; correct it where it is wrong, add more like it where it is right."
    thresholds = (
        Threshold("hard", 3.0, "robust standard deviations (1.4826 MAD) of log-probability below the median row, as for outliers"),
        Threshold("variability", 0.25, "standard deviation of a probability that is near 0 in some epochs and near 1/2 or more in others"),
        Threshold("min_rows", 20, "below it the other rows say little of what is usual"),
    )

    def rank(self, examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
        return _map(examples, context).select("id", score=1 - pl.col("confidence")).collect(engine="streaming")

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        place = _map(examples, context).with_columns(log=pl.col("confidence").clip(lower_bound=1e-9).log())
        median = pl.col("log").median()
        spread = (1.4826 * (pl.col("log") - median).abs().median()).clip(lower_bound=0.05)
        hard = (pl.col("log") < median - context.threshold(self, "hard") * spread) & (pl.col("num_correct") == 0)
        moved = (pl.col("variability") >= context.threshold(self, "variability")) & (pl.col("num_epochs") > 1)
        judged = place.with_columns(usual=median.exp(), enough=pl.len() >= context.threshold(self, "min_rows"), hard=hard, moved=moved)
        found = judged.filter("enough", pl.col("hard") | pl.col("moved")).drop("log")
        return examples.join(found, on="id").select(
            *Finding.where,
            "score",
            "confidence",
            "variability",
            "usual",
            "num_epochs",
            "hard",
            field="answer_field",
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            epochs = f"{row['num_epochs']} epoch{'s' if row['num_epochs'] > 1 else ''}"
            if row["hard"]:
                message = (
                    f"hard to learn: over {epochs} a token of the answer kept a probability of {row['confidence']:.0%}, "
                    f"where the middle row has {row['usual']:.0%}, and it was not once answered right"
                )
            else:
                message = (
                    f"ambiguous: over {epochs} the probability of the answer's tokens went up and down by {row['variability']:.2f} "
                    f"around {row['confidence']:.2f}"
                )
            kind = "hard" if row["hard"] else "ambiguous"
            yield Finding.at(row, message, field=row["field"], kind=kind, score=row["score"])


def _map(examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
    """Returns `confidence` and `variability` of each example that the ledger knows, and in how many epochs it was seen and right."""
    assert context.training_ledger is not None
    probability = (-pl.col("loss").cast(pl.Float64)).exp()
    seen = (
        context.training_ledger.group_by("id")
        .agg(
            confidence=probability.mean(),
            variability=probability.std(ddof=0),
            num_epochs=pl.len().cast(pl.Int64),
            num_correct=pl.col("correct").sum().cast(pl.Int64),
        )
        .filter(pl.col("confidence").is_finite())
    )
    return examples.select("id").join(seen, on="id")
