"""CON204 VerbalizerDrift."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl

from prep.lint.base.answers import edit_answer, example_answer, field_text
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import DefectRule
from prep.lint.base.subject import Draft, Subject
from prep.lint.detectors.label_variants import (
    CLASS_SHARE,
    MAX_LABEL_CHARACTERS,
    RATIO,
    SIMILARITY,
    STRANGER_SHARE,
    LabelVariant,
    Limits,
    find_variants,
    variant_limits,
)
from prep.lint.detectors.rebalance import config_piece
from prep.lint.frame.tasks import MIN_TASK_ROWS
from prep.text.edits import replace_span
from templates.form import JUDGED

_MAX_CLASSES = 200
_MAX_WORDS = 5
# More of them are brief answers of another kind, which a file mixes in.
_MAX_PHRASES = 5
_PAIR = r'"((?:[^"\\]|\\.){1,40})"\s*:\s*"((?:[^"\\]|\\.){0,60})"'
_UNKNOWN = re.compile(r"label '(.*)' is no key of the verbalizer of '(.*)'$")
# Rows that a word which the verbalizer knows counts as having.
_MANY = 1_000
_FOUND = pl.Schema(
    {
        "task": pl.String(),
        "key": pl.String(),
        "word": pl.String(),
        "meant": pl.String(),
        "drift": pl.String(),
        "rows": pl.Int64(),
        "first": pl.UInt32(),  # the position of the first row that has the word meant
    }
)


class VerbalizerDrift(DefectRule):
    """A label in a variant spelling or a synonym: "Positive", "positive ", "pos", "good".

    ## What it does
    Compares each rare label with the frequent ones, in tasks with a fixed answer set and in JSON fields with one. Reports a rare label
    that equals a frequent one except for case, whitespace or punctuation, is a prefix of it, is a letter or two away, or is a common
    synonym. In a small label set it also reports rare labels that resemble no other; in large sets with classes of every size, such as
    intents, a rare label may be a class of its own. For a built dataset it reports raw rows that the build dropped because the config's
    `labels` did not know their label.

    ## Why is this bad
    To the model "Positive" and "positive" are two classes with one meaning, and exact match counts one of them as wrong.

    ## Example
    398 rows say `positive`, two say `pos`, one says `favourable`.

    ## Fix safety
    Unsafe: `pos` could be a class of its own. `prep fix propose` drafts the label that is meant, as another row has it; a person
    decides where a label resembles no other. Unknown labels, whose rows the build drops, are fixed under `labels:` in the config; the
    remedy gives the entry if the label resembles one of the verbalizer's.
    """

    code = "CON204"
    severity = Severity.WARNING
    columns = ("task", "task_shape", "form", "label", "answer", "answer_field")
    remedy = "Use the spelling of the other rows, or map this spelling under `labels:` in the config."
    superseded_by = ("BAL102", "LEN603")
    thresholds = (
        RATIO,
        SIMILARITY,
        Threshold("closed", 0.85, "share of rows whose word occurs five times or more, for a fixed answer set; near 0 in free text"),
        CLASS_SHARE,
        STRANGER_SHARE,
    )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        rows = (
            examples.filter(pl.col("label").is_null() & pl.col("task_shape").is_in(["label", "json"]) & ~pl.col("form").is_in(JUDGED))
            .filter(pl.col("answer").str.strip_chars() != "")
            .select(*Finding.where, "position", "task", "task_shape", "answer", field="answer_field")
        )
        labels = rows.filter(pl.col("task_shape") == "label").with_columns(key=pl.lit(""), word=pl.col("answer"))
        pairs = (
            rows.filter(pl.col("task_shape") == "json")
            .with_columns(pair=pl.col("answer").str.extract_all(_PAIR))
            .explode("pair")
            .with_columns(key=pl.col("pair").str.extract(_PAIR, 1), word=pl.col("pair").str.extract(_PAIR, 2))
            .filter(pl.col("word").is_not_null() & (pl.col("word").str.strip_chars() != ""))
            .drop("pair")
        )
        said = pl.concat([labels, pairs]).filter(pl.col("word").str.len_chars() <= MAX_LABEL_CHARACTERS)
        counts = said.group_by("task", "key", "word").agg(pl.len().alias("rows"), pl.col("position").min().cast(pl.UInt32).alias("first"))
        # Kept in one table of words, so that no row is held for a word that is in order.
        drifted = _closed_sets(counts, context.threshold(self, "closed")).map_batches(
            lambda words: _drifted(words, variant_limits(context)),
            schema=_FOUND,
            predicate_pushdown=False,
            projection_pushdown=False,
            slice_pushdown=False,
        )
        return (
            said.join(drifted, on=["task", "key", "word"], how="inner")
            .join(examples.select("position", example="id"), left_on="first", right_on="position", how="left")
            .select(*Finding.where, "field", "key", "word", "meant", "drift", "rows", "answer", "example")
        )

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for defect in super().refine(found, context):
            yield replace(defect, remedy=self._label_remedy(defect.message, context))
        for row in found.iter_rows(named=True):
            where = f" in '{row['key']}'" if row["key"] else ""
            if row["meant"] is None:
                message = f"'{row['word']}'{where} is not in the task's answer set"
            else:
                relation = "another word for" if row["drift"] == "synonym" else "another spelling of"
                message = f"'{row['word']}'{where} looks like {relation} '{row['meant']}', used in {row['rows']:,} rows"
            related = (row["example"],) if row["example"] else ()
            yield Finding.at(row, message, field=row["field"], span=_span(row), kind=row["drift"], related=related)

    def _label_remedy(self, message: str, context: Context) -> str | None:
        """Returns what to put under `labels:` for a label that the build did not know, where it is clear which one is meant."""
        unknown = _UNKNOWN.search(message)
        if unknown is None or context.manifest is None:
            return None
        label, template = unknown.groups()
        words = context.manifest.template(template).trained_words
        keys = {**{word: key for key, word in words.items()}, **{key: key for key in words}}
        drifts = find_variants({**dict.fromkeys(keys, _MANY), label: 1}, variant_limits(context))
        key = next((keys[drift.meant] for drift in drifts if drift.word == label and drift.meant in keys), None)
        piece = key and config_piece(label, key)
        return piece and f"Put `{piece}` under `labels:` in the config, if that is what it means."

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        reason = "label spelled unlike the other rows"
        fields = _as_said_elsewhere(finding, subject)
        return Draft("edit", reason, fields) if fields else edit_answer(subject, reason)


def _span(row: dict[str, Any]) -> tuple[int, int] | None:
    """Returns where in a JSON answer the word stands; a label is the whole answer."""
    places = (match.span(2) for match in re.finditer(_PAIR, row["answer"]) if match.groups() == (row["key"], row["word"]))
    return next(places, None) if row["key"] else None


def _as_said_elsewhere(finding: Finding, subject: Subject) -> dict[str, Any]:
    """Returns the field of the label with the word that is meant; nothing where it is not known, or not where the answer comes from."""
    if not subject.related:
        return {}
    other = subject.related[0]
    answer = example_answer(other) or ""
    if finding.span is None:
        name = subject.answer_field
        value = json.loads(other["fields"] or "{}").get(name)
        return {name: value} if name and isinstance(value, str) and value.strip() == answer.strip() else {}
    text = field_text(subject.row, finding.field) or ""
    key = next((match[1] for match in re.finditer(_PAIR, text) if match.span(2) == finding.span), None)
    meant = {match[2] for match in re.finditer(_PAIR, answer) if match[1] == key}
    return dict(replace_span(subject.fields, text, finding.span, meant.pop())) if len(meant) == 1 else {}


def _closed_sets(counts: pl.LazyFrame, share: float) -> pl.LazyFrame:
    """Returns the words of the tasks and fields whose values come from a fixed set, with their rows."""
    frequent = pl.col("rows") >= 5
    sets = (
        counts.group_by("task", "key")
        .agg(total=pl.col("rows").sum(), known=pl.col("rows").filter(frequent).sum(), classes=frequent.sum())
        .filter((pl.col("total") >= MIN_TASK_ROWS) & (pl.col("known") >= share * pl.col("total")) & (pl.col("classes") <= _MAX_CLASSES))
    )
    return counts.join(sets, on=["task", "key"], how="semi")


def _drifted(words: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    found = []
    for (task, key), rows in words.group_by("task", "key"):
        counts = dict(rows.select("word", "rows").iter_rows())
        first = dict(rows.select("word", "first").iter_rows())
        drifts = [one for one in find_variants(counts, limits) if _is_word(one)]
        if sum(map(_is_phrase, drifts)) > _MAX_PHRASES:
            drifts = [one for one in drifts if not _is_phrase(one)]
        found += [(task, key, one.word, one.meant, one.kind, counts.get(one.meant or ""), first.get(one.meant or "")) for one in drifts]
    return pl.DataFrame(found, schema=_FOUND, orient="row")


def _is_word(drift: LabelVariant) -> bool:
    """A stranger that is a sentence is an answer of another kind: a refusal, or text that was not asked for."""
    return drift.meant is not None or len(drift.word.split()) <= _MAX_WORDS


def _is_phrase(drift: LabelVariant) -> bool:
    return drift.meant is None and len(drift.word.split()) >= 3
