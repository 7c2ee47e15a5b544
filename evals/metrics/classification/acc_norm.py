"""acc_norm."""

from typing_extensions import override

from evals.metrics.classification.lengths import AccuracyByLength


class AccNorm(AccuracyByLength):
    """Share of examples whose right choice has the highest log-likelihood over its number of characters.

    A long choice has more tokens to be unlikely in: where choices differ in length, accuracy favours the short ones, and this takes that
    off. Where the two disagree much, the choices' lengths decide answers. As lm-evaluation-harness defines it; a row whose choices are
    said by several words each has no value.
    """

    name = "acc_norm"

    @override
    def length(self, choice: str) -> int:
        return len(choice)
