"""GRM954 MissingFact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.grounding.fact_fidelity import all_stand_in, by_task, computed_kinds, kept_kinds, row_facts, sampled, spread
from prep.lint.detectors.grounding.number_fidelity import NumberProfile
from prep.lint.detectors.grounding.number_support import NumberSupport
from prep.lint.detectors.grounding.source_kinds import SourceKind, kinds_of
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import mask_near, shorten
from prep.text.number_words import TENS, UNITS, any_of
from prep.text.prefilter import sieve
from templates.form import JUDGED

_SAMPLE_ROWS = 4_000
_MAX_LOOKED_AT = 100_000
_NEARLY_ALL = 0.9
_NUMBER_WORD = sieve(rf"(?i)[0-9]|\b{any_of(*UNITS[1:13], *TENS)}\b|{any_of(*UNITS[13:])}\b")


@dataclass(frozen=True, slots=True)
class _Profile:
    """What a task's answers keep of their inputs."""

    kinds: tuple[str, ...] = ()
    numbers: NumberProfile | None = None


class MissingFact(Rule):
    """A fact that the answer must keep and does not: a part number, customer, dose or number.

    ## What it does
    Compares the typed, normalised facts of input and answer. The template's `keep` lists the kinds that must be kept. In files without
    a template whose answers are shorter than their inputs, the rule learns them from a sample of 4,000 rows: a kind, if enough rows of
    the task have it in the input and most answers keep all of it; and a number, by the words beside it ("order 58213", "76 years old")
    and its length, if nearly all answers keep such numbers. Also reports gaps where a number of the input is missing ("please wait for
    minutes") and other traces of a deletion ("a -year-old man", two spaces, "paid $ for it"). Of more than 100,000 rows it reads an
    evenly spread sample.

    ## Why is this bad
    A summary without the part number is useless to its reader, and the model learns that leaving it out is fine.

    ## Example
    `Customer reports damage, replacement sent.` for a call about MK401-27KX.

    ## Fix safety
    Never fixed automatically: a person has to rewrite the sentence around the fact.
    """

    code = "GRM954"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "input", "input_body", "answer", "answer_field", "is_closed_set", "form", "task_shape")
    remedy = "Add the missing fact to the answer."
    superseded_by = ("LEN603", "GRM955", "GRM953", "DUP305", "DIV705")
    thresholds = (
        Threshold("min_rows", 20, "16 of 20 is surely more than half: the lower end of its 95% Wilson interval is 0.58"),
        Threshold(
            "compression", 0.8, "answer length / input length; summaries are shorter than their input, reasoning (gsm8k: 1.2) is longer"
        ),
        Threshold("kept", 0.8, "correct summaries of the sample data keep every code and customer; up to one in five may be defective"),
        Threshold("number_kept", 0.88, "clinical notes (MTS-Dialog) keep 0.99 of the ages; their 0.8 of all numbers is no rule to enforce"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        restates = ~pl.col("is_closed_set") & (pl.col("answer").str.strip_chars() != "") & pl.col("input").str.contains(_NUMBER_WORD)
        restates &= ~pl.col("form").is_in(JUDGED)
        columns = [*Finding.where, "position", "task", "template", "system", "input", "input_body", "answer", "answer_field", "task_shape"]
        if context.built:
            kept = examples.filter(restates & pl.col("template").is_in([name for name, kinds in context.keep.items() if kinds]))
            return kept.select(*columns, one_task=ONE_TASK, sampled=pl.lit(False))
        rows = examples.filter(restates).select(*columns, one_task=ONE_TASK)
        sample = spread(rows, _SAMPLE_ROWS).with_columns(sampled=pl.lit(True))
        return pl.concat([sample, spread(rows, _MAX_LOOKED_AT).with_columns(sampled=pl.lit(False))])

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        samples = {row["task"]: rows for row, rows in by_task(found.filter("sampled"))}
        for first, rows in by_task(found.filter(~pl.col("sampled"))):
            if context.built:
                yield from _findings(rows, _Profile(context.keep.get(first["template"], ())), context)
            elif first["task"] in samples:
                for kind in kinds_of(rows, samples[first["task"]]):
                    yield from _findings(kind.rows, self._learn(kind, context), context)

    def _learn(self, kind: SourceKind, context: Context) -> _Profile:
        rows = kind.sample
        if _characters(rows, "answer") > context.threshold(self, "compression") * _characters(rows, "input"):
            return _Profile()
        min_rows = int(context.threshold(self, "min_rows"))
        facts = list(sampled(rows, context))
        computed = computed_kinds(facts, min_rows=min_rows)
        kinds = tuple(
            kind for kind in kept_kinds(facts, min_rows=min_rows, min_share=context.threshold(self, "kept")) if kind not in computed
        )
        first = rows.row(0, named=True)
        if not kind.is_alike or "number" in computed or first["task_shape"] not in {"prose", "mixed"} or rows.height < min_rows:
            return _Profile(kinds)
        pairs = list(zip(rows["input_body"], rows["answer"], strict=True))
        # In a mix only who takes nearly all numbers from the input loses one by mistake.
        if not first["one_task"] and not NumberSupport.of(pairs, min_rows=min_rows, min_share=_NEARLY_ALL).usual:
            return _Profile(kinds)
        return _Profile(kinds, NumberProfile.of(pairs, min_rows=min_rows, min_share=context.threshold(self, "number_kept")))

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer lacks a fact that it must keep")


def _findings(rows: pl.DataFrame, profile: _Profile, context: Context) -> Iterable[Finding]:
    for row in rows.iter_rows(named=True) if profile.kinds or profile.numbers else ():
        finding = _typed(row, profile.kinds, context) or (_number(row, profile.numbers) if profile.numbers else None)
        if finding is not None:
            yield finding


def _typed(row: Mapping[str, Any], kinds: tuple[str, ...], context: Context) -> Finding | None:
    if not kinds or all_stand_in(row["input"], kinds, row["answer"]):
        return None
    facts = [fact for fact in row_facts(row, context).missing if fact.kind in kinds]
    if not facts:
        return None
    shown = ", ".join(f"{fact.kind} '{shorten(row['input'], span=(fact.start, fact.end))}'" for fact in facts[:5])
    return Finding.at(row, f"the answer lacks the {shown}", field=row["answer_field"], kind=facts[0].kind)


def _number(row: Mapping[str, Any], profile: NumberProfile) -> Finding | None:
    lost = profile.lost(row["input_body"], row["answer"])
    if lost:
        shown = ", ".join(f"'{shorten(row['input_body'], span=(one.start, one.end))}'" for one in lost[:5])
        message = f"the answer lacks the number {shown}; nearly all answers of the task keep this kind of number"
        return Finding.at(row, message, field=row["answer_field"], kind="number")
    gaps = profile.find_gaps(row["input"], row["answer"])
    if not gaps:
        return None
    position, answer = gaps[0].position, row["answer"]
    masked, (low, high) = mask_near(answer, (position, position))
    shown = " ".join(f"{masked[max(0, low - 20) : low].rstrip()} [?] {masked[high : high + 20]}".split())
    place = row["input"].find(gaps[0].number)
    number = shorten(row["input"], span=(place, place + len(gaps[0].number))) if place >= 0 else gaps[0].number
    message = f"a number is missing at '{shown}'; the input has '{number}'"
    return Finding.at(row, message, field=row["answer_field"], span=(position, position), kind="number")


def _characters(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].str.len_chars().sum())
