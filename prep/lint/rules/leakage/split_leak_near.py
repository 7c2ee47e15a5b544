"""LEK402 SplitLeakNear."""

from collections import Counter
from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import SPLIT_ORDER, one_split_only
from prep.lint.base.rule import Need, Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import described
from prep.lint.detectors.near_pairs import TEXT, near_rows
from prep.text.slot_differences import difference, is_exchange, patterned
from templates.form import Form

_KEYS = ("template", "task")


class SplitLeakNear(Rule):
    """A validation or test row with a near-duplicate in train.

    ## What it does
    Looks for near inputs (as in DUP302: 0.7 of the word pairs, or all but one word) across train, validation and test, or between a
    training file and the file of --test. Reports each evaluation row with the nearest row of an earlier split, whatever their answers.
    If many rows of a task differ in one word only, as in questions made from a pattern, they are information.

    ## Why is this bad
    The row measures memory, not skill: a model that has seen a question answers it without understanding, even if a word differs.

    ## Example
    `Do you rent helmets?` on line 24 of train.jsonl and `Do you also rent helmets?` on line 5 of test.jsonl.

    ## Fix safety
    Unsafe: `prep fix propose` drafts dropping the train row, so the evaluation stays the same.
    """

    code = "LEK402"
    severity = Severity.WARNING
    needs = (Need.NEAR,)
    columns = ("template", "task", "task_rows", "split", "form", "input_body", "answer", "input_key")
    thresholds = (
        Threshold("similarity", 0.7, "as for DUP302"),
        Threshold("by_design", 0.05, "as for DUP302"),
    )
    superseded_by = ("LEK401",)
    remedy = "Drop the row from train; for a built dataset accept the draft of `prep fix propose`."

    def unavailable(self, context: Context) -> str | None:
        return one_split_only(context)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rank = {name: pl.col(name).replace_strict(SPLIT_ORDER, return_dtype=pl.Int64) for name in ("split", "split_other")}
        same = pl.all_horizontal(pl.col(key) == pl.col(f"{key}_other") for key in _KEYS)
        pairs = near_rows(examples, context, *_KEYS, "split").filter(same & (pl.col("split") != pl.col("split_other")))
        later_is_worth_more = rank["split"] > rank["split_other"]
        evaluated = pl.when(later_is_worth_more).then("position").otherwise("position_other")
        trained = pl.when(later_is_worth_more).then("position_other").otherwise("position")
        chosen = (
            pairs.select(position=evaluated, position_other=trained, similarity="similarity")
            .sort("similarity", "position_other", descending=[True, False])
            .unique("position", keep="first", maintain_order=True)
        )
        rows = examples.select(*Finding.where, "position", "split", "task", "task_rows", "form", text=TEXT)
        return chosen.join(rows, on="position").join(rows, left_on="position_other", right_on="position", suffix="_other")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        rows = list(found.iter_rows(named=True))
        differences = [difference(row["text"], row["text_other"]) for row in rows]
        exchanged = Counter((row["task"], row["task_rows"]) for row, apart in zip(rows, differences, strict=True) if is_exchange(*apart))
        by_design = patterned(exchanged, context.threshold(self, "by_design"))
        for row, apart in zip(rows, differences, strict=True):
            yield Finding.at(
                row,
                f"this {row['split']} row has a near-duplicate in {row['split_other']}, at {row['source_other']}:{row['line_other']}: "
                f"{described(row['text'], row['text_other'])}",
                field="answer" if row["form"] == Form.COMPLETION else "input",
                severity=Severity.INFO if row["task"] in by_design and is_exchange(*apart) else None,
                related=(row["id_other"],),
            )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        copy = next((row for row in subject.related if row["split"] == "train"), None)
        if copy is None:
            return None
        return Draft("drop", "near-duplicate of a test or validation row; drop it from train", row_id=copy["row_id"], id=copy["id"])
