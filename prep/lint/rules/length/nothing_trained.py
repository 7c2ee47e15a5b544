"""LEN602 NothingTrained."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule
from prep.lint.base.texts import with_separators
from prep.lint.detectors.row_limit import row_limit


class NothingTrained(Rule):
    """A row without a trained token, or with its end token truncated.

    ## What it does
    Builds each chat's loss mask with the function that training uses. Reports rows without a trained token, rows whose answer or end
    token is truncated at the model's limit, and rows whose mask cannot be verified under this chat template.

    ## Why is this bad
    A row without a trained token has a loss of 0.0 and teaches nothing. A row without its end token teaches the model not to stop.

    ## Example
    An input of 9,000 tokens and an answer of 40, for a model with 8,192 positions.

    ## Fix safety
    Never fixed automatically: shorten the input, or add the answer.
    """

    code = "LEN602"
    severity = Severity.ERROR
    columns = ("answer", "num_tokens", "num_trained_tokens", "last_trained", "encode_error")
    needs = (Need.TOKENS,)
    remedy = "Shorten the input, or give the row an answer that the chat template renders; `prep show --tokens MODEL` shows the mask."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        limit = row_limit(context)
        cut = f"the answer's end is truncated at the limit of {limit or 0:,} tokens (the row has {{}})"
        # Without an answer there is nothing to train either way: FMT003 and LEN603 say so.
        answered = pl.col("answer").str.strip_chars() != ""
        reason = (
            pl.when(pl.col("encode_error").is_not_null())
            .then(pl.format("the loss mask cannot be verified: {}", "encode_error"))
            .when(pl.col("num_trained_tokens") == 0)
            .then(pl.lit("the row has no trained token"))
            .when(pl.col("last_trained") >= (limit or float("inf")))
            .then(pl.format(cut, with_separators(pl.col("num_tokens"))))
        )
        return examples.filter(answered).select(*Finding.where, message=reason).filter(pl.col("message").is_not_null())
