"""The statistics of what changed: a rise over documents, the accuracy of questions, retention over chance."""

import math

import numpy as np
import pytest

from evals.forgetting.change import answer_change, mean_estimate, retention, text_change
from evals.forgetting.questions import Answered
from evals.forgetting.text_loss import TextLoss


def losses(values: list[float], tokens: int = 10) -> list[TextLoss]:
    return [TextLoss(value, tokens) for value in values]


def test_a_rise_is_weighted_by_tokens_and_its_bound_is_the_gate() -> None:
    generator = np.random.default_rng(3)
    counts = generator.integers(5, 60, size=40)
    base = [TextLoss(3.0 * count, int(count)) for count in counts]
    rises = generator.normal(0.02, 0.05, size=40)
    tuned = [TextLoss(one.nll + rise * one.num_tokens, one.num_tokens) for one, rise in zip(base, rises, strict=True)]
    found = text_change("general", base, tuned, max_rise=0.05, confidence=0.95)
    assert found.base == pytest.approx(3.0)
    expected = float((rises * counts).sum() / counts.sum())
    assert found.rise == pytest.approx(expected) and found.tuned == pytest.approx(3.0 + expected)
    assert found.low is not None and found.high is not None and found.upper is not None
    # A jackknife over documents knows nothing of the formula.
    left_out = [np.delete(rises * counts, place).sum() / np.delete(counts, place).sum() for place in range(40)]
    error = math.sqrt(39 / 40 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
    assert found.high - expected == pytest.approx(2.0227 * error, rel=0.06)  # Student's t of 39 degrees of freedom
    assert found.upper - expected == pytest.approx(1.6849 * error, rel=0.06)
    assert found.passed is (found.upper < 0.05)
    assert text_change("general", base, tuned, max_rise=found.upper + 1e-9, confidence=0.95).passed
    assert not text_change("general", base, tuned, max_rise=found.upper, confidence=0.95).passed


def test_the_upper_bound_of_a_rise_covers_it_as_often_as_it_says() -> None:
    """Documents of unlike length, 12 and 46 of them, from a population whose rise is known."""
    generator = np.random.default_rng(11)
    for number, least in ((12, 0.92), (46, 0.93)):
        covered = 0
        for _ in range(1000):
            counts = generator.integers(10, 100, size=number)
            rises = generator.normal(0.03, 0.08, size=number)
            base = [TextLoss(0.0, int(count)) for count in counts]
            tuned = [TextLoss(float(rise * count), int(count)) for rise, count in zip(rises, counts, strict=True)]
            found = text_change("x", base, tuned, max_rise=1, confidence=0.95)
            covered += found.upper is not None and found.upper >= 0.03
        assert least <= covered / 1000 <= 0.975


def test_what_cannot_be_measured_does_not_pass() -> None:
    few = text_change("x", losses([1.0] * 9), losses([1.0] * 9), max_rise=0.05, confidence=0.95)
    assert few.rise == 0 and few.upper is None and not few.passed
    assert few.not_measurable is not None and "9 documents are too few" in few.not_measurable
    broken = text_change("x", losses([1.0] * 12), losses([1.0] * 10 + [math.nan, math.inf]), max_rise=0.05, confidence=0.95)
    assert (broken.tuned, broken.rise, broken.passed) == (None, None, False)
    assert broken.not_measurable == "the tuned model gives 2 of 12 documents a likelihood that is no number"
    same = text_change("x", losses([1.0, 2.0] * 6), losses([1.0, 2.0] * 6), max_rise=0.05, confidence=0.95)
    assert (same.rise, same.upper, same.passed) == (0.0, 0.0, True)


def answered(rights: str) -> Answered:
    return Answered([right == "1" for right in rights], 0)


def test_answers_are_paired_by_question() -> None:
    before, after = "1" * 60 + "0" * 40, "1" * 50 + "0" * 30 + "1" * 20
    found = answer_change("known", 0.25, answered(before), answered(after), confidence=0.95)
    assert (found.num_gained, found.num_lost) == (20, 10) and found.difference == pytest.approx(0.1)
    assert found.low < 0.1 < found.high
    assert found.p == pytest.approx(0.0987, abs=1e-3)
    assert found.retention is not None and found.retention.value == pytest.approx((0.7 - 0.25) / (0.6 - 0.25))
    assert found.retention.low is not None and found.retention.high is not None
    assert found.retention.low < found.retention.value < found.retention.high


def test_retention_is_not_measurable_at_chance() -> None:
    guessing = answer_change("known", 0.25, answered("1" * 30 + "0" * 70), answered("1" * 25 + "0" * 75), confidence=0.95)
    assert guessing.retention is None
    assert guessing.not_measurable == "the base is not shown to be above chance: it answers 30 of 100 rightly, and guessing 25"
    nothing = answer_change("sums", None, answered("0" * 20), answered("1" * 20), confidence=0.95)
    assert nothing.retention is None and nothing.kind == "number" and nothing.chance == 0


def test_models_that_answer_alike_retain_all_with_an_interval() -> None:
    found = retention(60, 0, 0, 100, chance=0.25, confidence=0.95)
    assert not isinstance(found, str) and found.low is not None and found.high is not None
    assert found.value == 1 and 0.9 < found.low < 1 < found.high < 1.1


def test_the_interval_of_retention_covers_it_as_often_as_it_says() -> None:
    """The base answers 60 in 100, of which the tuned model keeps 80 and adds 10 in 100 of the others: (0.52 - 0.25) / (0.6 - 0.25)."""
    generator = np.random.default_rng(5)
    true = (0.6 * 0.8 + 0.4 * 0.1 - 0.25) / (0.6 - 0.25)
    covered = measured = 0
    for _ in range(1000):
        base = generator.random(200) < 0.6
        tuned = np.where(base, generator.random(200) < 0.8, generator.random(200) < 0.1)
        found = retention(
            int((base & tuned).sum()), int((tuned & ~base).sum()), int((base & ~tuned).sum()), 200, chance=0.25, confidence=0.95
        )
        if not isinstance(found, str):
            assert found.low is not None and found.high is not None
            measured += 1
            covered += found.low <= true <= found.high
    assert measured > 990 and 0.93 <= covered / measured <= 0.975


def test_a_mean_of_one_has_no_interval() -> None:
    assert mean_estimate([], 0.95) is None
    one, two = mean_estimate([3.0], 0.95), mean_estimate([3.0, 5.0], 0.95)
    assert one is not None and (one.value, one.low) == (3.0, None)
    assert two is not None and two.low is not None and two.value - two.low == pytest.approx(12.706, abs=1e-2)
