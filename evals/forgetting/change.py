"""What changed from base to tuned, paired by document and by question. Pure functions of numbers."""

import math
from collections.abc import Sequence

import numpy as np

from evals.compare.statistics import Array, mcnemar_exact, tango_interval
from evals.data.memory import AnswerChange, Estimate, TextChange
from evals.forgetting.probes import ChoiceProbe
from evals.forgetting.questions import Answered
from evals.forgetting.text_loss import TextLoss
from loopwright.statistics import normal_quantile, wilson_interval

FEWEST_DOCUMENTS = 10
"""Below this a mean over documents has no interval that holds, and a gate is not passed."""


def text_change(probe: str, base: Sequence[TextLoss], tuned: Sequence[TextLoss], *, max_rise: float, confidence: float) -> TextChange:
    """Compares the losses of two models on the same documents.

    The rise is the sum of the documents' differences over the sum of their tokens. Its standard error is that of a ratio, clustered by
    document (Cochran, 1977, "Sampling Techniques", 6.4), with Student's t of one degree of freedom fewer than there are documents. The gate
    is one of non-inferiority: the one-sided upper bound of the rise is to lie under the margin.

    Args:
        probe: the name of the set.
        base: of each document, by the base.
        tuned: by the tuned model.
        max_rise: the margin, in nats a token.
        confidence: of the interval, and of the one-sided bound.
    """
    counts = np.array([one.num_tokens for one in base], dtype=np.float64)
    before, after = (np.array([one.nll for one in losses], dtype=np.float64) for losses in (base, tuned))
    total = counts.sum()
    known = {"probe": probe, "num_documents": len(base), "num_tokens": int(total)}
    nothing = dict.fromkeys(("rise", "low", "high", "upper"))
    means = [float(one.sum() / total) if np.isfinite(one).all() else None for one in (before, after)]
    if means[0] is None or means[1] is None:
        which = "base" if means[0] is None else "tuned model"
        lost = int((~np.isfinite(before if means[0] is None else after)).sum())
        why = f"the {which} gives {lost} of {len(base)} documents a likelihood that is no number"
        return TextChange(**known, base=means[0], tuned=means[1], **nothing, passed=False, not_measurable=why)
    rise = float((after - before).sum() / total)
    if len(base) < FEWEST_DOCUMENTS:
        why = f"{len(base)} documents are too few for an interval: {FEWEST_DOCUMENTS} are the least"
        return TextChange(**known, base=means[0], tuned=means[1], **nothing | {"rise": rise}, passed=False, not_measurable=why)
    error = _ratio_error(after - before - rise * counts, float(total))
    low, high = (rise + sign * _student(0.5 + confidence / 2, len(base)) * error for sign in (-1, 1))
    upper = rise + _student(confidence, len(base)) * error
    return TextChange(**known, base=means[0], tuned=means[1], rise=rise, low=low, high=high, upper=upper, passed=upper < max_rise)


def answer_change(probe: str, chance: float | None, base: Answered, tuned: Answered, *, confidence: float) -> AnswerChange:
    """Compares the answers of two models to the same questions.

    Args:
        probe: the name of the set.
        chance: the accuracy of guessing; None: the answer is a number, which nobody guesses.
        base: how the base answered.
        tuned: how the tuned model did.
        confidence: of the intervals.
    """
    before, after = np.array(base.rights, dtype=bool), np.array(tuned.rights, dtype=bool)
    count, gained, lost = len(before), int((after & ~before).sum()), int((before & ~after).sum())
    low, high = tango_interval(gained, lost, count, confidence)
    guessing = chance or 0.0
    accuracies = [_share(int(one.sum()), count, confidence) for one in (before, after)]
    kept = retention(int((before & after).sum()), gained, lost, count, chance=guessing, confidence=confidence)
    return AnswerChange(
        probe=probe,
        kind="number" if chance is None else "choices",
        num_questions=count,
        num_cut=base.num_cut,
        chance=guessing,
        base=accuracies[0],
        tuned=accuracies[1],
        num_gained=gained,
        num_lost=lost,
        difference=(gained - lost) / count,
        low=low,
        high=high,
        p=mcnemar_exact(gained, lost),
        retention=None if isinstance(kept, str) else kept,
        not_measurable=kept if isinstance(kept, str) else None,
    )


def chance_of(probe: ChoiceProbe) -> float:
    """Returns the accuracy of guessing: each choice of a question alike."""
    return sum(1 / len(one.choices) for one in probe.questions) / len(probe.questions)


def retention(both: int, gained: int, lost: int, count: int, *, chance: float, confidence: float) -> Estimate | str:
    """Returns how much of what the base knows beyond chance is left, (tuned - chance) / (base - chance); or why that says nothing.

    It says nothing where the interval of the base's accuracy (Wilson, 1927) reaches down to chance: there is nothing to retain. The
    interval is Fieller's (1954) for a ratio of paired means, with half a pair added to each discordant cell (Agresti and Min, 2005), so
    that two models that answer alike do not get a point.

    Args:
        both: questions that both answer rightly.
        gained: that the tuned model alone does.
        lost: that the base alone does.
        count: all questions, above 0.
        chance: the accuracy of guessing.
        confidence: of the interval.
    """
    base, tuned = (both + lost) / count, (both + gained) / count
    if wilson_interval(both + lost, count, confidence)[0] <= chance:
        return f"the base is not shown to be above chance: it answers {both + lost} of {count} rightly, and guessing {chance * count:.0f}"
    size, gained_share, lost_share = count + 1.0, (gained + 0.5) / (count + 1), (lost + 0.5) / (count + 1)
    both_share = both / size
    x, y = both_share + gained_share, both_share + lost_share
    variance_x, variance_y = x * (1 - x) / size, y * (1 - y) / size
    covariance = (both_share - x * y) / size
    z = normal_quantile(0.5 + confidence / 2) ** 2
    # (x - t y)^2 <= z^2 Var(x - t y), a quadratic in t: a t^2 - 2 b t + c <= 0.
    x, y = x - chance, y - chance
    a, b, c = y * y - z * variance_y, x * y - z * covariance, x * x - z * variance_x
    if a <= 0:
        return f"the base is too near to chance for an interval, with {count} questions"
    spread = math.sqrt(max(b * b - a * c, 0.0))
    value = (tuned - chance) / (base - chance)
    return Estimate(value=value, low=min((b - spread) / a, value), high=max((b + spread) / a, value))


def mean_estimate(values: Sequence[float], confidence: float) -> Estimate | None:
    """Returns a mean with Student's interval; without one of fewer than two values; None of none."""
    if not values:
        return None
    found = np.array(values, dtype=np.float64)
    mean = float(found.mean())
    if len(found) < 2:
        return Estimate(value=mean, low=None, high=None)
    reach = _student(0.5 + confidence / 2, len(found)) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def _share(count: int, total: int, confidence: float) -> Estimate:
    low, high = wilson_interval(count, total, confidence)
    return Estimate(value=count / total, low=low, high=high)


def _ratio_error(residuals: Array, total: float) -> float:
    """Returns the standard error of a ratio of sums, from what each document differs from it by."""
    number = len(residuals)
    return float(np.sqrt((residuals**2).sum() * number / (number - 1))) / total


def _student(probability: float, number: int) -> float:
    from scipy.stats import t

    return float(t.ppf(probability, number - 1))
