"""BAL104 ChoiceOrderBias."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import chi_square_expected
from prep.lint.base.texts import of_template
from templates.form import JUDGED

_LETTERS = "ABCDEFGH"
_ANSWER_LETTER = r"^\s*(?:(?:the )?(?:correct |right )?(?:answer|option|choice)(?: is)?:?\s*)?\(?([A-Ha-h])(?:[).:,]|\s*$)"


def _option(letter: str) -> str:
    return rf"(?m)(?:^|\s)\(?{letter}[).:]\s*(\S[^\n]*?)\s*(?:$|\s\(?[B-H][).:]\s)"


class ChoiceOrderBias(Rule):
    """Multiple-choice answers that sit in one position more often than chance.

    ## What it does
    Finds inputs with options marked (A), (B), ... and the position of the correct one, by its letter or its text. Reports a task whose
    positions are not uniform (chi-square test; each row counts over the options that it has).

    ## Why is this bad
    The model learns the position. It scores well on data with the same bias and answers "B" elsewhere (Zheng et al. 2024: position
    alone moves accuracy by tens of points).

    ## Example
    Of 400 questions with four options, 212 are answered B.

    ## Fix safety
    Safe to shuffle the options when the data is built, with a template that takes the options as a list and the index of the correct one.
    `choice` is seeded by the row's id, so every build shuffles alike:

        {% set left = options | list %}{% set shown = [] %}
        {% for _ in options %}{% set _ = append(shown, pop(left, choice(range(left | length)))) %}{% endfor %}

    The message then loops over `shown`, and the answer is the letter at `shown.index(options[right])`. No row is drafted, because the
    template decides the order. Options inside a row's own text, and files that no build wrote, are shuffled where they are made.
    """

    code = "BAL104"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "form", "input", "answer")
    remedy = "Shuffle the options of each row in a seeded order, and the answer's letter with them (`prep rule BAL104` has the template)."
    thresholds = (
        Threshold("p", 0.01, "significance level"),
        Threshold("effect", 0.1, "Cohen's w (1988): 0.1 is a small effect: one of four options has 33% instead of 25%"),
        Threshold("expected", 5, "expected rows at each position, the rule of thumb for a chi-square test"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        text, answer = pl.col("input"), pl.col("answer").str.strip_chars()
        lettered = examples.filter(
            text.str.contains(_option("A")) & text.str.contains(_option("B")) & (answer != "") & ~pl.col("form").is_in(JUDGED)
        )
        number = pl.sum_horizontal(text.str.contains(_option(letter)).cast(pl.Int64) for letter in _LETTERS)
        by_text = pl.coalesce(
            pl.when(text.str.extract(_option(letter), 1).str.strip_chars(" .") == answer.str.strip_chars(" .")).then(pl.lit(letter))
            for letter in _LETTERS
        )
        return (
            lettered.select(
                "template", "source", letter=pl.coalesce(by_text, answer.str.extract(_ANSWER_LETTER, 1).str.to_uppercase()), number=number
            )
            .filter(pl.col("letter").is_not_null())
            .group_by("template", "source", "number", "letter")
            .len("rows")
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for (template, source), rows in sorted(found.group_by("template", "source"), key=lambda one: str(one[0])):
            counts, expected = [0.0] * len(_LETTERS), [0.0] * len(_LETTERS)
            for row in rows.filter(pl.col("number") >= 2).iter_rows(named=True):
                place = _LETTERS.index(row["letter"])
                if place >= row["number"]:
                    continue
                counts[place] += row["rows"]
                for other in range(row["number"]):
                    expected[other] += row["rows"] / row["number"]
            used = [index for index, wanted in enumerate(expected) if wanted >= context.threshold(self, "expected")]
            if len(used) < 2 or len(used) != sum(wanted > 0 for wanted in expected):
                continue
            test = chi_square_expected([counts[index] for index in used], [expected[index] for index in used])
            if test.p < context.threshold(self, "p") and test.effect >= context.threshold(self, "effect"):
                top = max(used, key=lambda index: counts[index] / expected[index])
                total = sum(counts)
                name = of_template(template)
                yield Finding(
                    f"{name}option {_LETTERS[top]} is the answer in {counts[top] / total:.0%} of {total:,.0f} questions;"
                    f" {expected[top] / total:.0%} is uniform (chi-square {test.statistic:.1f}, p = {test.p:.1g}, w = {test.effect:.2f})",
                    source=source,
                    field="answer",
                )
