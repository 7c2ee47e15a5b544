"""TPL906 FewShotLeak."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.pii.masking import shorten
from prep.text.shingles import jaccard, shingles
from prep.text.words import words
from templates.form import Form

_MIN_WORDS = 5
_MAX_DEMONSTRATIONS = 100
_MAX_WORDS = 2_000
# "Review:", "3.", "- Q:" may stand before the input in a demonstration.
_MAX_CUE_WORDS = 3
_BLANK_LINE = re.compile(r"\n[ \t]*\n|\n#{3,}\s|\n-{3,}\s")
_FOUND = {"position": pl.UInt32(), "shown": pl.String(), "similarity": pl.Float64()}


class FewShotLeak(Rule):
    """A few-shot demonstration that is the example itself, or a near-duplicate of it.

    ## What it does
    Looks for the example's own input among the demonstrations before it: earlier turns with the same answer, lines and paragraphs of an
    instruction that contains the answer, and paragraphs of one text that ends with an open cue ("Sentiment:"). A demonstration is the
    example if it shares 0.8 of the word pairs. Inputs of fewer than five words are not checked.

    ## Why is this bad
    The prompt contains the answer: training teaches copying, and an evaluation counts a copy as a solution.

    ## Example
    `Review: Great soup / Mood: good / Review: Cold soup / Mood: bad / Review: Great soup / Mood:`

    ## Fix safety
    Safe, but no row is drafted: demonstrations are drawn when the prompt is built, and `prep build` never draws the example itself or a
    near-duplicate of it.
    """

    code = "TPL906"
    severity = Severity.WARNING
    columns = ("form", "instruction", "input_body", "answer", "messages", "input_field")
    thresholds = (Threshold("near", 0.8, "Jaccard of word pairs at which Lee et al. 2022 call two texts near-duplicates"),)
    remedy = "Draw the demonstrations from other rows, as `prep build` with `shots` does."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        assistant = pl.element().struct.field("role") == "assistant"
        turns = pl.col("messages").list.eval(assistant).list.sum().fill_null(0) > 1
        lines = pl.col("instruction").str.count_matches("\n") >= 2
        cue = pl.col("input_body").str.contains(r"\n[ \t]*\n|\n###|\n---") & pl.col("input_body").str.contains(r"(?::|->|=>)\s*$")
        rows = examples.filter((pl.col("form") != Form.COMPLETION) & (turns | lines | cue))
        threshold = context.threshold(self, "near")
        found = rows.select("position", "instruction", "input_body", "answer", "messages").map_batches(
            lambda batch: pl.DataFrame(list(_leaks(batch, threshold)), schema=_FOUND, orient="row"),
            schema=_FOUND,
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
            streamable=True,
        )
        place = examples.select(*Finding.where, "position", field="input_field")
        how = pl.when(pl.col("similarity") >= 1).then(pl.lit("is")).otherwise(pl.lit("is nearly"))
        message = pl.format("the demonstration '{}' in the prompt {} this example", "shown", how)
        return found.join(place, on="position").select(*Finding.where, "field", message=message)


def _leaks(rows: pl.DataFrame, threshold: float) -> Iterator[tuple[int, str, float]]:
    for row in rows.iter_rows(named=True):
        best = max(_similar(row), default=(0.0, ""))
        if best[0] >= threshold:
            yield row["position"], shorten(best[1], 60), best[0]


def _similar(row: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """Yields each demonstration with its likeness to the example."""
    turns = row["messages"] or []
    asked = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    if len(asked) > 1:
        query = _before(turns, asked[-1])
        for place in asked[:-1][-_MAX_DEMONSTRATIONS:]:
            if words(turns[place]["content"] or "") == words(row["answer"] or ""):
                yield _alike(query, words(_before(turns, place))), _before(turns, place)
        return
    body = row["input_body"] or ""
    blocks = _BLANK_LINE.split(body)
    if len(blocks) > 1:
        if body.rstrip().endswith((":", "->", "=>")):
            for block in blocks[:-1][-_MAX_DEMONSTRATIONS:]:
                shown = words(block)
                if len(shown) > len(words(blocks[-1])) - _MAX_CUE_WORDS:
                    yield _alike(blocks[-1], shown), block
        return
    answer = " ".join(words(row["answer"] or ""))
    for shown, text in _demonstrations(row["instruction"] or ""):
        if answer and f" {answer} " in f" {' '.join(words(row['instruction']))} ":
            yield _alike(body, shown), text


def _before(turns: list[Mapping[str, Any]], place: int) -> str:
    return str(turns[place - 1]["content"] or "") if place else ""


@lru_cache(maxsize=1_000)
def _demonstrations(instruction: str) -> list[tuple[list[str], str]]:
    """Returns the lines and paragraphs of an instruction that could each show an example: few instructions stand before all rows."""
    parts = dict.fromkeys([*instruction.splitlines(), *_BLANK_LINE.split(instruction)])
    return [(found, part) for part in parts if len(found := words(part)) >= _MIN_WORDS][:_MAX_DEMONSTRATIONS]


def _alike(query: str, shown: list[str]) -> float:
    """Returns how like an input the beginning of a demonstration is, after its cue; its answer stands behind."""
    asked = words(query)[:_MAX_WORDS]
    if len(asked) < _MIN_WORDS or len(shown) * 2 < len(asked):
        return 0.0
    pairs = shingles(" ".join(asked))
    common = set(asked) & set(shown)
    if len(common) * 2 < len(set(asked)):
        return 0.0
    return max(jaccard(pairs, shingles(" ".join(shown[skip : skip + len(asked)]))) for skip in range(_MAX_CUE_WORDS + 1))
