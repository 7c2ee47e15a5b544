"""macro_precision."""

from typing_extensions import override

from evals.metrics.base import Array
from evals.metrics.classification.per_class import PerClass, share


class MacroPrecision(PerClass):
    """Mean over classes of precision = TP / (TP + FP), each class counting the same, as scikit-learn computes it.

    A class that occurs and is never predicted has precision 0; one that does neither is left out. There is no per-row score.
    """

    name = "macro_precision"

    @override
    def class_scores(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns each class's precision."""
        return share(true_positives, true_positives + false_positives)
