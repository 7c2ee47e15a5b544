"""Runs rules over the lint frame: all their queries are collected in one streaming pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.files import atomic_file
from prep.lint.base.context import Context
from prep.lint.base.finding import Finding
from prep.lint.base.report import Skipped
from prep.lint.base.rule import RULES, Need, RankedRule, Rule
from prep.lint.frame.tokens import token_limit

_SCORES_SCHEMA = pl.Schema({"id": pl.String(), "code": pl.String(), "score": pl.Float64()})
# All queries go over the data in one pass, up to this many rows in all: each holds buffers of its own, and fifty of them over a million
# rows took 8 GB. From there on a pass takes fewer queries, at the same cost in time.
_ROWS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Frames:
    """The lint frame.

    Attributes:
        examples: every row.
        tokens: the chats, with the columns of `TOKEN_SCHEMA`, where a rule needs them.
    """

    examples: pl.LazyFrame
    tokens: pl.LazyFrame | None = None

    def of(self, rule: Rule) -> pl.LazyFrame:
        """Returns the frame that a rule looks at."""
        if Need.TOKENS not in rule.needs:
            return self.examples
        assert self.tokens is not None
        return self.tokens


def runnable(rules: Iterable[Rule], context: Context, *, named_by_config: bool) -> tuple[list[Rule], list[Skipped]]:
    """Divides rules into those that can look at this data and those that cannot, or not in all ways that they know, with the reason.

    Args:
        rules: the selected rules.
        context: what rules may ask.
        named_by_config: whether only the config names the model. Asked for on the command line, a missing model is an error; the
            config's may be fetched later.
    """
    missing = {
        Need.TOKENS: _model_reason(context.model, named_by_config=named_by_config),
        Need.MODEL_SCORES: None
        if context.model_scores is not None
        else "needs model scores: run evals score, then give --model-scores FILE",
        Need.TRAINING_LEDGER: None
        if context.training_ledger is not None
        else "needs the ledger of a training run: give --training-ledger RUN",
    }
    able, skipped = [], []
    for rule in rules:
        reason = next((missing[need] for need in rule.needs if missing.get(need)), None) or rule.unavailable(context)
        if reason is not None:
            skipped.append(Skipped(rule.code, reason))
            continue
        able.append(rule)
        if (left_out := rule.left_out(context)) is not None:
            skipped.append(Skipped(rule.code, left_out, partly=True))
    return able, skipped


def run_rules(
    rules: Sequence[Rule], frames: Frames, num_examples: int, context: Context, folder: Path, *, scores: Path | None = None
) -> dict[Rule, list[Finding]]:
    """Returns the findings of each rule.

    Args:
        rules: rules that can look at this data.
        frames: the lint frame, with the columns of token rules and without.
        num_examples: its rows.
        context: what rules may ask.
        folder: a folder for what is made on the way.
        scores: where the scores of ranked rules are written, as parquet.

    Raises:
        UserError: the data cannot be read.
    """
    ranks: dict[Rule, pl.LazyFrame] = {}
    queries = []
    for rule in rules:
        seen = visible(frames.of(rule), rule)
        if isinstance(rule, RankedRule):
            ranks[rule] = _ranks(rule, seen, context, folder)
            seen = seen.join(ranks[rule], on="id", how="inner")
        queries.append(rule.check(seen, context))
    if scores is not None:
        _write_scores(ranks, scores)
    together = max(1, _ROWS_AT_ONCE // max(num_examples, 1))
    found: dict[Rule, list[Finding]] = {}
    for first in range(0, len(queries), together):
        found |= _look(rules[first : first + together], queries[first : first + together], context)
    return found


def _look(rules: Sequence[Rule], queries: Sequence[pl.LazyFrame], context: Context) -> dict[Rule, list[Finding]]:
    """Goes over the data once. A function of its own, so that what one pass selected is let go before the next begins."""
    try:
        collected = pl.collect_all(queries, engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise UserError(f"the examples cannot be read: {str(error).splitlines()[0]}", remedy="Build the dataset again.") from error
    return {rule: list(rule.refine(collected.pop(0), context)) for rule in rules}


def visible(frame: pl.LazyFrame, rule: Rule) -> pl.LazyFrame:
    """Returns the columns that a rule declares, and each row's place: other columns are not read from disk for it."""
    return frame.select(list(dict.fromkeys((*Finding.where, "position", *rule.columns))))


def _ranks(rule: RankedRule, examples: pl.LazyFrame, context: Context, folder: Path) -> pl.LazyFrame:
    path = folder / f"rank-{rule.code}.parquet"
    rule.rank(examples, context).select("id", pl.col("score").cast(pl.Float64)).write_parquet(path)
    return pl.scan_parquet(path, glob=False)


def _write_scores(ranks: dict[Rule, pl.LazyFrame], path: Path) -> None:
    scores = [frame.select("id", pl.lit(rule.code).alias("code"), "score") for rule, frame in ranks.items()]
    with atomic_file(path) as temporary:
        pl.concat([pl.LazyFrame(schema=_SCORES_SCHEMA), *scores]).sink_parquet(temporary)


def _model_reason(model: str | None, *, named_by_config: bool) -> str | None:
    if model is None:
        return "needs a tokenizer: give --model, or 'model:' in the config"
    if not named_by_config:
        return None
    try:
        token_limit(model)
    except UserError as error:
        return str(error).removesuffix(".")
    return None


def rules_matching(select: tuple[str, ...], ignore: tuple[str, ...]) -> list[Rule]:
    """Makes the rules whose codes begin with one of `select` (all, where it is empty) and with none of `ignore`."""
    return [
        rule()
        for rule in RULES.entries.values()
        if (not select or rule.code.startswith(select)) and not rule.code.startswith(ignore or ("\0",))
    ]
