"""LEK403 EvalContamination."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.near_pairs import TEXT
from prep.text.words import Codes, Counts, in_parts, mix, word_codes

_LONGEST, _SHORTEST = 13, 8
_MAX_RELATED = 20
_MOST = "most of an input"
_BATCH_ROWS = 20_000
_TABLE_SIZE = 1 << 24
_TABLE_MASK = np.uint64(_TABLE_SIZE - 1)
_FOUND = pl.Schema({"position": pl.UInt32(), "position_other": pl.UInt32(), "share": pl.Float64(), "length": pl.Int64()})

Positions = NDArray[np.int64]


@dataclass
class _Grams:
    """The runs of words of one length in the evaluation rows.

    Attributes:
        codes: each run once [num_runs], sorted.
        rows: the evaluation row of each place where a run stands.
        runs: the run at each such place.
        table: which codes are there, by their last bits: most runs of train are ruled out without a search.
        counts: the training rows that have each run.
        first: the first such row.
    """

    codes: Codes
    rows: Positions
    runs: Positions
    table: NDArray[np.bool_]
    counts: Counts
    first: Positions


class EvalContamination(Rule):
    """An evaluation input that a longer training row contains.

    ## What it does
    Takes the 13-grams of words of each evaluation input (Brown et al. 2020), or the whole input if it has 8 to 12 words, and looks for
    them in the inputs and answers of train. N-grams that occur in many rows, such as greetings and instructions, do not count. Warning
    if train contains half of an input's n-grams; information for fewer and for short inputs, because many people use the same twelve
    words. If one training row contains several inputs, or one as a small part of it, that training row is reported instead. LEK401 and
    LEK402 report whole rows that appear in train.

    ## Why is this bad
    The model has seen the question, and perhaps its answer, in another row: the score measures memory.

    ## Example
    The question on line 5 of test.jsonl is quoted in a conversation on line 24 of train.jsonl.

    ## Fix safety
    Unsafe: `prep fix propose` drafts dropping the training row if it contains most of an evaluation input, so the evaluation stays the
    same. To keep a valuable training row, cut the input out of it. Quotations that are information get no draft.
    """

    code = "LEK403"
    severity = Severity.WARNING
    columns = ("split", "form", "input_body", "answer")
    thresholds = (
        Threshold("share", 0.5, "share of the input's n-grams; Brown et al. 2020 count a single one, which any quotation has"),
        Threshold("common", 10, "an n-gram in more rows is boilerplate (Brown et al. 2020)"),
        Threshold("gathered", 2, "a training row with this many evaluation inputs was assembled from them"),
        Threshold("longer", 4, "a training row this many times longer than the input is no copy of it"),
    )
    superseded_by = ("LEK401", "LEK402")
    remedy = "Drop the training row, or cut the evaluation input out of it."

    def unavailable(self, context: Context) -> str | None:
        if not {"train"} < context.splits:
            return "needs an evaluation split: give the evaluation file with --test"
        return None

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rows = examples.select(*Finding.where, "position", "split", characters=TEXT.str.len_chars())
        is_most = (pl.col("share") >= context.threshold(self, "share")) & (pl.col("length") >= _LONGEST)
        found = self._found(examples, int(context.threshold(self, "common"))).with_columns(
            is_most=is_most, held=is_most.sum().over("position_other")
        )
        told = found.lazy().join(rows, on="position").join(rows, left_on="position_other", right_on="position", suffix="_other")
        far_longer = pl.col("characters_other") >= context.threshold(self, "longer") * pl.col("characters")
        told = told.with_columns(gathered=(pl.col("held") >= context.threshold(self, "gathered")) | far_longer)
        single = told.select(
            *Finding.where,
            message=pl.format(
                "{}% of this {} input appears in the training row at {}:{}",
                (pl.col("share") * 100).ceil().cast(pl.Int64),
                "split",
                "source_other",
                "line_other",
            ),
            field=pl.lit("input"),
            kind=pl.when("is_most").then(pl.lit(_MOST)).otherwise(pl.lit("quotation")),
            severity=pl.when(~pl.col("is_most") | pl.col("gathered")).then(pl.lit("info")),
            related=pl.concat_list("id_other"),
        )
        gathered = (
            told.filter("is_most", "gathered")
            .group_by("position_other")
            .agg(
                *(pl.col(f"{name}_other").first().alias(name) for name in Finding.where),
                pl.col("held").first(),
                pl.col("split").first(),
                pl.col("id").sort().head(_MAX_RELATED).alias("related"),
            )
            .sort("position_other")
            .select(
                *Finding.where,
                message=pl.format(
                    "this training row holds {} of {}",
                    pl.when(pl.col("held") == 1).then(pl.lit("an input")).otherwise(pl.format("{} inputs", "held")),
                    "split",
                ),
                field=pl.lit("input"),
                kind=pl.lit(_MOST),
                severity=pl.lit(None, pl.String),
                related="related",
            )
        )
        return pl.concat([single, gathered])

    def _found(self, examples: pl.LazyFrame, most: int) -> pl.DataFrame:
        """Returns the evaluation rows, each with a training row and the share of its runs that train has (`_FOUND`)."""
        is_train = pl.col("split") == "train"
        by_length = _evaluation_grams(examples.filter(~is_train).select("position", text=TEXT))
        whole = pl.concat_str("input_body", "answer", separator="\n", ignore_nulls=True)
        for positions, codes, counts in _words(examples.filter(is_train).select("position", text=whole)):
            for length, grams in by_length.items():
                _count(grams, positions, *_runs(codes, counts, length))
        found = [pl.DataFrame(schema=_FOUND), *(_contaminated(grams, length, most) for length, grams in by_length.items())]
        return pl.concat(found).sort("position")

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        holder = subject.row if subject.row["split"] == "train" else next((row for row in subject.related if row["split"] == "train"), None)
        if finding.kind != _MOST or holder is None:
            return None
        return Draft("drop", "the training row contains an evaluation input", row_id=holder["row_id"], id=holder["id"])


def _words(texts: pl.LazyFrame) -> Iterator[tuple[Positions, Codes, Counts]]:
    """Yields the positions of some rows, and their words."""
    for batch in texts.collect_batches(chunk_size=_BATCH_ROWS):
        start = 0
        for part in in_parts(batch["text"]):
            words = word_codes(part)
            yield batch["position"][start : start + len(part)].to_numpy().astype(np.int64), words.codes, words.counts
            start += len(part)


def _runs(codes: Codes, counts: Counts, length: int) -> tuple[Codes, Positions]:
    """Returns the code of each run of so many words within a text, and its text."""
    num_starts = max(len(codes) - length + 1, 0)
    texts = np.repeat(np.arange(len(counts)), counts)
    within = texts[:num_starts] == texts[len(codes) - num_starts :]
    runs = np.zeros(num_starts, np.uint64)
    for step in range(length):
        runs = mix(runs + codes[step : step + num_starts])
    return runs[within], texts[:num_starts][within]


def _evaluation_grams(texts: pl.LazyFrame) -> dict[int, _Grams]:
    """Returns the runs of the evaluation rows by their length: 13 words, or all of a shorter input."""
    found: dict[int, list[tuple[Codes, Positions]]] = {}
    for positions, codes, counts in _words(texts):
        lengths = np.minimum(counts, _LONGEST)
        for length in range(_SHORTEST, _LONGEST + 1):
            chosen = lengths == length
            if chosen.any():
                runs, rows = _runs(codes[np.repeat(chosen, counts)], counts[chosen], length)
                found.setdefault(length, []).append((runs, positions[chosen][rows]))
    grams = {}
    for length, parts in found.items():
        known, places = np.unique(np.concatenate([codes for codes, _ in parts]), return_inverse=True)
        table = np.zeros(_TABLE_SIZE, np.bool_)
        table[known & _TABLE_MASK] = True
        zeros = np.zeros(len(known), np.int64)
        grams[length] = _Grams(known, np.concatenate([rows for _, rows in parts]), places, table, zeros, zeros.copy())
    return grams


def _count(grams: _Grams, positions: Positions, codes: Codes, texts: Positions) -> None:
    """Notes which runs of the evaluation rows these training rows have."""
    likely = np.flatnonzero(grams.table[codes & _TABLE_MASK])
    at = np.minimum(np.searchsorted(grams.codes, codes[likely]), len(grams.codes) - 1)
    hits = grams.codes[at] == codes[likely]
    pairs = np.unique(np.stack((at[hits], positions[texts[likely[hits]]]), axis=1), axis=0)
    runs, rows = pairs[:, 0], pairs[:, 1]
    unseen, first = np.unique(runs, return_index=True)
    new = grams.counts[unseen] == 0
    grams.first[unseen[new]] = rows[first[new]]
    grams.counts += np.bincount(runs, minlength=len(grams.codes))


def _contaminated(grams: _Grams, length: int, most: int) -> pl.DataFrame:
    places = pl.DataFrame(
        {"position": grams.rows, "run": grams.runs, "position_other": grams.first[grams.runs], "num": grams.counts[grams.runs]}
    )
    shared = (pl.col("num") > 0) & (pl.col("num") <= most) & (pl.col("position").n_unique().over("run") <= most)
    return (
        places.with_columns(shared=shared)
        .group_by("position")
        .agg(pl.col("position_other").filter("shared").mode().min(), pl.col("shared").mean().alias("share"))
        .filter(pl.col("share") > 0)
        .with_columns(length=length)
        .select(pl.col(name).cast(dtype) for name, dtype in _FOUND.items())
    )
