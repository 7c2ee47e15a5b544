"""LBL802 HardOrAmbiguous."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, RankedRule


class HardOrAmbiguous(RankedRule):
    """A row that training did not learn, or whose loss stayed unstable.

    ## What it does
    Reads the training ledger (`--training-ledger RUN`), which has each row's loss in each epoch, and makes a dataset map (dataset
    cartography, Swayamdipta 2020). Confidence is the mean probability of an answer token (the exponential of minus the mean loss);
    variability is its standard deviation over the epochs. Rows with far lower confidence than the others are hard to learn; wrong
    labels gather there. Rows with the highest variability are ambiguous. Both are information; the score is one minus confidence. Hard
    rows count only if they were never answered correctly. A run of one epoch has no variability; its rows are ranked by confidence.

    ## Why is this bad
    A hard row often has a wrong label. An ambiguous row is where more examples of its kind help most.

    ## Example
    Over 3 epochs the answer `negative` had a mean probability of 4%; the median row has 93%.

    ## Fix safety
    Never fixed automatically: a hard row is not always a wrong one.
    """

    code = "LBL802"
    severity = Severity.INFO
    columns = ("answer_field", "answer")
    needs = (Need.TRAINING_LEDGER,)
    remedy = "Read the row: correct it if it is wrong, add similar rows if it is right."
    thresholds = (
        Threshold("hard", 3.0, "robust standard deviations (1.4826 MAD) of log-probability below the median row, as for outliers"),
        Threshold("variability", 0.25, "standard deviation of a probability near 0 in some epochs and 1/2 or more in others"),
        Threshold("min_rows", 20, "with fewer rows the median says little"),
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
                    f"hard to learn: over {epochs} the mean probability of an answer token is {row['confidence']:.0%} "
                    f"(median row: {row['usual']:.0%}), and the answer was never correct"
                )
            else:
                message = (
                    f"ambiguous: over {epochs} the probability of an answer token varied by {row['variability']:.2f} "
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
