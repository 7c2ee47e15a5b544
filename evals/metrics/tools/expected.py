"""What the metrics of calls share: which examples they are about, and what is compared with what."""

from abc import abstractmethod
from collections.abc import Sequence

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow, Task
from evals.data.tool_answers import ComparableCall
from evals.metrics.base import RowMetric
from templates.calls import CallLoss


class ExpectedCalls(RowMetric):
    """The share of the examples that expect a call whose calls are right in some way; an answer without calls that were read is not."""

    tasks = frozenset({Task.GENERATION})
    reads = ("prediction.calls", "row.calls")
    is_proportion = True

    @override
    def score(self, row: EvalRow, prediction: Prediction) -> float | None:
        """Returns 1 where the calls are right, 0 where they are not or one of them is malformed; None where no call is expected."""
        if not row.calls:
            return None
        if not prediction.calls or prediction.call_loss is CallLoss.MALFORMED:
            return 0.0
        return float(self.is_right(ComparableCall.of(row.calls, row.tools), ComparableCall.of(prediction.calls, row.tools)))

    @abstractmethod
    def is_right(self, expected: Sequence[ComparableCall], given: Sequence[ComparableCall]) -> bool:
        """Says whether calls that were read are right."""
