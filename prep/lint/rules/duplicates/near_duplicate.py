"""DUP302 NearDuplicate."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl

from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Need, Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import described
from prep.lint.detectors.near_pairs import TEXT, near_rows, nearest
from prep.text.shingles import jaccard, shingles
from prep.text.slot_differences import difference, is_exchange, patterned
from prep.text.words import words
from templates.form import Form

_KEYS = ("template", "split", "task")
# A row near many is compared with the nearest few.
_NUM_NEAREST = 3


class NearDuplicate(Rule):
    """Near-duplicate of another example.

    ## What it does
    Finds examples of one task and split with nearly the same input and an equal answer. Inputs are near if they share 0.7 of their word
    pairs (Jaccard), or have five words or more and differ in one word. An index gives the candidates; each pair is then verified on its
    words. The later row is reported. DUP301 reports exact duplicates, CON202 near inputs with other answers. If many rows of a task
    differ in one word only, as in questions made from a pattern, they are information.

    ## Why is this bad
    Language models memorise near-duplicates (Lee et al. 2022). They weigh double and hide how little variety there is.

    ## Example
    `The crust is not good.` on line 3, and `The crust is really not good!` on line 90.

    ## Fix safety
    Unsafe: the row may have been written for the one word that differs. `prep fix propose` drafts dropping the later row.
    """

    code = "DUP302"
    severity = Severity.WARNING
    needs = (Need.NEAR,)
    columns = ("template", "split", "task", "task_rows", "form", "input_body", "input_key", "answer", "answer_key", "is_closed_set")
    thresholds = (
        Threshold(
            "similarity",
            0.7,
            "Jaccard of word pairs; one changed word of thirteen leaves 0.7. At 0.8 (Lee et al. 2022) half as many are found",
        ),
        Threshold("answers", 0.5, "Jaccard of word pairs at which two free-text answers are wordings of one answer"),
        Threshold("by_design", 0.05, "pairs that differ in one word: 1% of 700 distinct bank questions, 8% of the 10,000 they come from"),
    )
    superseded_by = ("DUP301",)
    remedy = "Drop the row: `dedup: {near: 0.8}` in the config, or accept the draft of `prep fix propose`."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        pairs = near_rows(examples, context, *_KEYS, "answer_key", "is_closed_set")
        same = pl.all_horizontal(pl.col(key) == pl.col(f"{key}_other") for key in _KEYS)
        agree = pl.col("answer_key").eq_missing(pl.col("answer_key_other")) | ~pl.col("is_closed_set").fill_null(False)
        chosen = nearest(pairs.filter(same & agree), _NUM_NEAREST).select("position", "position_other", "similarity")
        rows = examples.select(*Finding.where, "position", "task", "task_rows", "form", "answer", "answer_key", text=TEXT)
        return chosen.join(rows, on="position").join(rows, left_on="position_other", right_on="position", suffix="_other")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        seen: set[int] = set()
        kept: list[tuple[Finding, tuple[str, int], bool]] = []
        for row in found.sort("position", "similarity", "position_other", descending=[False, True, False]).iter_rows(named=True):
            if row["position"] in seen or not self._agree(row, context):
                continue
            seen.add(row["position"])
            message = f"near-duplicate of {row['source_other']}:{row['line_other']}: {described(row['text'], row['text_other'])}"
            field = "answer" if row["form"] == Form.COMPLETION else "input"
            exchange = is_exchange(*difference(row["text"], row["text_other"]))
            kept.append((Finding.at(row, message, field=field, related=(row["id_other"],)), (row["task"], row["task_rows"]), exchange))
        by_design = patterned(Counter(task for _, task, exchange in kept if exchange), context.threshold(self, "by_design"))
        for finding, (task, _), exchange in kept:
            yield replace(finding, severity=Severity.INFO) if exchange and task in by_design else finding

    def _agree(self, row: dict[str, Any], context: Context) -> bool:
        if row["answer_key"] == row["answer_key_other"] or row["form"] == Form.COMPLETION:
            return True
        if row["similarity"] < context.threshold(self, "similarity"):
            return False
        answer, answer_other = row["answer"] or "", row["answer_other"] or ""
        # "The capital of Canada" and "of Spain" are answered in the same words but for those that make them two questions.
        here, there = difference(row["text"], row["text_other"])
        if not set(here).isdisjoint(words(answer)) or not set(there).isdisjoint(words(answer_other)):
            return False
        return jaccard(shingles(answer), shingles(answer_other)) >= context.threshold(self, "answers")

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return Draft("drop", "near-duplicate of another row")
