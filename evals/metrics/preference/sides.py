"""The two answers of a pair, as a system sees them."""

from evals.data.prediction import CHOSEN, REJECTED, PartScore, Prediction


def sides_of(prediction: Prediction) -> tuple[PartScore, PartScore] | None:
    """Returns the preferred answer and the other one; None where the prediction is of no pair."""
    by_name = {part.name: part for part in prediction.parts or ()}
    return (by_name[CHOSEN], by_name[REJECTED]) if CHOSEN in by_name and REJECTED in by_name else None


def share_ahead(chosen: float | None, rejected: float | None) -> float | None:
    """Returns 1 where the preferred answer is ahead, 0 where the other one is, and one half where neither is."""
    if chosen is None or rejected is None:
        return None
    return 0.5 if chosen == rejected else float(chosen > rejected)
