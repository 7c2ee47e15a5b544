"""Runs rules over the lint frame: what several of them need is made once, and all queries are collected in one streaming pass."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.files import atomic_file
from prep.lint.context import Context
from prep.lint.report import Skipped
from prep.lint.rule import RULES, Finding, Need, RankedRule, Rule
from prep.lint.tokens import token_limit, with_tokens

_SCORES_SCHEMA = pl.Schema({"id": pl.String(), "code": pl.String(), "score": pl.Float64()})
_SIMILARITY = "similarity"
# All queries go over the data in one pass, up to this many rows in all: each holds buffers of its own, and fifty of them over a million
# rows took 8 GB. From there on a pass takes fewer queries, at the same cost in time.
_ROWS_AT_ONCE = 1_000_000


def runnable(rules: Iterable[Rule], context: Context, *, named_by_config: bool) -> tuple[list[Rule], list[Skipped]]:
    """Divides rules into those that can look at this data and those that cannot, or not in all ways that they know, with the reason.

    Args:
        rules: the selected rules.
        context: the run.
        named_by_config: whether the model stands in the config alone. Asked for on the command line, a missing model is an error; the
            config's may be fetched later.
    """
    missing = {
        Need.TOKENS: _model_reason(context.options.model, named_by_config=named_by_config),
        Need.MODEL_SCORES: None if context.model_scores is not None else "needs a model's scores: evals score, then --model-scores FILE",
        Need.TRAINING_LEDGER: None if context.training_ledger is not None else "needs a training run's ledger: --training-ledger RUN",
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


def run_rules(rules: Sequence[Rule], frame: pl.LazyFrame, num_examples: int, context: Context, folder: Path) -> dict[Rule, list[Finding]]:
    """Returns the findings of each rule.

    Args:
        rules: rules that can look at this data.
        frame: the lint frame.
        num_examples: its rows.
        context: the run; what rules share is put there.
        folder: an empty folder for what is made on the way.

    Raises:
        UserError: the model is not there, or the data cannot be read.
    """
    needed = {need for rule in rules for need in rule.needs}
    frames: dict[Need | None, pl.LazyFrame] = {None: frame}
    if Need.TOKENS in needed:
        assert context.options.model is not None
        context.token_limit = token_limit(context.options.model)
        frames[Need.TOKENS] = with_tokens(frame, context.options.model, folder / "tokens.parquet")
    if Need.NEAR in needed:
        context.near = _near(rules, frame, context, folder)
    ranks: dict[Rule, pl.LazyFrame] = {}
    queries = []
    for rule in rules:
        seen = visible(frames[Need.TOKENS if Need.TOKENS in rule.needs else None], rule)
        if isinstance(rule, RankedRule):
            ranks[rule] = _ranks(rule, seen, context, folder)
            seen = seen.join(ranks[rule], on="id", how="inner")
        queries.append(rule.check(seen, context))
    if context.options.scores is not None:
        _write_scores(ranks, context.options.scores)
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
    """Returns the columns that a rule declares, and where each row stands: what it does not ask for is not read from disk for it."""
    return frame.select(list(dict.fromkeys((*Finding.where, "position", *rule.columns))))


def _near(rules: Iterable[Rule], frame: pl.LazyFrame, context: Context, folder: Path) -> pl.LazyFrame:
    """Returns the pairs for all rules that need them: as near as the most lenient of them asks."""
    from prep.lint.near_pairs import near_pairs

    thresholds = [
        context.threshold(rule, _SIMILARITY)
        for rule in rules
        if Need.NEAR in rule.needs and any(threshold.name == _SIMILARITY for threshold in rule.thresholds)
    ]
    return near_pairs(frame, folder, threshold=min(thresholds))


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
