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
    """Records of several shapes in one file, or a field whose type changes.

    ## What it does
    Tells each record's shape (chat, prompt and completion, alpaca, a preference pair, ...), the types of what it holds beside its texts,
    and, in tasks answered in JSON, the type of each key's value. Where nearly all rows of a file have one shape, or nearly all values of a
    key one type, it reports the few others; null may stand for any type. Where several shapes are common in a file, it says so once.

    ## Why is this bad
    Loaders read a column as one type: they fail at the first row of another, or turn all of it into text. A model that says `"12"` where
    a number was asked for breaks whatever reads its answers.

    ## Example
    `{"amount": "12.50"}` among 400 answers in which `amount` is a number.

    ## Fix safety
    None is drafted: `prep build` writes all records in one shape, and whether a value of another type in an answer stands for the usual
    one ("12.50" for 12.5, but "n/a" for no number) is for a person to say. A file from elsewhere is not rewritten.
    """

    code = "FMT006"
    severity = Severity.WARNING
    columns = ("source", "template", "form", "task", "task_shape", "answer", "input_field", "answer_field", "fields")
    remedy = "Write the row in the shape of the others, or put rows of another shape into a file of their own."
    thresholds = (
        Threshold("minority", 0.02, "a shape or type that more rows have is there on purpose"),
        Threshold("majority", 0.95, "below it no shape or type is the usual one"),
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
                message = f"records of several shapes are mixed: {row['rows']:,} are {row['value']}, and {share} are {row['usual']}"
                yield Finding(message, source=row["scope"], kind="shape", severity=Severity.INFO)
            elif row["of"]:
                message = f"'{row['key']}' is {row['value']} here, and {row['usual']} in {share} {row['of']}"
                yield Finding.at(row, message, field=row["field"], kind="type")
            else:
                yield Finding.at(row, f"the record is {row['value']}, where {share} records of the file are {row['usual']}", kind="shape")
