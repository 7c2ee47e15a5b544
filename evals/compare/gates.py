"""Whether the system that a report is about reaches what the config asks of it."""

from collections.abc import Mapping, Sequence

from evals.compare.compared import Compared
from evals.compare.verdict import outcome_of
from evals.config import GateLimits, NotWorseThan
from evals.data.contract import GateReport
from evals.data.role import Role

PRIMARY = "primary"
"""What stands for the deciding metric in the config's gates."""


def check_gates(gates: Mapping[str, GateLimits], compared: Compared) -> list[GateReport]:
    """Returns each limit with what the system that the report is about has; a metric that has no value passes no gate.

    Args:
        gates: metric -> its limits; `primary` is the metric that decides.
        compared: what came of the comparison. A first round, which has none before it, is not worse than that.
    """
    found = []
    system = compared.subject
    values = compared.values[system]
    for name, limits in gates.items():
        metric = compared.primary if name == PRIMARY else name
        value = values[metric].value if metric in values else None
        if limits.min is not None:
            found.append(GateReport(name=f"{metric}: min", passed=value is not None and value >= limits.min, value=value, limit=limits.min))
        if limits.max is not None:
            found.append(GateReport(name=f"{metric}: max", passed=value is not None and value <= limits.max, value=value, limit=limits.max))
        if limits.not_worse_than is NotWorseThan.BASE:
            pairs = (one for one in compared.pairs if (one.a, one.metric) == (system, metric))
            pair = next((one for one in pairs if compared.roles.get(one.b) is Role.BASE), None)
            passed = pair is not None and outcome_of(pair, compared.level) != "worse"
            found.append(_not_worse(metric, "base", None if pair is None else pair.difference, passed))
        elif limits.not_worse_than is NotWorseThan.LAST_ROUND:
            last = compared.last_round.get(metric)
            passed = not compared.last_round or (last is not None and last.outcome != "worse")
            found.append(_not_worse(metric, "the round before", None if last is None else last.difference, passed))
    return found


def told_failures(gates: Sequence[GateReport]) -> list[str]:
    """Returns the gates that failed, each in words."""
    return [_told(gate) for gate in gates if not gate.passed]


def _not_worse(metric: str, than: str, difference: float | None, passed: bool) -> GateReport:
    return GateReport(name=f"{metric}: not worse than {than}", passed=passed, value=difference, limit=0.0)


def _told(gate: GateReport) -> str:
    value = "nothing" if gate.value is None else f"{gate.value:.3f}"
    return f"{gate.name} {gate.limit:g}: it is {value}"
