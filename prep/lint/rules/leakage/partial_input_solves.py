"""LEK406 PartialInputSolves."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from loopwright.statistics import wilson_interval
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.label_errors.baseline import baseline_unavailable
from prep.lint.detectors.label_errors.classifiers import WORDS, Folds, TextFeatures, make_folds, out_of_fold
from prep.lint.detectors.label_errors.label_noise import Labels
from prep.lint.detectors.label_errors.labelled import COLUMNS, LabelledTask, labelled_tasks
from prep.pii.masking import shorten

_MAX_ROWS = 10_000
_MAX_PARTS = 6
_NUM_FOLDS = 5
_SAME_SHAPE = 0.9


class PartialInputSolves(Rule):
    """A part of the input that gives the answer away without the rest.

    ## What it does
    Looks at tasks with a closed set of answers whose inputs have the same two to six lines in nearly every row: a premise and a
    hypothesis, a question and a passage, the turns of a chat. A plain classifier on words (logistic regression) is fitted to each line
    alone and to the whole, and right or wrong is counted out of fold (as Gururangan 2018 did for hypotheses). Reported is a part that
    is as often right as the whole, well above the most frequent answer, where no other part comes near it. Of more than 10,000 rows a
    sample is looked at.

    ## Why is this bad
    A model that is to compare two texts learns to look at one of them, is right on the test split for the wrong reason, and does not do
    the task.

    ## Example
    The hypothesis alone is right in 67% of the rows, the whole input in 66%, and the most frequent answer in 34%.

    ## Fix safety
    Never fixed automatically: write or choose rows in which the parts decide together.
    """

    code = "LEK406"
    severity = Severity.INFO
    columns = COLUMNS
    remedy = "Add rows in which that part goes with other answers, or leave the other parts out of the template."
    thresholds = (
        Threshold("above_majority", 0.15, "share right above the most frequent answer, at the lower end of its 95% interval"),
        Threshold("below_whole", 0.01, "a part counts as good as the whole if it is at most this much less often right"),
        Threshold("beside", 0.1, "the best of the other parts is at least this much less often right"),
    )

    def unavailable(self, context: Context) -> str | None:
        return baseline_unavailable()

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        found = {}
        for task in labelled_tasks(examples, context):
            message = self._look(task, examples, context)
            if message is not None:
                found[task.positions[0]] = message
        first = pl.LazyFrame(
            {"position": list(found), "message": list(found.values())}, schema={"position": pl.UInt32, "message": pl.String}
        )
        rows = examples.select(*Finding.where, pl.col("position").cast(pl.UInt32))
        return rows.join(first, on="position").select(*Finding.where, "message")

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        # It is the task's, not a row's: the first row stands for where to look.
        for row in found.iter_rows(named=True):
            yield Finding(row["message"], source=row["source"], line=row["line"])

    def _look(self, task: LabelledTask, examples: pl.LazyFrame, context: Context) -> str | None:
        every = np.zeros(len(task), dtype=bool)
        every[:: max(1, -(-len(task) // _MAX_ROWS))] = True
        texts = [text for chunk in task.bodies(examples, every) for text in chunk]
        lines = [[line for line in text.split("\n") if line.strip()] for text in texts]
        num_parts = int(np.median([len(one) for one in lines]))
        alike = np.array([len(one) == num_parts for one in lines])
        if not 2 <= num_parts <= _MAX_PARTS or alike.mean() < _SAME_SHAPE:
            return None
        kept = [one for one, same in zip(lines, alike, strict=True) if same]
        given = task.given[every][alike]
        folds = make_folds(task.keys.to_numpy()[every][alike], given, _NUM_FOLDS)
        whole = _share_right(["\n".join(one) for one in kept], given, folds, len(task.names))
        parts = [_share_right([one[part] for one in kept], given, folds, len(task.names)) for part in range(num_parts)]
        best = int(np.argmax(parts))
        others = max(share for part, share in enumerate(parts) if part != best)
        majority = float(np.bincount(given).max() / len(given))
        low, _ = wilson_interval(parts[best] * len(given), len(given))
        solves = low >= majority + context.threshold(self, "above_majority")
        solves &= parts[best] >= whole - context.threshold(self, "below_whole")
        if not (solves and parts[best] - others >= context.threshold(self, "beside")):
            return None
        return (
            f"line {best + 1} of the {num_parts} of each input, such as '{shorten(kept[0][best])}', predicts the answer alone: right in "
            f"{parts[best]:.0%} of {len(given):,} rows, the whole input in {whole:.0%}, the most frequent answer in {majority:.0%}"
        )


def _share_right(texts: list[str], given: Labels, folds: Folds, num_labels: int) -> float:
    rows = TextFeatures(characters=False).fit_transform([texts], num_labels)
    return float((out_of_fold(WORDS[0], rows, given, folds, num_labels).argmax(axis=1) == given).mean())
