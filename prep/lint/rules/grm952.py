"""GRM952 UnsupportedFact."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.kept import RESTATED_KINDS, all_stand_in, by_task, row_facts, sampled, spread, supported_kinds
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold
from prep.lint.tasks import ONE_TASK
from prep.lint.texts import shorten
from prep.numerals import Numeral, NumeralIndex, numerals

_SAMPLE_ROWS = 5_000
_MAX_LOOKED_AT = 100_000
# What holds a digit, as it is written: a sieve for the rows whose answers may have one that the input lacks.
_WRITTEN = r"[\p{L}\p{N}_/.,:'-]*[0-9][\p{L}\p{N}_/:'-]*"
_COMPUTES = re.compile(r"(?i)\b(?:total|sum|together|altogether|combined|remaining|left over|difference|overall|in all|average|net)\b|=")
_MAX_TERMS = 12
_DIGITS = re.compile(r"\d+")
_SUFFIX = re.compile(r"-?[a-z%'\u2019]?")
_RARE = "any"


@dataclass(frozen=True, slots=True)
class _Habits:
    """What a task's answers take from their inputs: kinds of fact, and shapes of number: those that many have, and of them the usual."""

    kinds: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    shapes: frozenset[str] = frozenset()

    def checks(self, shape: str) -> bool:
        """Says whether numbers of that shape come from the input; a rare shape goes by all numbers together."""
        return (shape if shape in self.known else _RARE) in self.shapes


