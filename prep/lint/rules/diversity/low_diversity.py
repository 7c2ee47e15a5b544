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
    """Texts that repeat the same content in few different words.

    ## What it does
    Takes up to 1,000 inputs and up to 1,000 prose answers of each task, evenly spread. Reports a task whose texts compress far better
    than natural text (compression ratio, Shaib et al. 2024) and have a low share of distinct word pairs (distinct-2, Li et al. 2016).
    Both depend on the amount of text, so small tasks are skipped.

    ## Why is this bad
    From ten thousand rows of a handful of templates the model learns those templates by heart. Such rows cost as much as varied rows
    and teach less. Synthetic rows are often like that.

    ## Example
    1,000 generated complaints with a compression ratio of 11 and 3% distinct word pairs; 869 human summaries have 3.3 and 49%.

    ## Fix safety
    Never fixed automatically: write or collect other rows, or drop near-duplicates (DUP302).
    """

    code = "DIV701"
    severity = Severity.WARNING
    columns = ("task", "task_rows", "task_shape", "template", "source", "form", "input_body", "answer")
    remedy = "Collect more varied rows, or drop near-duplicates."
    thresholds = (
        Threshold(
            "compression",
            5,
            "2.1 to 4.0 in human reviews, calls, notes, clauses and questions; 8 and more in filled-in templates",
        ),
        Threshold("distinct_2", 0.25, "0.34 and more in the same corpora, even where the same customers ask the same bank"),
        Threshold("min_characters", 20_000, "with less text the compression ratio says little"),
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
