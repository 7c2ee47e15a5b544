"""GRM952 UnsupportedFact."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.kept import RESTATED_KINDS, all_stand_in, by_task, row_facts, sampled, supported_kinds
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold


class UnsupportedFact(Rule):
    """A code, amount, percentage, dose or date in the answer that its input does not have.

    ## What it does
    Compares typed facts, normalised ("$1,200.00" is "$1200", "5 March" is in "2024-03-05"), where answers restate their input: where
    the template declares `keep`, codes, amounts, percentages, doses, dates and what it keeps are checked. Beyond that, and in files
    without a template, a kind is checked where nearly all answers of the task that have such facts take them from the input.

    ## Why is this bad
    The model learns to make facts up: a wrong amount in a summary reads as well as the right one.

    ## Example
    The call says $412.75, the summary $421.75.

    ## Fix safety
    Never fixed automatically: which of the two is right is for a person to say.
    """

    code = "GRM952"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "input", "answer", "answer_field", "closed", "kind")
    remedy = "Correct the fact in the answer, or give the input that it comes from."
    yields_to = ("CON201",)
    thresholds = (
        Threshold("min_rows", 20, "18 of 20 is a habit for certain: its 95% Wilson interval reaches down to 0.70"),
        Threshold("supported", 0.9, "sound summaries of the sample data reach 1.0; gsm8k, whose answers compute, stays far below"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        restates = ~pl.col("closed") & (pl.col("input") != "") & pl.col("answer").str.contains("[0-9]")
        return examples.filter(restates & (pl.col("kind") != "preference")).select(
            *Finding.where, "task", "template", "system", "input", "answer", "answer_field"
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        min_rows, min_share = int(context.threshold(self, "min_rows")), context.threshold(self, "supported")
        for first, rows in by_task(found):
            kinds = set(supported_kinds(sampled(rows, context), min_rows=min_rows, min_share=min_share))
            keep = context.keep.get(first["template"], ())
            if keep:
                kinds |= {*RESTATED_KINDS, *keep}
            if not kinds:
                continue
            for row in rows.iter_rows(named=True):
                if all_stand_in(row["answer"], kinds, row["input"], row["system"]):
                    continue
                facts = [fact for fact in row_facts(row, context).unsupported if fact.kind in kinds]
                if facts:
                    shown = ", ".join(f"{fact.kind} '{row['answer'][fact.start : fact.end]}'" for fact in facts[:5])
                    span = (facts[0].start, facts[0].end)
                    yield Finding.at(row, f"the input does not have the {shown}", field=row["answer_field"], span=span, kind=facts[0].kind)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer states a fact that its input does not have")