class UnsupportedFact(Rule):
    """A number, code, amount, percentage, dose or date in the answer that its input does not have.

    ## What it does
    Compares typed facts, normalised ("$1,200.00" is "$1200", "5 March" is in "2024-03-05"), and bare numbers, in digits or in words
    ("76" is "seventy six", "6:50" is "650"), where answers restate their input: where the template declares `keep`, codes, amounts,
    percentages, doses, dates and what it keeps are checked. Beyond that, and in files without a template, a kind is checked where nearly
    all answers of the task that have such facts take them from the input, by a sample of 5,000 rows; so is each shape of bare number (9,
    9/9/9, 9-year). Sums that say so ("in total") may follow from the input. Of more than
    100,000 doubtful rows, as many are looked at.

    ## Why is this bad
    The model learns to make facts up: a wrong amount in a summary reads as well as the right one.

    ## Example
    The call says $412.75, the summary $421.75.

    ## Fix safety
    Never fixed automatically: which of the two is right is for a person to say.
    """

    code = "GRM952"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "preamble", "input", "answer", "answer_field", "closed", "kind")
    remedy = "Correct the fact in the answer, or give the input that it comes from."
    yields_to = ("CON201",)
    thresholds = (
        Threshold("min_rows", 20, "18 of 20 is a habit for certain: its 95% Wilson interval reaches down to 0.70"),
        Threshold("supported", 0.9, "sound summaries of the sample data reach 1.0; gsm8k, whose answers compute, stays far below"),
        Threshold("number_supported", 0.8, "summaries of calls (TweetSumm) reach 0.97; one in six may be defective"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        restates = ~pl.col("closed") & (pl.col("input") != "") & pl.col("answer").str.contains("[0-9]") & (pl.col("kind") != "preference")
        columns = [*Finding.where, "position", "task", "template", "system", "preamble", "input", "answer", "answer_field"]
        rows = examples.filter(restates).select(*columns, one_task=ONE_TASK)
        said = pl.concat_str("input", pl.lit(" "), "preamble", ignore_nulls=True).str.to_lowercase().str.extract_all(_WRITTEN)
        doubtful = pl.col("answer").str.to_lowercase().str.extract_all(_WRITTEN).list.set_difference(said).list.len() > 0
        sample = spread(rows, _SAMPLE_ROWS).with_columns(doubtful=pl.lit(None, pl.Boolean))
        return pl.concat([sample, spread(rows.filter(doubtful), _MAX_LOOKED_AT).with_columns(doubtful=pl.lit(True))])

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        learnt = {row["task"]: self._learn(rows, context) for row, rows in by_task(found.filter(pl.col("doubtful").is_null()))}
        for first, rows in by_task(found.filter("doubtful")):
            habits = learnt.get(first["task"], _Habits())
            keep = context.keep.get(first["template"], ())
            kinds = habits.kinds | ({*RESTATED_KINDS, *keep} if keep else set())
            for row in rows.iter_rows(named=True) if kinds or habits.shapes else ():
                finding = self._typed(row, kinds, context) or _bare(row, habits)
                if finding is not None:
                    yield finding

    def _learn(self, rows: pl.DataFrame, context: Context) -> _Habits:
        min_rows = int(context.threshold(self, "min_rows"))
        kinds = supported_kinds(sampled(rows, context), min_rows=min_rows, min_share=context.threshold(self, "supported"))
        present: Counter[str] = Counter()
        broken: Counter[str] = Counter()
        for row in rows.iter_rows(named=True):
            found = {_shape(row["answer"], numeral) for numeral in numerals(row["answer"])}
            lacking = {_shape(row["answer"], numeral) for numeral in _unsupported(row)} if found else set()
            present.update(found | ({_RARE} if found else set()))
            broken.update(lacking | ({_RARE} if lacking else set()))
        # Numbers in words are read in English; in Chinese too many would seem to be lacking.
        is_han = rows["answer"].str.contains(r"\p{Han}").mean() or 0.0
        share = context.threshold(self, "supported" if float(is_han) > 0.5 else "number_supported")  # type: ignore[arg-type]
        known = {shape for shape, count in present.items() if count >= min_rows}
        usual = {shape for shape in known if present[shape] - broken[shape] >= share * present[shape]}
        return _Habits(frozenset(kinds) - {"number"}, frozenset(known), frozenset(usual if rows["one_task"][0] else ()))

    def _typed(self, row: Mapping[str, Any], kinds: Iterable[str], context: Context) -> Finding | None:
        kinds = set(kinds)
        if not kinds or all_stand_in(row["answer"], kinds, row["input"], row["system"]):
            return None
        facts = [fact for fact in row_facts(row, context).unsupported if fact.kind in kinds]
        if not facts:
            return None
        shown = ", ".join(f"{fact.kind} '{shorten(row['answer'], span=(fact.start, fact.end))}'" for fact in facts[:5])
        span = (facts[0].start, facts[0].end)
        return Finding.at(row, f"the input does not have the {shown}", field=row["answer_field"], span=span, kind=facts[0].kind)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer states a fact that its input does not have")


def _bare(row: Mapping[str, Any], habits: _Habits) -> Finding | None:
    found = [one for one in (_unsupported(row) if habits.shapes else ()) if habits.checks(_shape(row["answer"], one))]
    if not found:
        return None
    shown = ", ".join(f"'{shorten(row['answer'], span=(one.start, one.end))}'" for one in found[:5])
    message = f"the input does not have the {'number' if len(found) == 1 else 'numbers'} {shown}"
    return Finding.at(row, message, field=row["answer_field"], span=(found[0].start, found[0].end), kind="number")


def _shape(text: str, numeral: Numeral) -> str:
    """How a number is written: "9/9/9" for a date, "9-y" for an age, "9"."""
    return _DIGITS.sub("9", text[numeral.start : numeral.end]) + _suffix(text, numeral.end)


def _suffix(text: str, position: int) -> str:
    match = _SUFFIX.match(text, position)
    return match[0] if match else ""


def _unsupported(row: Mapping[str, Any]) -> list[Numeral]:
    """Returns the numbers of an answer that neither its input nor its instruction has."""
    index = NumeralIndex(f"{row['input']}\n{row['system'] or ''}\n{row['preamble'] or ''}")
    found = [numeral for numeral in numerals(row["answer"]) if not index.holds(numeral) and not _is_symbol(row["answer"], numeral)]
    return [numeral for numeral in found if not (_COMPUTES.search(row["answer"]) and _follows(numeral, index))]


def _is_symbol(text: str, numeral: Numeral) -> bool:
    """Says whether a number belongs to one capital: O2, B12, G3."""
    before = text[max(0, numeral.start - 2) : numeral.start]
    return before[-1:].isupper() and not before[:-1].isalnum() and len(numeral.digits) <= 2


def _follows(numeral: Numeral, index: NumeralIndex) -> bool:
    """Says whether a number is the sum or difference of two that the input has, or the sum of all."""
    values = sorted({int(group) for group in index.singles if len(group) <= 9})[:_MAX_TERMS]
    wanted = int(numeral.digits[:18])
    return wanted == sum(values) or any(wanted in {a + b, b - a, a * b} for a, b in combinations(values, 2))
