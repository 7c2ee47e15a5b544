"""GRM952 UnsupportedFact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.grounding.fact_fidelity import (
    RESTATED_KINDS,
    all_stand_in,
    by_task,
    computed_kinds,
    row_facts,
    sampled,
    spread,
    supported_kinds,
)
from prep.lint.detectors.grounding.number_support import NumberSupport
from prep.lint.detectors.grounding.proper_names import SIEVE, NameProfile
from prep.lint.detectors.grounding.source_kinds import SourceKind, kinds_of
from prep.lint.frame.tasks import ONE_TASK
from prep.pii.masking import shorten
from prep.text.number_words import SPELLED
from prep.text.prefilter import sieve
from templates.form import JUDGED

_SAMPLE_ROWS = 5_000
_MAX_LOOKED_AT = 100_000
# What holds a digit, as it is written: a sieve for the rows whose answers may have one that the input lacks.
_WRITTEN = r"[\p{L}\p{N}_/.,:'-]*[0-9][\p{L}\p{N}_/:'-]*"
_LETTERS = r"\p{L}+"
_SPELLED = sieve(SPELLED)
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Profile:
    """What a task's answers take from their inputs: kinds of fact, shapes of number, and names, which may be but information."""

    kinds: frozenset[str] = frozenset()
    numbers: NumberSupport = field(default_factory=NumberSupport)
    names: NameProfile | None = None
    name_severity: Severity | None = None


