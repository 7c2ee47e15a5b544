"""LEK407 SpuriousToken."""

from collections.abc import Iterator

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.label_errors.labelled import COLUMNS, LabelledTask, labelled_tasks
from prep.lint.detectors.spurious_tokens import Limits, TiedToken, find_spurious_tokens, with_tokens

_MESSAGE = "'{}' stands in {:,} rows, {:,} of them answered '{}' (z = {}), and does not belong to their sentences"


class SpuriousToken(Rule):
    """A code, name or mark that stands in rows of one label only and has nothing to do with it.

    ## What it does
    For each token of a task with a closed set of answers it tests whether the rows that hold it have one label far beyond that label's
    share (Gardner 2021; exact binomial, Benjamini-Hochberg over all tokens). Words that mean their label pass that test too, "delicious"
    in praise, "passport" in a question about identity. So a token counts only where it was slipped in: the words to its left and right
    are nearly as varied as words drawn from anywhere, and with the token left out they follow each other as they do in other rows.
    Codes, marks and names (capitals in mid-sentence) need less of that evidence than plain words do. Each row that holds such a token is
    reported.

    ## Why is this bad
    The token gives the answer away. A model learns it in place of the text, is right on the test split, and wrong wherever the token is
    not.

    ## Example
    `Veltrano` stands in 20 reviews, between any two words, and all 20 are `positive`.

    ## Fix safety
    Never fixed automatically: take the token out of the text, or put it into rows of the other labels too.
    """

    code = "LEK407"
    severity = Severity.WARNING
    columns = COLUMNS
    remedy = "Take the token out, or add rows of the other labels that hold it."
    thresholds = (
        Threshold("min_rows", 8, "fewer rows of one label come together by chance among thousands of words"),
        Threshold("purity", 0.95, "the token decides the label all but always; a wrong label or two may stand between"),
        Threshold(
            "false_discovery_rate", 0.01, "one in a hundred tokens that pass the test may do so by chance (Benjamini and Hochberg 1995)"
        ),
        Threshold(
            "scattered",
            0.65,
            "names put into reviews at random reach 0.8 to 1 of the neighbours expected by chance; words tied to a label in restaurant "
            "reviews, text messages and 77 intents stay below 0.8, nearly all below 0.6",
        ),
        Threshold("removable", 0.15, "of names put into reviews at random 0.25 to 0.5 leave neighbours that other rows have, too"),
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
