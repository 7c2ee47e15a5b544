"""LBL804 PreferenceTooClose."""

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import RankedRule
from prep.lint.base.subject import Draft, Subject
from prep.text.normalise import normalise_expr
from prep.text.word_pairs import similarities
from templates.form import Form


class PreferenceTooClose(RankedRule):
    """Preferred and rejected answer that are nearly equal.

    ## What it does
    Scores each preference pair by the share of word pairs that its answers have in common (Jaccard) and reports pairs at 0.9 and above.
    Two answers that are equal except for case and whitespace are an error: the pair prefers an answer to itself.

    ## Why is this bad
    Preference training pushes two likelihoods apart. Where the answers share their words, it pushes those words in both directions, and
    the preferred answer's likelihood can fall with the other's (Pal et al. 2024).

    ## Example
    Chosen `The soup was cold.`, rejected `The soup was cold`.

    ## Fix safety
    Unsafe: a single word may be what the pair teaches. `prep fix propose` drafts dropping the pair.
    """

    code = "LBL804"
    severity = Severity.WARNING
    columns = ("form", "answer", "rejected", "rejected_field")
    thresholds = (
        Threshold("similarity", 0.9, "one word in forty differs; Pal et al. 2024: at edit distances this small likelihoods fall"),
    )
    remedy = "Write a rejected answer that is clearly worse, or drop the pair."

    def rank(self, examples: pl.LazyFrame, context: Context) -> pl.DataFrame:
        equal = normalise_expr(pl.col("answer")) == normalise_expr(pl.col("rejected"))
        pairs = examples.filter((pl.col("form") == Form.PREFERENCE) & pl.col("answer").is_not_null() & pl.col("rejected").is_not_null())
        scores = [pl.DataFrame(schema={"id": pl.String, "score": pl.Float64})]
        for batch in pairs.select("id", "answer", "rejected", equal=equal).collect_batches(chunk_size=20_000):
            similarity = pl.Series(similarities(batch["answer"], batch["rejected"]))
            scores.append(batch.select("id", score=pl.when("equal").then(1.0).otherwise(similarity)))
        return pl.concat(scores)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        equal = normalise_expr(pl.col("answer")) == normalise_expr(pl.col("rejected"))
        found = examples.filter(pl.col("score") >= context.threshold(self, "similarity")).with_columns(equal=equal)
        shared = pl.format("the two answers share {}% of their word pairs", (pl.col("score") * 100).round(0).cast(pl.Int64))
        return found.select(
            *Finding.where,
            "score",
            field="rejected_field",
            message=pl.when("equal").then(pl.lit("the two answers are equal")).otherwise(shared),
            severity=pl.when("equal").then(pl.lit("error")),
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return Draft("drop", "the two answers are nearly equal")
