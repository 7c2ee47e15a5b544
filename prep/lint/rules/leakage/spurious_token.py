"""LEK407 SpuriousToken."""

from collections.abc import Iterator

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.label_errors.labelled import COLUMNS, LabelledTask, labelled_tasks
from prep.lint.detectors.spurious_tokens import Limits, TiedToken, find_spurious_tokens, with_tokens

_MESSAGE = "spurious token '{}' in {:,} rows, {:,} of them labelled '{}' (z = {}): it predicts the label and is unrelated to the text"


class SpuriousToken(Rule):
    """A code, name or mark that appears with one label only and has nothing to do with it.

    ## What it does
    Tests, for each token of a task with a fixed answer set, whether rows with the token have one label far more often than that label's
    share (Gardner 2021; exact binomial test, Benjamini-Hochberg over all tokens). Words that mean their label pass this test too:
    "delicious" in praise, "passport" in a question about identity. So a token counts only if it was inserted: its left and right
    neighbours are nearly as varied as random words, and without the token they follow each other as in other rows. Codes, marks and
    names (capitals in mid-sentence) need less of that evidence. Reports each row with such a token.

    ## Why is this bad
    The token gives the answer away. The model learns it instead of the text, is right on the test split, and wrong wherever the token
    is missing.

    ## Example
    `Veltrano` appears in 20 reviews, between any two words, and all 20 are `positive`.

    ## Fix safety
    Never fixed automatically: remove the token from the text, or add it to rows of the other labels too.
    """

    code = "LEK407"
    severity = Severity.WARNING
    columns = COLUMNS
    remedy = "Remove the token, or add rows with it to the other labels."
    thresholds = (
        Threshold("min_rows", 8, "fewer rows share a label by chance among thousands of words"),
        Threshold("purity", 0.95, "share of rows with the label; allows for a wrong label or two"),
        Threshold("false_discovery_rate", 0.01, "false discovery rate over all tokens (Benjamini and Hochberg 1995)"),
        Threshold(
            "scattered",
            0.65,
            "names inserted at random have 0.8 to 1 of the neighbours expected by chance; real label words in restaurant "
            "reviews, text messages and 77 intents have less than 0.8, nearly all less than 0.6",
        ),
        Threshold("removable", 0.15, "0.25 to 0.5 of names inserted at random leave neighbours that other rows have too"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        limits = Limits(
            int(context.threshold(self, "min_rows")),
            *(context.threshold(self, name) for name in ("purity", "false_discovery_rate", "scattered", "removable")),
        )
        found = [
            rows
            for task in labelled_tasks(examples, context)
            if (tokens := find_spurious_tokens(task, examples, limits))
            for rows in _rows(task, tokens, examples)
        ]
        nothing = examples.select(*Finding.where, "position", message=pl.lit("")).filter(pl.lit(False))
        return pl.concat([nothing, *found]).unique(["id", "message"]).sort("position") if found else nothing


def _rows(task: LabelledTask, tokens: list[TiedToken], examples: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """Yields the rows that hold each token and have its label."""
    for tied in tokens:
        tied_to = task.positions.filter(pl.Series(task.given == tied.label))
        message = _MESSAGE.format(tied.shown, tied.num_rows, tied.num_tied, task.names[tied.label], round(tied.z, 1))
        with_label = examples.select(*Finding.where, "position", "input_body").join(
            tied_to.to_frame("position").lazy(), on="position", how="semi"
        )
        yield (
            with_tokens(with_label.filter(pl.col("input_body").str.to_lowercase().str.contains(tied.token, literal=True)))
            .filter(pl.col("token").list.contains(tied.token))
            .select(*Finding.where, "position", message=pl.lit(message))
        )
