"""Gates: each limit is checked, and what has no value passes none."""

import pytest
from pydantic import ValidationError

from evals.compare.compared import Compared
from evals.compare.gates import check_gates, told_failures
from evals.compare.verdict import comparison_of
from evals.config import EvalsConfig, GateLimits, NotWorseThan
from evals.data.contract import BaselineComparison, GateReport, MetricValue, PairReport
from evals.data.role import Role
from tests.evals.compare.test_verdict import pair

ROLES = {"base": Role.BASE, "adapter:run": Role.TUNED}
VALUES = {"accuracy": MetricValue(value=0.75, low=0.7, high=0.8), "nll": MetricValue(value=0.6, low=0.5, high=0.7)}


def checked(gates: dict[str, GateLimits], pairs: list[PairReport], last: BaselineComparison | None = None) -> list[GateReport]:
    rounds = {} if last is None else {last.metric: last}
    return check_gates(gates, Compared([], ROLES, {"adapter:run": VALUES, "base": {}}, pairs, {}, "accuracy", 0.95, rounds))


def passed(gates: dict[str, GateLimits], difference: float = 0.1, last_p: float = 0.4) -> list[bool]:
    last = comparison_of(pair(-0.1, last_p, b="round-001"), 0.05)
    found = checked(gates, [pair(difference, 0.001)], last)
    assert len(told_failures(found)) == sum(not gate.passed for gate in found)
    return [gate.passed for gate in found]


def test_limits_hold_or_not() -> None:
    assert passed({"accuracy": GateLimits(min=0.75), "nll": GateLimits(max=0.6)}) == [True, True]
    assert passed({"accuracy": GateLimits(min=0.76, max=0.7), "nll": GateLimits(max=0.5)}) == [False, False, False]
    assert passed({"primary": GateLimits(min=0.76)}) == [False], "the metric that decides"
    assert passed({"rougeL": GateLimits(min=0.0)}) == [False], "nothing was measured"


def test_not_worse_is_not_shown_to_be_worse() -> None:
    base, last = {"primary": GateLimits(not_worse_than=NotWorseThan.BASE)}, {"primary": GateLimits(not_worse_than=NotWorseThan.LAST_ROUND)}
    assert passed(base) == [True] and passed(base, difference=-0.1) == [False]
    assert passed(last, last_p=0.4) == [True] and passed(last, last_p=0.001) == [False]
    assert checked(last, [])[0].passed, "a first round has none before it"
    assert not checked(base, [])[0].passed, "the base was not asked"


def test_each_metric_is_held_to_its_own_last_round() -> None:
    not_worse = GateLimits(not_worse_than=NotWorseThan.LAST_ROUND)
    worse = comparison_of(pair(-0.1, 0.001, b="round-001"), 0.05)
    assert [gate.passed for gate in checked({"primary": not_worse}, [], worse)] == [False]
    of_other = checked({"nll": not_worse}, [], worse)
    assert of_other[0].value is None and not of_other[0].passed, "the accuracy's comparison is not that of the loss"
    rounds = {"accuracy": worse, "nll": comparison_of(pair(-0.2, 0.001, metric="nll", b="round-001"), 0.05)}
    compared = Compared([], ROLES, {"adapter:run": VALUES}, [], {}, "accuracy", 0.95, rounds)
    found = check_gates({"accuracy": not_worse, "nll": not_worse}, compared)
    assert [(gate.passed, gate.value) for gate in found] == [(False, -0.1), (True, -0.2)], "of a loss less is better"


def test_the_words_say_what_is_missing() -> None:
    found = checked({"accuracy": GateLimits(min=0.8)}, [])
    assert told_failures(found) == ["accuracy: min 0.8: it is 0.750"]


def test_a_gate_has_to_limit_something_and_a_slice_has_to_be_a_pattern() -> None:
    for wrong, words in (({"gates": {"accuracy": {}}}, "name a limit"), ({"slices": {"odd": "("}}, "no regular expression")):
        with pytest.raises(ValidationError, match=words):
            EvalsConfig.model_validate(wrong)
