"""CON206 AnnotatorDisagreement."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.base.statistics import krippendorff_alpha
from prep.lint.base.texts import of_template
from prep.lint.detectors.label_variants import label_word
from templates.form import JUDGED

_MAX_UNITS = 50_000
_SAMPLE_ROWS = 20_000
_MAX_VALUES = 30
_VOTES = re.compile(r"(?i)label|vote|annotation|annotator|rating|judg|verdict")
_ANNOTATOR = re.compile(r"(?i)((?:label|vote|annotator|annotation|rater|rating|judge|coder|worker|reviewer)[ _-]?)(?:\d{1,3}|[A-Za-z])")
_NOTED = r'(?i)"[^"]*(?:label|vote|annotat|rater|rating|judg|verdict|coder|worker|reviewer)[^"]*"\s*:'


class AnnotatorDisagreement(Rule):
    """Annotators who disagree on the labels.

    ## What it does
    Looks for several labels of one input, in three places: equal inputs of a task with a fixed answer set, each with its own label
    (CON201 reports the single inputs); a field that holds a list of labels, such as `votes`; and one field per annotator, such as
    `annotator_1` and `annotator_2`. Of the last two it reads up to 20,000 evenly spread rows. Reports low Krippendorff's alpha (2011):
    1 is full agreement, 0 is chance.

    ## Why is this bad
    No model scores higher than annotators agree. A low alpha shows an unclear label set or guideline before any training does.

    ## Example
    300 reviews with two to five labels each, alpha 0.41.

    ## Fix safety
    Never fixed automatically: clarify the guideline, label the disputed rows again, or keep the rows on which most annotators agree.
    """

    code = "CON206"
    severity = Severity.WARNING
    columns = ("task", "template", "source", "is_closed_set", "form", "label", "answer", "input_key", "fields")
    remedy = "Clarify the annotation guideline, label disputed rows again, or keep the rows on which most annotators agree."
    thresholds = (
        Threshold("alpha", 0.667, "Krippendorff (2004): lowest alpha for tentative conclusions; from 0.8 on labels are reliable"),
        Threshold("min_units", 20, "inputs with two or more labels; fewer say little about the guideline"),
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        word = label_word()
        judged = pl.col("is_closed_set") & ~pl.col("form").is_in(JUDGED) & (word != "") & pl.col("input_key").is_not_null()
        labels = examples.filter(judged).select("task", "template", "source", "input_key", word=word, key=pl.col("input_key").hash())
        # Keys that come once are counted as numbers and not held as lists: nearly all do.
        repeated = labels.group_by("key").len("times").filter(pl.col("times") >= 2)
        every = (pl.len() // _SAMPLE_ROWS).clip(1)
        noted = (
            examples.filter(pl.col("fields").str.contains(_NOTED))
            .select("template", "source", "position", "fields")
            .filter(pl.int_range(pl.len()) % every == 0)
        )
        in_rows = (
            labels.join(repeated, on="key", how="semi")
            .group_by("task", "template", "source", "input_key")
            .agg(pl.col("word").alias("words"))
            .filter(pl.col("words").list.len() >= 2)
            .select("task", "template", "source", "words")
            .head(_MAX_UNITS)
        )
        return pl.concat([in_rows, noted], how="diagonal")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        judged: list[tuple[str, str, str, str, list[list[str]]]] = []
        repeated = found.filter(pl.col("words").is_not_null())
        for (_, template, source), rows in repeated.group_by("task", "template", "source"):
            judged.append((str(source), str(template), "label", "inputs occur more than once", rows["words"].to_list()))
        noted = found.filter(pl.col("fields").is_not_null())
        for (template, source), rows in noted.group_by("template", "source"):
            for name, units in _judged([json.loads(text) for text in rows["fields"]]).items():
                judged.append((str(source), str(template), name, f"rows have several labels under '{name}'", units))
        for source, template, field, where, units in sorted(judged):
            alpha = krippendorff_alpha(units)
            if alpha is None or len(units) < context.threshold(self, "min_units") or alpha >= context.threshold(self, "alpha"):
                continue
            disputed = sum(len(set(unit)) > 1 for unit in units)
            prefix = of_template(template)
            yield Finding(
                f"{prefix}{len(units):,} {where}; annotators disagree on {disputed:,} of them (Krippendorff's alpha {alpha:.2f})",
                source=source,
                field=field,
            )


def _judged(records: Iterable[Mapping[str, Any]]) -> dict[str, list[list[str]]]:
    """Returns the judgements of each row by the field that holds them: a list of labels, or the beginning of several fields' names.

    Only those whose values come from a small set: a list of key words is no vote.
    """
    found: dict[str, list[list[str]]] = {}
    for record in records:
        votes = {
            name: [str(one) for one in value]
            for name, value in record.items()
            if isinstance(value, list) and _VOTES.search(name) and all(isinstance(one, str | int | float) for one in value)
        }
        for name, value in record.items():
            if isinstance(value, str | int | float) and (match := _ANNOTATOR.fullmatch(name)):
                votes.setdefault(f"{match[1]}...", []).append(str(value))
        for name, values in votes.items():
            if len(values) >= 2:
                found.setdefault(name, []).append(values)
    return {name: units for name, units in found.items() if len({value for unit in units for value in unit}) <= _MAX_VALUES}
