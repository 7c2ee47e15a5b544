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
    """A preferred answer that is nearly the rejected one.

    ## What it does
    Scores each pair by the share of word pairs that the two answers have in common (Jaccard), and reports the pairs at 0.9 and above. Two
    answers that are equal but for case and white space are an error: they prefer an answer to itself.

    ## Why is this bad
    Preference training pushes two likelihoods apart. Where the answers share their words, it pushes those words both ways at once, and
    the likelihood of the preferred answer can fall with that of the other (Pal et al. 2024).

    ## Example
    Chosen `The soup was cold.`, rejected `The soup was cold`.

    ## Fix safety
    Unsafe: a single word may be what the pair teaches. `prep fix propose` drafts dropping the pair.
    """

    code = "LBL804"
    severity = Severity.WARNING
    columns = ("form", "answer", "rejected", "rejected_field")
    thresholds = (
        Threshold("similarity", 0.9, "a word in forty is another; Pal et al. 2024 see likelihoods fall from edit distances that small"),
    )
    remedy = "Make the rejected answer differ in what matters, or drop the pair."

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
        shared = pl.format(
            "the rejected answer shares {}% of the preferred one's word pairs", (pl.col("score") * 100).round(0).cast(pl.Int64)
        )
        return found.select(
            *Finding.where,
            "score",
            field="rejected_field",
            message=pl.when("equal").then(pl.lit("the rejected answer is the preferred one")).otherwise(shared),
            severity=pl.when("equal").then(pl.lit("error")),
        )

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return Draft("drop", "the rejected answer is nearly the preferred one")
