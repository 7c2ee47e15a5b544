"""LEN601 OverContext."""

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule
from prep.lint.base.texts import with_separators
from prep.lint.detectors.row_limit import MAX_TOKENS, row_limit


class OverContext(Rule):
    """A row longer than the model's context.

    ## What it does
    Encodes each chat with the model's chat template and tokenizer. Reports rows longer than the model's limit (the tokenizer's maximum
    or the positions in the model's config, whichever is smaller).

    ## Why is this bad
    Tokens past the limit are truncated or refused. If the answer or its end token is truncated, LEN602 reports an error.

    ## Example
    9,120 tokens for a model of 8,192 positions.

    ## Fix safety
    No draft: shortening an input can remove what its answer is based on.
    """

    code = "LEN601"
    severity = Severity.WARNING
    columns = ("num_tokens",)
    needs = (Need.TOKENS,)
    remedy = "Shorten the input, split the row, or use a model with a longer context."
    thresholds = (MAX_TOKENS,)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        limit = row_limit(context)
        if limit is None:
            return examples.select(Finding.where).limit(0)
        message = pl.format(f"the row has {{}} tokens; the model's limit is {limit:,}", with_separators(pl.col("num_tokens")))
        return examples.filter(pl.col("num_tokens") > limit).select(*Finding.where, message=message)