class UnsupportedFact(Rule):
    """A fact in the answer that the input does not have: a number, name, code, amount, dose or date.

    ## What it does
    Compares typed, normalised facts ("$1,200.00" is "$1200", "5 March" is in "2024-03-05") and bare numbers in digits or words ("76" is
    "seventy six", "6:50" is "650"). If the template declares `keep`, codes, amounts, percentages, doses, dates and the kinds under
    `keep` are checked. Other kinds, and files without a template, are checked where nearly all answers of a task take such facts from
    the input, by a sample of 5,000 rows. The same holds for each form of bare number (9, 9/9/9, 9-year), for numbers in words, and for
    names: words with a capital inside a sentence that the task never writes in lower case, in any spelling near the input's. Names are
    information if more than one answer in ten brings its own, numbers in words if more than three in a hundred do. Answers of which
    most work out their numbers ("16 - 3 - 4 = 9") are left alone, also where the template declares them, and a mix of open questions is
    checked only where rows restate a text of one kind. Stated sums ("in
    total") may follow from the input. Of more than 100,000 doubtful rows it reads an evenly spread sample.

    ## Why is this bad
    The model learns to hallucinate: a wrong amount in a summary reads as well as the right one.

    ## Example
    The call says $412.75, the summary $421.75.

    ## Fix safety
    Never fixed automatically: a person decides which of the two values is right.
    """

    code = "GRM952"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "instruction", "input", "answer", "answer_field", "is_closed_set", "form")
    remedy = "Correct the fact in the answer, or add its source to the input."
    superseded_by = ("CON201",)
    thresholds = (
        Threshold("min_rows", 20, "18 of 20 is surely the rule: the lower end of its 95% Wilson interval is 0.70"),
        Threshold("supported", 0.9, "1.0 in correct summaries of the sample data; far less in gsm8k, whose answers compute"),
        Threshold("number_supported", 0.75, "0.97 in call summaries (TweetSumm), 0.9 in clinical notes; up to one in six may be defective"),
        Threshold(
            "name_supported", 0.75, "0.99 in call summaries, 0.86 in clinical notes (MTS-Dialog), 0.25 in answers from world knowledge"
        ),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = pl.col("answer")
        may_hold = answer.str.contains("[0-9]") | answer.str.contains(_SPELLED) | answer.str.contains(SIEVE)
        restates = ~pl.col("is_closed_set") & (pl.col("input") != "") & ~pl.col("form").is_in(JUDGED) & may_hold
        columns = [*Finding.where, "position", "task", "template", "system", "instruction", "input", "answer", "answer_field"]
        rows = examples.filter(restates).select(*columns, one_task=ONE_TASK)
        sample = spread(rows, _SAMPLE_ROWS).with_columns(doubtful=pl.lit(None, pl.Boolean))
        return pl.concat([sample, spread(rows.filter(_doubtful()), _MAX_LOOKED_AT).with_columns(doubtful=pl.lit(True))])

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        samples = {row["task"]: rows for row, rows in by_task(found.filter(pl.col("doubtful").is_null()))}
        for first, rows in by_task(found.filter("doubtful")):
            if first["task"] not in samples:
                continue
            for kind in kinds_of(rows, samples[first["task"]]):
                profile = self._learn(kind, context)
                for row in kind.rows.iter_rows(named=True) if profile.kinds or profile.numbers.usual or profile.names else ():
                    finding = self._typed(row, profile.kinds, context) or _number(row, profile) or _name(row, profile)
                    if finding is not None:
                        yield finding

    def _learn(self, kind: SourceKind, context: Context) -> _Profile:
        rows = kind.sample
        min_rows = int(context.threshold(self, "min_rows"))
        supported, number_supported = context.threshold(self, "supported"), context.threshold(self, "number_supported")
        facts = list(sampled(rows, context))
        kinds = frozenset(supported_kinds(facts, min_rows=min_rows, min_share=supported)) - {"number"}
        declared = context.keep.get(rows["template"][0], ())
        computed = computed_kinds(facts, min_rows=min_rows)
        if declared:
            kinds |= {*RESTATED_KINDS, *declared} - computed
        if not kind.is_alike or "number" in computed:  # who works out numbers reasons, and says more than the input does
            return _Profile(kinds - computed)
        pairs = [(_source(row), row["answer"]) for row in rows.iter_rows(named=True)]
        # Numbers in words are read in English; in Chinese too many would seem to be lacking.
        is_han = rows["answer"].str.contains(r"\p{Han}").mean() or 0.0
        number_share = supported if float(is_han) > 0.5 else number_supported  # type: ignore[arg-type]
        numbers = NumberSupport.of(pairs, min_rows=min_rows, min_share=number_share)
        names = NameProfile(pairs)
        share = names.supported if names.num_answers >= min_rows else 0.0
        if share < context.threshold(self, "name_supported"):
            return _Profile(kinds, numbers)
        return _Profile(kinds, numbers, names, None if share >= supported else Severity.INFO)

    def _typed(self, row: Mapping[str, Any], kinds: Iterable[str], context: Context) -> Finding | None:
        kinds = set(kinds)
        if not kinds or all_stand_in(row["answer"], kinds, row["input"], row["system"]):
            return None
        facts = [fact for fact in row_facts(row, context).unsupported if fact.kind in kinds]
        if not facts:
            return None
        shown = ", ".join(f"{fact.kind} '{shorten(row['answer'], span=(fact.start, fact.end))}'" for fact in facts[:_MAX_SHOWN])
        span = (facts[0].start, facts[0].end)
        return Finding.at(row, f"not in the input: {shown}", field=row["answer_field"], span=span, kind=facts[0].kind)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer states a fact that is not in its input")


def _doubtful() -> pl.Expr:
    """Says whether an answer has what its input may not have: something written with digits, a number in words, a word with a capital."""
    answer, told = pl.col("answer"), pl.concat_str("input", pl.lit(" "), "instruction", ignore_nulls=True)
    small_answer, small = answer.str.to_lowercase(), told.str.to_lowercase()
    names = answer.str.extract_all(SIEVE).list.eval(pl.element().str.slice(2).str.to_lowercase())
    lacking = (
        small_answer.str.extract_all(_WRITTEN).list.set_difference(small.str.extract_all(_WRITTEN)),
        small_answer.str.extract_all(_SPELLED).list.set_difference(small.str.extract_all(_SPELLED)),
        names.list.set_difference(small.str.extract_all(_LETTERS)),
    )
    return pl.any_horizontal(one.list.len() > 0 for one in lacking)


def _source(row: Mapping[str, Any]) -> str:
    """Returns all that an answer may take facts from."""
    return f"{row['input']}\n{row['system'] or ''}\n{row['instruction'] or ''}"


def _number(row: Mapping[str, Any], profile: _Profile) -> Finding | None:
    numbers, answer = profile.numbers, row["answer"]
    found = numbers.unsupported(_source(row), answer)
    if not found:
        return None
    sure = [one for one in found if numbers.is_sure(answer, one)]
    return _lacking(row, "number", [(one.start, one.end) for one in sure or found], None if sure else Severity.INFO)


def _name(row: Mapping[str, Any], profile: _Profile) -> Finding | None:
    found = profile.names.unsupported(_source(row), row["answer"]) if profile.names else []
    return _lacking(row, "name", [(one.start, one.end) for one in found], profile.name_severity) if found else None


def _lacking(row: Mapping[str, Any], what: str, spans: list[tuple[int, int]], severity: Severity | None) -> Finding:
    shown = ", ".join(f"'{shorten(row['answer'], span=span)}'" for span in spans[:_MAX_SHOWN])
    message = f"not in the input: {what}{'s' * (len(spans) > 1)} {shown}"
    return Finding.at(row, message, field=row["answer_field"], span=spans[0], kind=what, severity=severity)
