"""At which place of what was looked up the answer stands."""

from functools import lru_cache

from evals.data.passages import holds_answer
from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from prep.text.words import words


def rank_of_answer(row: EvalRow, prediction: Prediction) -> int | None:
    """Returns the place of the first passage that has the reference, from 1; 0 where none has it; None where the reference has no word."""
    if not words(row.reference):
        return None
    return next((place for place, passage in enumerate(prediction.passages or (), 1) if _holds(passage, row.reference)), 0)


@lru_cache(maxsize=1 << 16)
def _holds(passage: str, answer: str) -> bool:
    """Several systems are given the same passages, and several metrics look at them."""
    return holds_answer(passage, answer)
