"""What is called better, worse, no different, or unknown; and what would tell."""

from typing import Any

import pytest

from evals.compare.needed import power_note, what_is_needed
from evals.compare.verdict import comparison_of, judge
from evals.data.contract import PairReport
from evals.data.role import Role


def pair(difference: float, p: float, **more: Any) -> PairReport:
    given = {
        "a": "adapter:run",
        "b": "base",
        "metric": "accuracy",
        "difference": difference,
        "low": difference - 0.1,
        "high": difference + 0.1,
        "p": p,
        "p_holm": p,
        "test": "mcnemar_exact",
        "n": 100,
        "standard_error": 0.05,
        "smallest_effect": 0.14,
    }
    return PairReport(**{**given, **more})


ROLES = {"base": Role.BASE, "adapter:run": Role.TUNED}
WITH_LINEAR = {**ROLES, "linear": Role.BASELINE}


@pytest.mark.parametrize(
    ("pairs", "outcome", "words"),
    [
        ([pair(0.2, 0.001)], "better", "accuracy +0.200"),
        ([pair(-0.2, 0.001)], "worse", "accuracy -0.200"),
        ([pair(0.05, 0.4)], "cannot tell", "needs about 685 more rows"),
        ([pair(0.0, 1.0)], "cannot tell", "would have shown a difference of 0.140"),
        ([pair(0.3, 0.001, metric="nll")], "worse", "nll +0.300"),
        ([pair(0.2, 0.001), pair(0.3, 0.001, metric="nll")], "better", "but the contrary by nll"),
        ([pair(0.2, 0.001, b="linear"), pair(-0.2, 0.001)], "worse", "against base"),
        ([pair(0.01, 0.4, equivalent=True)], "no difference that matters", "against base"),
        ([pair(0.01, 0.001, equivalent=True)], "no difference that matters", "against base"),
        ([pair(0.2, None, p_holm=None, low=None, high=None)], "cannot tell", "too few"),  # type: ignore[arg-type]
        ([], "cannot tell", "no two systems"),
    ],
)
def test_the_verdict_says_what_the_numbers_say(pairs: list[PairReport], outcome: str, words: str) -> None:
    primary = pairs[0].metric if pairs else "accuracy"
    line, detail = judge(ROLES, pairs, primary, 0.95, minimum_effect=0.05 if any(one.equivalent for one in pairs) else None)
    assert detail.outcome == outcome and line.startswith(f"{outcome}: ") and words in line


def test_better_is_above_base_and_above_each_baseline() -> None:
    clear, unclear = pair(0.1, 0.001, b="linear"), pair(0.01, 0.6, b="linear")
    line, detail = judge(WITH_LINEAR, [pair(0.2, 0.001), clear], "accuracy", 0.95)
    assert (detail.outcome, detail.not_shown) == ("better", []) and "and better than linear (+0.100)" in line
    line, detail = judge(WITH_LINEAR, [pair(0.2, 0.001), unclear], "accuracy", 0.95)
    assert (detail.outcome, detail.not_shown) == ("better than base", ["linear"])
    assert "not shown to beat linear (+0.010 [-0.090, +0.110])" in line
    line, detail = judge(WITH_LINEAR, [pair(0.2, 0.001), pair(-0.3, 0.001, b="linear")], "accuracy", 0.95)
    assert detail.outcome == "better than base" and "linear (-0.300 [-0.400, -0.200], which is better)" in line
    assert judge(WITH_LINEAR, [pair(-0.2, 0.001), clear], "accuracy", 0.95)[1].outcome == "worse", "baselines save nothing"


def test_better_is_above_the_last_round_too() -> None:
    for p, outcome in ((0.001, "better"), (0.4, "better than base")):
        last = comparison_of(pair(0.1, p, a="this round", b="round-002"), 0.05)
        line, detail = judge(ROLES, [pair(0.2, 0.001)], "accuracy", 0.95, last_round=last)
        assert detail.outcome == outcome and "round-002" in line


def test_luck_that_was_not_measured_is_said() -> None:
    assert judge(ROLES, [pair(0.2, 0.001)], "accuracy", 0.95, num_seeds=1)[0].endswith("(one seed; luck not measured)")
    for num_seeds in (None, 3):
        assert "luck" not in judge(ROLES, [pair(0.2, 0.001)], "accuracy", 0.95, num_seeds=num_seeds)[0]


def deciding(roles: dict[str, Role], *pairs: tuple[str, str]) -> tuple[str | None, str | None]:
    """Returns the two systems of the pair that the verdict rests on."""
    _, detail = judge(roles, [pair(0.2, 0.001, a=a, b=b) for a, b in pairs], "accuracy", 0.95)
    return detail.a, detail.b


def test_the_role_and_not_the_name_decides_what_the_verdict_is_about() -> None:
    tuned, base, baseline, other = Role.TUNED, Role.BASE, Role.BASELINE, Role.OTHER
    assert deciding({"m": base, "t": tuned, "c": baseline}, ("t", "c"), ("t", "m"), ("m", "c")) == ("t", "m")
    assert deciding({"m": base, "z": baseline, "c": baseline}, ("m", "z"), ("m", "c")) == ("m", "c"), "the order asked for does not decide"
    assert deciding({"adapter:x": other, "base": tuned, "c": baseline}, ("base", "c"), ("base", "adapter:x")) == ("base", "c")
    assert deciding({"base": other, "t": tuned, "u": tuned}, ("t", "u"), ("t", "base")) == ("t", "u")


def test_other_systems_are_never_in_the_verdict() -> None:
    line, detail = judge({"t": Role.TUNED, "fewshot:4": Role.OTHER}, [pair(0.2, 0.001, a="t", b="fewshot:4")], "accuracy", 0.95)
    assert detail.outcome == "cannot tell" and detail.a is None
    assert "take no part in the verdict" in line


def test_rows_are_counted_for_the_effect_that_matters() -> None:
    seen = what_is_needed(pair(0.05, 0.4), 0.95, None, 1)
    asked = what_is_needed(pair(0.05, 0.4), 0.95, 0.025, 1)
    assert seen.rows is not None and asked.rows is not None and asked.rows == pytest.approx(4 * seen.rows, abs=3)
    assert "of 0.025" in asked.words and "of this size" in seen.words


def test_no_number_of_rows_makes_up_for_too_few_seeds() -> None:
    # The seeds' part alone, 0.04, is more than the 0.05 / 2.8 that an effect of 0.05 allows.
    found = what_is_needed(pair(0.05, 0.4, standard_error=0.05, seed_error=0.04), 0.95, None, 3)
    assert found.seeds is not None and found.rows is not None and "more seeds" in found.words
    error = (0.05**2 - 0.04**2) * 100 / found.rows + 0.04**2 * 3 / found.seeds
    assert error**0.5 <= 0.05 / 2.80, "with so many of both the effect is found in 80 of 100 cases"
    few = what_is_needed(pair(0.05, 0.4, standard_error=0.05, seed_error=0.001), 0.95, None, 3)
    assert few.seeds is None and few.rows is not None and few.rows > 100


def test_the_power_is_said_before_the_run() -> None:
    assert "400 independent examples show a difference of about 0.063 in accuracy" in power_note("accuracy", 400, {}, 0.95)
    assert "for 0.02, which would matter, about 3,925 are needed" in power_note("accuracy", 400, {"accuracy": 0.02}, 0.95)
    assert "needed" not in power_note("accuracy", 400, {"accuracy": 0.2, "nll": 0.01}, 0.95)
