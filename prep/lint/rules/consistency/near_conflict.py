"""CON202 NearConflict."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.answers import edit_answer
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.groups import place
from prep.lint.base.rule import Need, Rule
from prep.lint.base.subject import Draft, Subject
from prep.lint.base.texts import described
from prep.lint.detectors.near_pairs import near_rows, nearest
from prep.pii.masking import shorten
from prep.text.slot_differences import difference, is_harmless
from templates.form import JUDGED, Form

_KEYS = ("template", "task")
_NUM_NEAREST = 3


class NearConflict(Rule):
    """Nearly the same input with different answers.

    ## What it does
    Finds near-duplicate inputs (as in DUP302) with different answers, in tasks with a fixed answer set, and reports both rows of each
    pair. Warning if the inputs differ only in punctuation, word order, fillers ("please", "the") or a typo. If any other word differs
    ("was not good", "4 stars"), the pair is information: one word often decides.

    ## Why is this bad
    The model can hardly tell the two inputs apart, and one of the two labels is probably wrong.

    ## Example
    `The soup was cold!` -> `negative` (line 12), and `Soup was cold` -> `positive` (line 340).

    ## Fix safety
    Never fixed automatically: a person decides which answer is right. `prep fix propose` drafts an edit of each row.
    """

    code = "CON202"
    severity = Severity.WARNING
    needs = (Need.NEAR,)
    columns = ("template", "task", "form", "input_body", "input_key", "answer", "answer_key", "is_closed_set")
    thresholds = (Threshold("similarity", 0.7, "as for DUP302"),)
    superseded_by = ("CON201",)
    quotes_input = True
    remedy = "Decide which answer is right; correct or drop the other row. Keep both if the difference decides the answer."

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        pairs = near_rows(examples, context, *_KEYS, "answer_key", "is_closed_set")
        same = pl.all_horizontal(pl.col(key) == pl.col(f"{key}_other") for key in _KEYS) & ~pl.col("form").is_in([Form.COMPLETION, *JUDGED])
        differ = pl.col("is_closed_set") & (pl.col("answer_key") != pl.col("answer_key_other"))
        chosen = nearest(pairs.filter(same & differ), _NUM_NEAREST).select("position", "position_other", "similarity")
        rows = examples.select(*Finding.where, "position", "answer", "input_body")
        return chosen.join(rows, on="position").join(rows, left_on="position_other", right_on="position", suffix="_other")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        best: dict[int, tuple[bool, Finding]] = {}
        names = [*Finding.where, "answer", "input_body", "position"]
        for row in found.sort("similarity", "position", "position_other", descending=[True, False, False]).iter_rows(named=True):
            one = {name: row[name] for name in names}
            other = {name: row[f"{name}_other"] for name in names}
            for here, there in ((one, other), (other, one)):
                words = difference(here["input_body"], there["input_body"])
                harmless = is_harmless(*words)
                before = best.get(here["position"])
                if before is None or (harmless and not before[0]):
                    best[here["position"]] = (
                        harmless,
                        Finding.at(
                            here,
                            f"conflicting answers: '{shorten(here['answer'])}' here, '{shorten(there['answer'])}' at {place(there)} "
                            f"for a near-duplicate input: {described(here['input_body'], there['input_body'])}",
                            field="answer",
                            severity=None if harmless else Severity.INFO,
                            related=(there["id"],),
                        ),
                    )
        yield from (finding for _, finding in best.values())

    def draft(self, finding: Finding, subject: Subject) -> Draft | None:
        return edit_answer(subject, "a near-duplicate input has another answer: keep, correct or drop this row")
