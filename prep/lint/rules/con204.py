"""CON204 VerbalizerDrift."""

from collections.abc import Iterable
from difflib import SequenceMatcher

import polars as pl

from prep.keys import normalise
from prep.lint.context import Context
from prep.lint.defects import DefectRule
from prep.lint.drafts import edit_answer
from prep.lint.rule import Draft, Finding, Severity, Subject, Threshold


class VerbalizerDrift(DefectRule):
    """An answer word in another spelling: "Positive", "positive ", "pos".

    ## What it does
    In tasks whose answers come from a fixed set of words it compares each rare spelling with the frequent ones: equal but for case,
    white space or a final stop, the beginning of one, or one or two letters away from it. For a built dataset it also reports the raw
    rows whose label the config's `labels` did not know, which the build dropped.

    ## Why is this bad
    To the model "Positive" and "positive" are two classes that share one meaning, and exact match counts one of them as wrong.

    ## Example
    398 rows say `positive`, two say `pos`.

    ## Fix safety
    Never fixed automatically: `pos` could be a class of its own. Unknown labels are mended under `labels:` in the config.
    """

    code = "CON204"
    severity = Severity.WARNING
    columns = ("task", "closed", "label", "answer", "answer_field")
    remedy = "Write the label as the other rows do, or add its spelling under `labels:` in the config."
    thresholds = (
        Threshold("ratio", 10, "a spelling is rare where the one it resembles is this many times as frequent; drift is the exception"),
        Threshold(
            "similarity", 0.8, "difflib's ratio (Ratcliff and Obershelp 1988); 'positve' to 'positive' is 0.93, 'male' to 'female' is 0.8"
        ),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        spelled_freely = pl.col("closed") & pl.col("label").is_null() & pl.col("answer").is_not_null() & (pl.col("answer") != "")
        return (
            examples.filter(spelled_freely)
            .select(*Finding.where, "task", "answer", field="answer_field")
            .with_columns(count=pl.len().over("task", "answer"))
            .with_columns(
                spellings=pl.struct("answer", "count").unique().implode().over("task", mapping_strategy="join"),
            )
            .filter(
                pl.col("count") * context.threshold(self, "ratio")
                <= pl.col("spellings").list.eval(pl.element().struct.field("count")).list.max()
            )
            .select(*Finding.where, "field", "answer", "spellings")
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        yield from super().refine(found, context)
        for row in found.iter_rows(named=True):
            counts = {entry["answer"]: entry["count"] for entry in row["spellings"]}
            meant = self._meant(row["answer"], counts, context)
            if meant is not None:
                yield Finding.at(
                    row, f"'{row['answer']}' looks like another spelling of '{meant}', which {counts[meant]} rows have", field=row["field"]
                )

    def _meant(self, answer: str, counts: dict[str, int], context: Context) -> str | None:
        frequent = [other for other, count in counts.items() if count >= context.threshold(self, "ratio") * counts[answer]]
        key = _bare(answer)
        for other in sorted(frequent, key=lambda other: -counts[other]):
            if other == answer:
                continue
            known = _bare(other)
            if key == known or (len(key) >= 3 and known.startswith(key)):
                return other
            similar = SequenceMatcher(None, key, known).ratio() > context.threshold(self, "similarity")
            if similar and len(key) >= 5 and key[:2] == known[:2] and not _numbered(key, known):
                return other
        return None

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "the label is spelled in another way than in the other rows")


def _bare(answer: str) -> str:
    return normalise(answer).strip(" .!:;,\"'*")


def _numbered(a: str, b: str) -> bool:
    """Says whether two words differ in a digit, as `class 1` and `class 2` do: those are two classes."""
    return [character for character in a if character.isdigit()] != [character for character in b if character.isdigit()]
