"""weighted_f1."""

from typing_extensions import override

from evals.metrics.base import Array
from evals.metrics.classification.per_class import PerClass, f1_of


class WeightedF1(PerClass):
    """Mean over classes of F1, each class counting as often as it occurs, as scikit-learn computes it.

    Rare classes hardly move it; macro_f1 is the one that shows them. There is no per-row score.
    """

    name = "weighted_f1"

    @override
    def class_scores(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns each class's F1."""
        return f1_of(true_positives, false_positives, false_negatives)

    @override
    def weights(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns how often each class occurs."""
        return true_positives + false_negatives
