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
    """A part of the input that predicts the answer without the rest.

    ## What it does
    Covers tasks with a fixed answer set whose inputs nearly always have the same two to six lines: a premise and a hypothesis, a
    question and a passage, the turns of a chat. A plain classifier on words (logistic regression) is fitted to each line alone and to
    the whole input, with accuracy measured out of fold (as in Gururangan 2018 for hypotheses). Reports a part that is as accurate as
    the whole input and well above the majority baseline, if no other part comes close. Of more than 10,000 rows it uses a sample.

    ## Why is this bad
    A model that should compare two texts learns to read one of them. It is right on the test split for the wrong reason.

    ## Example
    Accuracy: hypothesis alone 67%, whole input 66%, majority baseline 34%.

    ## Fix safety
    Never fixed automatically: write or select rows whose answer depends on all parts.
    """

    code = "LEK406"
    severity = Severity.INFO
    columns = COLUMNS
    remedy = "Add rows in which this part occurs with other answers, or drop the unused parts from the template."
    thresholds = (
        Threshold("above_majority", 0.15, "accuracy above the majority baseline, at the lower end of the 95% interval"),
        Threshold("below_whole", 0.01, "a part equals the whole input if its accuracy is at most this much lower"),
        Threshold("beside", 0.1, "the accuracy of the best other part is at least this much lower"),
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
            f"line {best + 1} of the {num_parts} of each input, such as '{shorten(kept[0][best])}', predicts the answer alone: accuracy "
            f"{parts[best]:.0%} on {len(given):,} rows, whole input {whole:.0%}, majority baseline {majority:.0%}"
        )


def _share_right(texts: list[str], given: Labels, folds: Folds, num_labels: int) -> float:
    rows = TextFeatures(characters=False).fit_transform([texts], num_labels)
    return float((out_of_fold(WORDS[0], rows, given, folds, num_labels).argmax(axis=1) == given).mean())
