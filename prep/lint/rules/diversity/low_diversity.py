"""DIV701 LowDiversity."""

import zlib
from collections.abc import Iterable
from itertools import pairwise

import polars as pl

from prep.drift.words import words_of
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.texts import of_template
from prep.lint.frame.tasks import MIN_TASK_ROWS

_SAMPLE_ROWS = 1_000
_MAX_CHARACTERS = 1_000


class LowDiversity(Rule):
    """Texts that say the same thing over and over, in few different words.

    ## What it does
    Takes up to 1,000 inputs, and up to 1,000 answers in prose, of each task, evenly spread, and reports a task whose texts compress far
    better than natural text does (compression ratio, Shaib et al. 2024) and whose share of distinct word pairs (distinct-2, Li et al.
    2016) is low. Both depend on how much text there is, so that small tasks are left out.

    ## Why is this bad
    A model learns a handful of templates by heart from ten thousand rows of them: they cost as much as varied ones and teach less. Rows
    that a model wrote are often like that.

    ## Example
    1,000 generated complaints that compress 11 times, with 3% distinct word pairs; of 869 summaries by people 3.3 times, and 49%.

    ## Fix safety
    Never fixed automatically: write or collect other rows, or drop near-duplicates (DUP302).
    """

    code = "DIV701"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "task_shape", "template", "source", "form", "input_body", "answer")
    remedy = "Collect rows of other kinds, or drop near-duplicates."
    thresholds = (
        Threshold(
            "compression",
            5,
            "reviews, calls, notes, clauses and questions of people have 2.1 to 4.0; a filled-in template has 8 and more",
        ),
        Threshold("distinct_2", 0.25, "the same corpora have 0.34 and more, in which the same customers ask the same bank"),
        Threshold("min_characters", 20_000, "below it the compressor has no room to find what repeats"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        every = (pl.col("task_rows") // _SAMPLE_ROWS).clip(1)
        sample = examples.filter((pl.col("task_rows") >= MIN_TASK_ROWS) & (pl.col("position") % every == 0))
        cut = [
            sample.filter(usable).select(
                "task", "template", "source", "position", part=pl.lit(part), text=pl.col(column).str.head(_MAX_CHARACTERS)
            )
            for part, column, usable in (
                ("inputs", "input_body", pl.col("input_body") != ""),
                ("answers", "answer", (pl.col("answer") != "") & (pl.col("task_shape") == "prose")),
            )
        ]
        return pl.concat(cut)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        tasks = found.sort("position").group_by("task", "template", "source", "part", maintain_order=True)
        for (_, template, source, part), rows in tasks:
            texts = rows["text"].head(_SAMPLE_ROWS).to_list()
            if sum(map(len, texts)) < context.threshold(self, "min_characters"):
                continue
            compression, distinct = compression_ratio(texts), distinct_pairs(texts)
            if compression >= context.threshold(self, "compression") and distinct <= context.threshold(self, "distinct_2"):
                name = of_template(template)
                yield Finding(
                    f"{name}{len(texts):,} {part} compress {compression:.1f} times, and {distinct:.0%} of their word pairs are distinct",
                    source=source,
                    field=part.removesuffix("s"),
                )


def compression_ratio(texts: list[str]) -> float:
    """Returns how many times smaller texts are when compressed together (Shaib et al. 2024, by zlib): 1 is random, more is repetitive."""
    data = "\n".join(texts).encode("utf-8", "replace")
    return len(data) / len(zlib.compress(data, 6))


def distinct_pairs(texts: list[str]) -> float:
    """Returns the share of distinct ones among the pairs of neighbouring words of texts (distinct-2, Li et al. 2016)."""
    pairs = [pair for text in texts for pair in pairwise(words_of(text))]
    return len(set(pairs)) / len(pairs) if pairs else 1.0
