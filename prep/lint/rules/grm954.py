"""GRM954 MissingFact."""

from collections.abc import Iterable

import polars as pl

from prep.lint.context import Context
from prep.lint.drafts import edit_answer
from prep.lint.kept import all_stand_in, by_task, kept_kinds, row_facts, sampled
from prep.lint.rule import Draft, Finding, Rule, Severity, Subject, Threshold


class MissingFact(Rule):
    """A fact that the answer must keep - a part number, a customer, a dose - and does not.

    ## What it does
    Compares typed facts of input and answer, normalised. The kinds that must be kept are those of the template's `keep`. In files
    without a template a kind is taken to be kept where the answers are shorter than their inputs, enough rows of the task have it in
    their input and most of their answers keep all of it.

    ## Why is this bad
    A summary without the part number is of no use to whoever reads it, and the model learns that leaving it out is fine.

    ## Example
    `Customer reports damage, replacement sent.` for a call about MK401-27KX.

    ## Fix safety
    Never fixed automatically: the sentence has to be written again around the fact.
    """

    code = "GRM954"
    severity = Severity.WARNING
    columns = ("task", "template", "system", "input", "answer", "answer_field", "closed", "kind")
    remedy = "Write the missing fact into the answer."
    yields_to = ("LEN603", "GRM955", "GRM953")
    thresholds = (
        Threshold("min_rows", 20, "16 of 20 is more than half for certain: its 95% Wilson interval reaches down to 0.58"),
        Threshold(
            "compression", 0.8, "a restatement is shorter than its input; answers that reason with the facts (gsm8k: 1.2) are longer"
        ),
        Threshold("kept", 0.8, "the sound summaries of the sample data keep every code and customer; one in five may be defective"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        restates = ~pl.col("closed") & (pl.col("answer").str.strip_chars() != "") & pl.col("input").str.contains("[0-9]")
        if context.built:
            restates &= pl.col("template").is_in([name for name, kinds in context.keep.items() if kinds])
        return examples.filter(restates & (pl.col("kind") != "preference")).select(
            *Finding.where, "task", "template", "system", "input", "answer", "answer_field"
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        min_rows, min_share = int(context.threshold(self, "min_rows")), context.threshold(self, "kept")
        for first, rows in by_task(found):
            kinds = context.keep.get(first["template"], ())
            if not context.built:
                if _characters(rows, "answer") > context.threshold(self, "compression") * _characters(rows, "input"):
                    continue
                kinds = kept_kinds(sampled(rows, context), min_rows=min_rows, min_share=min_share)
            for row in rows.iter_rows(named=True) if kinds else ():
                if all_stand_in(row["input"], kinds, row["answer"]):
                    continue
                facts = [fact for fact in row_facts(row, context).missing if fact.kind in kinds]
                if facts:
                    shown = ", ".join(f"{fact.kind} '{row['input'][fact.start : fact.end]}'" for fact in facts[:5])
                    yield Finding.at(row, f"the answer loses the {shown}", field=row["answer_field"], kind=facts[0].kind)

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the answer loses a fact that it must keep")


def _characters(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].str.len_chars().sum())
