"""The answers of chats by their turn: the first answer of a chat, the second, and so on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evals.compare.measure import Answers, column_of, number_clusters, value_of
from evals.data.contract import SliceReport
from evals.data.prediction import Prediction, turn_name
from evals.data.rows import EvalRow
from evals.metrics.base import METRICS
from evals.metrics.likelihood.answer_nll import AnswerNll

SLICE = "turn"
# From this turn on there are few chats, and what they say of one turn more or less is one thing.
_LAST = 4


def measure_turns(rows: Sequence[EvalRow], metrics: Mapping[str, Sequence[str]], answers: Answers, confidence: float) -> list[SliceReport]:
    """Returns each system's `answer_nll` on the first answers of the chats, on the second ones, the third, and all later ones.

    An answer is counted by the assistant's turns before it, those among them that are not scored, too. Where all chats have one answer
    there is nothing to divide.

    Args:
        rows: the examples.
        metrics: template -> metric ids.
        answers: each system's predictions.
        confidence: coverage of the intervals, by chats.
    """
    clusters = number_clusters(rows)
    found: dict[str, list[SliceReport]] = {}
    for number in range(1, _LAST + 1):
        value = f"{number}+" if number == _LAST else str(number)
        for system, predictions in answers.items():
            of_turn = {id_: _only(prediction, number) for id_, prediction in predictions.items()}
            column = column_of(METRICS.get(AnswerNll.name)(), rows, metrics, of_turn)
            if column is None:
                continue
            score, count = value_of(column, column.counted, clusters, confidence)
            if count:
                report = SliceReport(slice=SLICE, value=value, system=system, metric=AnswerNll.name, n=count, score=score)
                found.setdefault(value, []).append(report)
    return [report for reports in found.values() for report in reports] if len(found) > 1 else []


def _only(prediction: Prediction, number: int) -> Prediction:
    """Returns a prediction of one answer of a chat, or of the last of these numbers and all later ones."""
    if prediction.of_seeds:
        return replace(prediction, of_seeds=tuple(_only(one, number) for one in prediction.of_seeds))
    earlier = {turn_name(one) for one in range(1, number)}
    kept = [part for part in prediction.parts or () if (part.name not in earlier if number == _LAST else part.name == turn_name(number))]
    return replace(prediction, parts=tuple(kept))
