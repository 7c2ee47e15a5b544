"""macro_recall."""

from typing_extensions import override

from evals.metrics.base import Array
from evals.metrics.classification.per_class import PerClass, share


class MacroRecall(PerClass):
    """Mean over classes of recall = TP / (TP + FN), each class counting the same, as scikit-learn computes it.

    Where every class occurs it is the balanced accuracy (Brodersen et al. 2010). A class that is predicted and never occurs has recall 0;
    one that does neither is left out. There is no per-row score.
    """

    name = "macro_recall"

    @override
    def class_scores(self, true_positives: Array, false_positives: Array, false_negatives: Array) -> Array:
        """Returns each class's recall."""
        return share(true_positives, true_positives + false_negatives)
