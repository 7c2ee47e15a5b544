"""CON203 MixedOutputShape."""

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from prep.lint.base.answers import edit_answer, example_answer, field_text
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.answer_style import end_of, quantities, with_other_end, written_as
from prep.lint.detectors.unfinished_answers import stops_midway
from prep.lint.frame.columns import LOOKS_LIKE_JSON
from prep.lint.frame.tasks import MIN_TASK_ROWS, ONE_TASK
from prep.pii.masking import shorten
from prep.text.edits import replace_span
from templates.form import Form

_LIST = r"^\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s+\S[^\n]*\n\s*(?:[-*\x{2022}\x{2013}]|[0-9]{1,2}[.)])\s"
_MARKDOWN = r"^\s*(?:#{1,4} \S|\|[^\n]*\|[ \t]*\n\s*\||\*\*[^*\n]{1,40}\*\*:?\s*\n)"
_END, _UNIT = "end punctuation", "unit"
_KEY = r'"[^"\\\n]{1,60}"\s*:'
# An input that asks for a shape gets it.
_ASKED_FOR = r"(?i)\bjson\b|\bbullet|\blist of\b|\bas a list\b|\bnumbered\b|\bcapital letters\b|\bupper ?case\b"


class MixedOutputShape(Rule):
    """An answer in another format than the rest of its task: JSON among prose, a list, all capitals, 5mg among 5 mg.

    ## What it does
    Sorts the free-text answers of each task (a template, or an instruction that rows share) by format: JSON, code block, list,
    Markdown, capitals or prose; and JSON answers by their keys. If nearly all answers have one format or one set of keys, reports the
    few that differ, unless their input asks for another format. Two differences are information: one-line answers with a full stop
    where nearly all have none, or the reverse (GRM953 reports cut sentences), and numbers whose unit is written unlike nearly all
    others: `5mg` among `5 mg`, `10 percent` among `10%`. CON204 covers answers from a fixed set.

    ## Why is this bad
    The model learns to switch formats at random, and the parser or page that reads its answers breaks.

    ## Example
    Among summaries in prose: `{"part": "PX7731-A", "issue": "damaged"}`.

    ## Fix safety
    Unsafe: `prep fix propose` drafts the answer with or without its full stop, and units as the other answers write them. A person has
    to rewrite an answer into another format.
    """

    code = "CON203"
    severity = Severity.WARNING
    columns = (
        "template",
        "task",
        "task_rows",
        "task_shape",
        "is_closed_set",
        "form",
        "punctuated_share",
        "system",
        "input",
        "answer",
        "answer_field",
    )
    remedy = "Rewrite the answer in the format of the other answers."
    thresholds = (
        Threshold(
            "majority", 0.85, "below this share formats are mixed by design; up to a tenth of a sound task's answers may be defective"
        ),
        Threshold("minority", 0.03, "a more frequent format is by design; in the sample data each odd format has one answer in 160"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answer = pl.col("answer")
        letters = answer.str.replace_all(r"\P{L}", "")
        shape = (
            pl.when((pl.col("task_shape") == "json") & answer.str.contains(r"^\s*\[") | answer.str.contains(r"^\s*\[\s*[\[{\"]"))
            .then(pl.lit("a JSON array"))
            .when(answer.str.contains(LOOKS_LIKE_JSON) | ((pl.col("task_shape") == "json") & answer.str.contains(r"^\s*\{")))
            .then(pl.lit("JSON"))
            .when(answer.str.contains(r"^\s*```"))
            .then(pl.lit("a block of code"))
            .when(answer.str.contains(_LIST))
            .then(pl.lit("a list"))
            .when(answer.str.contains(_MARKDOWN))
            .then(pl.lit("Markdown"))
            .when((letters.str.len_chars() >= 20) & (letters == letters.str.to_uppercase()) & (letters != letters.str.to_lowercase()))
            .then(pl.lit("all capitals"))
            .otherwise(pl.lit("prose"))
        )
        cut = (pl.col("task_shape") == "json") | stops_midway(context)
        looked_at = ONE_TASK & (~pl.col("is_closed_set") | (pl.col("task_shape") == "json")) & (pl.col("task_rows") >= MIN_TASK_ROWS)
        shaped = examples.filter(looked_at & (answer.str.strip_chars() != "") & (pl.col("form") != Form.COMPLETION)).select(
            *Finding.where,
            "position",
            "task",
            "answer",
            field="answer_field",
            shape=shape,
            end=pl.when((shape == "prose") & ~cut).then(end_of(answer)),
            is_cut=cut,
            keys=pl.when(shape == "JSON").then(answer.str.extract_all(_KEY).list.unique().list.sort().list.join(" ")),
            asked_for=pl.col("input").str.contains(_ASKED_FOR) & (pl.col("task_shape") != "json"),
        )
        # Without the texts: whatever is counted over a task is held as a whole.
        known = shaped.drop("answer")
        by_shape = self._odd(known, "shape", context).with_columns(
            message=pl.format("the answer's format is {}; {}% of the task's answers are {}", "shape", "percent", "usual")
        )
        by_keys = self._odd(known.filter(pl.col("keys") != ""), "keys", context).with_columns(
            message=pl.format("the answer's keys are {}; {}% of the JSON answers have {}", _shown("keys"), "percent", _shown("usual"))
        )
        by_end = self._odd(known.filter(pl.col("end").is_not_null()), "end", context).with_columns(
            message=pl.format("the answer ends in {}; {}% of the task's answers end in {}", "end", "percent", "usual"), kind=pl.lit(_END)
        )
        columns = [*Finding.where, "field", "message", "kind", "answer", "said", "example"]
        odd = pl.concat([by_shape, by_keys, by_end, self._odd_units(shaped, examples, context)], how="diagonal")
        return odd.select(*columns, severity=pl.when(pl.col("kind").is_not_null()).then(pl.lit("info")))

    def _odd_units(self, shaped: pl.LazyFrame, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        # A finding here holds GRM953's back, so that its rows are left to it.
        rows = shaped.filter(~pl.col("is_cut")).select(*Finding.where, "position", "task", "answer", "field", "asked_for")
        found = quantities(rows).drop("answer").with_columns(task=pl.concat_str("task", pl.lit("\0"), "unit"))
        # Of each form, a row that has it: a draft takes from it how the unit is written.
        first = found.group_by("task", usual="form").agg(pl.col("position").min().alias("first"), pl.col("said").min().alias("other"))
        said = "unit written as in '{}'; {}% of the numbers with this unit are written as in '{}'"
        return (
            self._odd(found.filter(pl.len().over("task") >= MIN_TASK_ROWS), "form", context)
            .unique(["position", "form"], keep="any")
            .join(first, on=["task", "usual"], how="left")
            .join(examples.select("position", example="id"), left_on="first", right_on="position", how="left")
            .join(examples.select("position", "answer"), on="position", how="left")
            .with_columns(message=pl.format(said, "said", "percent", "other"), kind=pl.lit(_UNIT))
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.iter_rows(named=True):
            severity = Severity(row["severity"]) if row["severity"] else None
            finding = Finding.at(row, row["message"], field=row["field"], kind=row["kind"], severity=severity)
            if row["kind"] == _UNIT:
                start = row["answer"].index(row["said"])
                finding = replace(finding, span=(start, start + len(row["said"])), related=(row["example"],))
            yield finding

    def _odd(self, shaped: pl.LazyFrame, column: str, context: Context) -> pl.LazyFrame:
        """Returns the rows whose value is rare in a task where nearly all have one."""
        share = pl.len().over("task", column) / pl.len().over("task")
        return (
            shaped.with_columns(share=share)
            .with_columns(majority=pl.col("share").max().over("task"), usual=pl.col(column).sort_by("share").last().over("task"))
            .filter(pl.col("majority") >= context.threshold(self, "majority"))
            .filter((pl.col("share") <= context.threshold(self, "minority")) & ~pl.col("asked_for"))
            .with_columns(percent=(pl.col("majority") * 100).floor().cast(pl.Int64))
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        if finding.kind == _UNIT:
            text = field_text(subject.row, finding.field)
            if text is None or finding.span is None or not subject.related:
                return None
            right = written_as(text[slice(*finding.span)], example_answer(subject.related[0]) or "")
            fields = replace_span(subject.fields, text, finding.span, right) if right else {}
            return Draft("edit", "unit rewritten as in the other answers", dict(fields)) if fields else None
        if finding.kind == _END:
            name = subject.answer_field
            value = str(subject.fields[name]) if name else ""
            if name is None or value.strip() != (example_answer(subject.row) or "").strip():
                return None
            return Draft("edit", "ending changed to that of the other answers", {name: with_other_end(value)})
        return edit_answer(subject, "the answer has another format than the others")


def _shown(column: str) -> pl.Expr:
    names = pl.col(column).str.replace_all(r"\s*:", "").str.replace_all(" ", ", ")
    return names.map_elements(lambda text: shorten(text, 80), return_dtype=pl.String)
