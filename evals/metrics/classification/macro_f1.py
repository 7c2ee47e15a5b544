"""macro_f1."""

from typing_extensions import override

from evals.metrics.base import Array
from evals.metrics.classification.per_class import PerClass, f1_of


class MacroF1(PerClass):
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), each class counting the same, as scikit-learn computes it.

    A class that neither occurs nor is predicted is left out of the mean. There is no per-row score.
    """

    name = "macro_f1"

    @override
    def class_scores(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns each class's F1."""
        return f1_of(true_positives, false_positives, false_negatives)
