"""BAL102 BoilerplateShare."""

from collections.abc import Iterable, Mapping

import polars as pl

from loopwright.statistics import wilson_interval
from prep.config import PriorOf
from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.answer_counts import REFUSES, START, answered, count_answers, declared_priors
from prep.lint.detectors.expectations import ExpectationState
from prep.lint.detectors.refusals import NARROW_TASK
from prep.lint.frame.tasks import MIN_TASK_ROWS

_MAX_RELATED = 20
_SAMPLE_ROWS = 20_000
# Inputs that share as many characters at an end, in as large a share of the rows, share an instruction.
_SAME_CHARACTERS = 24
_INSTRUCTED_SHARE = 0.05


class BoilerplateShare(Rule):
    """Refusals among answers that do the task, or more boilerplate than the config declares.

    ## What it does
    Finds answers that begin with a refusal ("I'm sorry, but I can't", "As an AI language model"), in English and other common
    languages. A task with few refusals gets a warning for each: nothing in a review or a call asks for one. In chats without one fixed
    task, and in multi-turn conversations, a question may call for a refusal, so each is information only. A task with many refusals, as
    in safety data, is designed so.

    With `lint: {expect: {priors: {refusal: 0.05, opening: 0.1}}}` in the config, compares the shares of refusals and of canned openings
    ("Sure! Here is") with the declared shares. Shares that differ (95% Wilson interval) are reported once, and single refusals are not.
    Without a declared share of openings, reports the three words that begin a large part of a task's answers.

    ## Why is this bad
    A few refusals teach the model to refuse ordinary work. A canned opening costs tokens in every answer.

    ## Example
    Among summaries: `I'm sorry, but I can't help with that.`

    ## Fix safety
    Never fixed automatically: a person has to write the answer or drop the row.
    """

    code = "BAL102"
    severity = Severity.WARNING
    columns = ("task", "template", "task_rows", "task_shape", "form", "label", "instruction", "input", "answer", "answer_field", "messages")
    remedy = "Write the answer, or drop the row; where refusals are wanted, declare their share: lint: {expect: {priors: {refusal: 0.05}}}."
    superseded_by = ("LEN603",)
    thresholds = (
        Threshold("common", 0.1, "above this share refusals are by design: 45 of 300 tool-call chats (glaive), 42 of 999 alpaca rows"),
        Threshold("opening", 0.4, "share of a task's answers with the same first three words; 35% in 869 human call summaries"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answers = answered(examples).filter(pl.col("label").is_null())  # a choice that is given is no refusal
        single_turn = pl.col("messages").list.len().fill_null(0) <= 3
        narrow = NARROW_TASK & (pl.col("task_rows") >= MIN_TASK_ROWS)
        rows = _with_instructed(answers.filter(REFUSES), answers).select(
            *Finding.where,
            "position",
            "task",
            "task_rows",
            task_refusals=pl.len().over("task"),
            field="answer_field",
            narrow=pl.col("task_shape").is_in(["label", "json"]) | (single_turn & (narrow | pl.col("instructed"))),
        )
        priors = context.expect.priors
        counted = [count_answers(examples)] if priors else []
        first_words = START.str.extract(r"^\W*(\S+\s+\S+\s+\S+)").str.to_lowercase()
        every = (pl.col("task_rows") // _SAMPLE_ROWS).clip(1)
        begun = (
            answers.filter((pl.col("task_shape") == "prose") & (pl.col("task_rows") >= MIN_TASK_ROWS) & (pl.col("position") % every == 0))
            .select("task", "source", num_looked_at=pl.col("task_rows") // every, words=first_words)
            .group_by("task", "source", "words", "num_looked_at")
            .len("count")
            .filter(pl.col("words").is_not_null() & (pl.col("count") >= context.threshold(self, "opening") * pl.col("num_looked_at")))
        )
        return pl.concat([rows, *counted, *([begun] if "opening" not in priors else [])], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        priors = context.expect.priors
        rows = found.filter(pl.col("id").is_not_null()).sort("position")
        if priors:
            yield from self._beyond_priors(rows, found.filter(pl.col("num_answers").is_not_null()), priors)
        if "refusal" not in priors:
            yield from self._refusals(rows, context)
        if "words" in found.columns:
            yield from self._openings(found.filter(pl.col("words").is_not_null()), context)

    def _beyond_priors(self, rows: pl.DataFrame, counted: pl.DataFrame, priors: Mapping[PriorOf, float]) -> Iterable[Finding]:
        for one in declared_priors(counted, priors):
            if one.state is not ExpectationState.MET:
                low, high = one.interval
                words = "refusals" if one.name == "refusal" else "canned openings"
                yield Finding(
                    f"{words} make up {one.share:.1%} of {one.total:,} answers (95% interval {low:.1%} to {high:.1%}), but"
                    f" {one.lowest:.1%} is declared",
                    kind=one.name,
                    related=tuple(rows["id"].head(_MAX_RELATED)) if one.name == "refusal" else (),
                    remedy=f"Add or drop rows until the share fits, or declare another: lint: {{expect: {{priors: {{{one.name}: ...}}}}}}.",
                )

    def _refusals(self, rows: pl.DataFrame, context: Context) -> Iterable[Finding]:
        common = context.threshold(self, "common")
        told: set[str] = set()
        for row in rows.iter_rows(named=True):
            share = row["task_refusals"] / row["task_rows"]
            if share <= common or row["task_refusals"] <= 2:
                severity = None if row["narrow"] else Severity.INFO
                yield Finding.at(row, "the answer is a refusal", field=row["field"], kind="refusal", severity=severity)
            elif row["task"] not in told:
                told.add(row["task"])
                message = f"{share:.0%} of {row['task_rows']:,} answers of a task are refusals, and no share of refusals is declared"
                yield Finding(message, source=row["source"], kind="refusal", severity=Severity.INFO)

    def _openings(self, begun: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in begun.sort("source", "words").iter_rows(named=True):
            low, high = wilson_interval(min(row["count"], row["num_looked_at"]), row["num_looked_at"])
            if low > context.threshold(self, "opening"):
                yield Finding(
                    f"{row['count'] / row['num_looked_at']:.0%} of {row['num_looked_at']:,} answers of a task begin with '{row['words']}'"
                    f" (95% interval {low:.0%} to {high:.0%})",
                    source=row["source"],
                    field="answer",
                    kind="opening",
                    severity=Severity.INFO,
                    remedy="Vary or cut the opening, or declare its share: lint: {expect: {priors: {opening: 0.3}}}.",
                )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer is a refusal") if finding.kind == "refusal" else None


def _with_instructed(rows: pl.LazyFrame, answers: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `instructed`: many rows of the file begin, or end, their input in the same words, which are then an instruction."""
    for side, words in (("head", pl.col("input").str.head(_SAME_CHARACTERS)), ("tail", pl.col("input").str.tail(_SAME_CHARACTERS))):
        rows = rows.with_columns(words.alias(side))
        # Counted for the few refusals alone: the beginnings of all inputs would be as many as the inputs.
        alike = answers.select(words.alias(side)).join(rows.select(pl.col(side).unique()), on=side, how="semi")
        rows = rows.join(alike.group_by(side).len(f"{side}_rows"), on=side, how="left")
    most = pl.max_horizontal(pl.col("head_rows").fill_null(0), pl.col("tail_rows").fill_null(0))
    total = answers.select(num_answers=pl.len())
    return rows.join(total, how="cross").with_columns(instructed=most >= _INSTRUCTED_SHARE * pl.col("num_answers")).drop("num_answers")
