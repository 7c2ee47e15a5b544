"""LEN605 TokenReport."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from loopwright.statistics import Floats
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule

_COLUMNS = {"tokens": "num_tokens", "answer_tokens": "num_trained_tokens"}


class TokenReport(Rule):
    """Training cost of a split: tokens, padding, steps, time and money.

    ## What it does
    Encodes each chat with the model's chat template. Reports for each split its tokens and trained tokens, the median, 95th percentile
    and maximum per row, the expected share of padding in random batches (from the order statistics of the lengths), and the steps of
    one epoch. With speed or price under `lint: {thresholds: {LEN605.tokens_per_second: ..., LEN605.price: ...}}`, also time and cost.

    With `lint: {expect: {lengths: {tokens: [1, 2048], answer_tokens: [1, 400]}}}` in the config, each row outside the range is a
    warning.

    ## Why is this bad
    Not bad in itself, but good to know before the bill. If half of a batch is padding, half of the time is wasted.

    ## Example
    1,200 rows, 412,000 tokens (38,000 trained), 31% padding in batches of 8, 150 steps per epoch.

    ## Fix safety
    Nothing to fix. Sorting rows by length, or packing them, saves the padding.
    """

    code = "LEN605"
    severity = Severity.INFO
    columns = ("split", "num_tokens", "num_trained_tokens")
    needs = (Need.TOKENS,)
    remedy = "If padding is large, group rows by length or pack them. Limits: lint: {expect: {lengths: {tokens: [1, 2048]}}}."
    thresholds = (
        Threshold("batch_size", 8, "rows per batch, over which padding is computed; set yours"),
        Threshold("tokens_per_second", 0, "0 omits the time; a training run reports your machine's speed"),
        Threshold("price", 0, "0 omits the cost; the provider's price of a million training tokens, over all tokens of a row"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        known = examples.filter(pl.col("num_tokens").is_not_null())
        counts = known.group_by("split", "num_tokens").agg(pl.len().alias("rows"), trained=pl.col("num_trained_tokens").sum())
        lengths = context.expect.lengths
        outside = [
            known.filter(~pl.col(column).is_between(*lengths[name])).select(
                *Finding.where, what=pl.lit(name), has=pl.col(column).cast(pl.Int64)
            )
            for name, column in _COLUMNS.items()
            if name in lengths
        ]
        return pl.concat([counts, *outside], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for (split,), rows in sorted(found.filter(pl.col("rows").is_not_null()).group_by("split"), key=lambda one: str(one[0])):
            yield Finding(f"split '{split}': {self._report(rows.sort('num_tokens'), context)}", kind="tokens")
        if "what" not in found.columns:
            return
        for row in found.filter(pl.col("what").is_not_null()).iter_rows(named=True):
            least, most = context.expect.lengths[row["what"]]
            name = row["what"].replace("_", " ")
            message = f"the row has {row['has']:,} {name}, outside the declared {least:,} to {most:,}"
            yield Finding.at(row, message, kind=row["what"], severity=Severity.WARNING)

    def _report(self, rows: pl.DataFrame, context: Context) -> str:
        lengths, counts = rows["num_tokens"].to_numpy().astype(np.float64), rows["rows"].to_numpy().astype(np.float64)
        num_rows, tokens = int(counts.sum()), int((lengths * counts).sum())
        batch_size = max(int(context.threshold(self, "batch_size")), 1)
        below = np.cumsum(counts) / num_rows
        median, high = (int(lengths[np.searchsorted(below, share)]) for share in (0.5, 0.95))
        said = (
            f"{num_rows:,} rows, {tokens:,} tokens ({rows['trained'].sum():,} trained); tokens per row: median {median:,},"
            f" 95th percentile {high:,}, maximum {int(lengths[-1]):,}; random batches of {batch_size} are"
            f" {padding_share(lengths, counts, batch_size):.0%} padding; {-(-num_rows // batch_size):,} steps an epoch"
        )
        speed, price = context.threshold(self, "tokens_per_second"), context.threshold(self, "price")
        if speed:
            said += f", {tokens / speed / 60:,.1f} minutes at {speed:,.0f} tokens per second"
        return said + (f", costing {tokens / 1e6 * price:,.2f} at {price:g} per million tokens" if price else "")


def padding_share(lengths: Floats, counts: Floats, batch_size: int) -> float:
    """Returns the expected share of padding in batches of rows drawn at random, each padded to its longest.

    The longest of B rows has the distribution F(x)^B (David and Nagaraja 2003, 2.1).

    Args:
        lengths: `[V]`, the distinct lengths in tokens, ascending.
        counts: `[V]`, the rows of each.
        batch_size: rows of a batch.
    """
    cumulative = np.cumsum(counts) / counts.sum()
    longest = float((lengths * np.diff(cumulative**batch_size, prepend=0.0)).sum())
    return 1 - float((lengths * counts).sum() / counts.sum()) / longest if longest else 0.0
