"""LEN602 NothingTrained."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule
from prep.lint.base.texts import with_separators
from prep.lint.detectors.row_limit import row_limit


class NothingTrained(Rule):
    """A row on which no token is trained, or whose end token is cut off.

    ## What it does
    Builds each chat's real loss mask, with the function that training calls, and reports rows without a trained token, rows of which
    the model's limit cuts away the answer or its end token, and rows whose mask cannot be proven under this chat template.

    ## Why is this bad
    A row without a trained token reports a loss of 0.0 and teaches nothing. One without its end token teaches the model not to stop.

    ## Example
    An input of 9,000 tokens before an answer of 40, for a model of 8,192 positions.

    ## Fix safety
    Never fixed automatically: shorten the input or give the answer.
    """

    code = "LEN602"
    severity = Severity.ERROR
    columns = ("answer", "num_tokens", "num_trained_tokens", "last_trained", "encode_error")
    needs = (Need.TOKENS,)
    remedy = "Shorten the input, or give the row an answer that the chat template can render; `prep show --tokens MODEL` shows the mask."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        limit = row_limit(context)
        cut = f"the limit of {limit or 0:,} tokens cuts off the end of the answer ({{}} tokens)"
        # Without an answer there is nothing to train either way: FMT003 and LEN603 say so.
        answered = pl.col("answer").str.strip_chars() != ""
        reason = (
            pl.when(pl.col("encode_error").is_not_null())
            .then(pl.format("the loss mask cannot be proven: {}", "encode_error"))
            .when(pl.col("num_trained_tokens") == 0)
            .then(pl.lit("no token of the row is trained"))
            .when(pl.col("last_trained") >= (limit or float("inf")))
            .then(pl.format(cut, with_separators(pl.col("num_tokens"))))
        )
        return examples.filter(answered).select(*Finding.where, message=reason).filter(pl.col("message").is_not_null())
