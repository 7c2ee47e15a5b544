"""FMT006 MixedTypes."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.tasks import MIN_TASK_ROWS
from templates.form import Form

_MEMBER = r'"((?:[^"\\]|\\.){1,60})"\s*:\s*(["\-0-9tf\[{])'
_FLAT = r"^\{[^{}]*\}$"
_TYPES = {'"': "text", "[": "a list", "{": "an object", "t": "a boolean", "f": "a boolean"}


class MixedTypes(Rule):
    """Records of several formats in one file, or a field whose type changes.

    ## What it does
    Compares each record's format (chat, prompt and completion, Alpaca, preference pair, ...), the types of its other fields, and the
    value types of each key in tasks with JSON answers. If nearly all rows of a file have one format, or nearly all values of a key have
    one type, reports the few others; null fits any type. If several formats are common in a file, says so once.

    ## Why is this bad
    Loaders read a column as one type: they fail at the first row of another type, or turn everything into text. A model that answers
    `"12"` instead of a number breaks the program that reads its answers.

    ## Example
    `{"amount": "12.50"}` among 400 answers with a number as `amount`.

    ## Fix safety
    No draft: `prep build` writes all records in one format, and a person decides whether a value of another type means the usual one
    ("12.50" is 12.5, but "n/a" is not a number). Files that no build wrote are not rewritten.
    """

    code = "FMT006"
    severity = Severity.WARNING
    columns = ("source", "template", "form", "task", "task_shape", "answer", "input_field", "answer_field", "fields")
    remedy = "Rewrite the row in the format of the other rows, or move rows of another format to their own file."
    thresholds = (
        Threshold("minority", 0.02, "a more frequent format or type is by design"),
        Threshold("majority", 0.95, "below this share no format or type is the usual one"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        root = pl.when(pl.col("form") == Form.CHAT).then(pl.col("input_field")).otherwise(pl.col("answer_field")).str.extract(r"^([^\[.]+)")
        shapes = examples.filter(pl.col("template") == "").select(
            *Finding.where,
            scope="source",
            of=pl.lit(""),
            key=pl.lit(""),
            value=pl.format("{} under '{}'", "form", root),
            field=pl.lit(None, pl.String),
        )
        answers = examples.filter(pl.col("task_shape") == "json").select(
            *Finding.where, scope="task", field="answer_field", of=pl.lit("answers"), member=pl.col("answer").str.extract_all(_MEMBER)
        )
        # Flat objects alone: of nested ones a key may stand in several places, each with a type of its own.
        others = examples.filter((pl.col("template") == "") & pl.col("fields").str.contains(_FLAT)).select(
            *Finding.where,
            scope="source",
            field=pl.lit(None, pl.String),
            of=pl.lit("records"),
            member=pl.col("fields").str.extract_all(_MEMBER),
        )
        sign = pl.col("member").str.extract(_MEMBER, 2)
        members = (
            pl.concat([answers, others])
            .explode("member")
            .filter(pl.col("member").is_not_null())
            .with_columns(key=pl.col("member").str.extract(_MEMBER, 1), value=sign.replace_strict(_TYPES, default="a number"))
            .select(*Finding.where, "scope", "of", "key", "value", field=pl.coalesce("field", "key"))
        )
        seen = pl.concat([shapes, members], how="vertical_relaxed")
        counts = seen.group_by("scope", "of", "key", "value").len("rows")
        usual = counts.group_by("scope", "of", "key").agg(
            total=pl.col("rows").sum(), most=pl.col("rows").max(), usual=pl.col("value").sort_by("rows").last(), number=pl.len()
        )
        mixed = usual.filter((pl.col("number") > 1) & (pl.col("total") >= MIN_TASK_ROWS))
        is_odd = pl.col("most") >= context.threshold(self, "majority") * pl.col("total")
        is_odd &= pl.col("rows") <= pl.max_horizontal(context.threshold(self, "minority") * pl.col("total"), pl.lit(1))
        odd = counts.join(mixed.filter(pl.col("most") > 0), on=["scope", "of", "key"], how="inner").filter(is_odd)
        common = counts.join(mixed, on=["scope", "of", "key"], how="inner").filter(
            (pl.col("key") == "") & ~is_odd & (pl.col("value") != pl.col("usual"))
        )
        return pl.concat([seen.join(odd, on=["scope", "of", "key", "value"], how="inner"), common], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for row in found.sort("scope", "of", "key", "value").iter_rows(named=True):
            share = f"{row['most'] / row['total']:.0%} of {row['total']:,}"
            if row["id"] is None:
                message = f"records of several formats are mixed: {row['rows']:,} are {row['value']}, {share} are {row['usual']}"
                yield Finding(message, source=row["scope"], kind="shape", severity=Severity.INFO)
            elif row["of"]:
                message = f"'{row['key']}' is {row['value']} here, but {row['usual']} in {share} {row['of']}"
                yield Finding.at(row, message, field=row["field"], kind="type")
            else:
                yield Finding.at(row, f"the record is {row['value']}; {share} records of the file are {row['usual']}", kind="shape")
