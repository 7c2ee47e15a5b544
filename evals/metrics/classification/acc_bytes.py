"""acc_bytes."""

from typing_extensions import override

from evals.metrics.classification.lengths import AccuracyByLength


class AccBytes(AccuracyByLength):
    """Share of examples whose right choice has the highest log-likelihood over its number of UTF-8 bytes.

    The same as `acc_norm`, by a length that does not depend on the script: a Chinese character is three bytes and says as much as several
    letters. As lm-evaluation-harness defines it; a row whose choices are said by several words each has no value.
    """

    name = "acc_bytes"

    @override
    def length(self, choice: str) -> int:
        return len(choice.encode())
