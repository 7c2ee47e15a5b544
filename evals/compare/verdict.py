"""One line that says what the evaluation decides."""

from collections.abc import Mapping, Sequence

from evals.compare.statistics import rows_needed
from evals.data.contract import Outcome, PairReport, VerdictDetail
from evals.data.role import Role
from evals.metrics.base import METRICS


def judge(roles: Mapping[str, Role], pairs: Sequence[PairReport], primary: str, confidence: float) -> tuple[str, VerdictDetail]:
    """Returns the verdict line and its parts: the tuned system against the base, the base against a baseline, else the first pair.

    The primary metric decides, its p adjusted for the number of metrics; another metric that says the contrary is named. Systems of the
    role `other` take no part.

    Args:
        roles: what each system is compared as, in the order asked for.
        pairs: all comparisons.
        primary: the metric that decides.
        confidence: of the intervals; 1 - confidence is the level of the test.
    """
    deciding = {system: role for system, role in roles.items() if role is not Role.OTHER}
    pair = _deciding(deciding, pairs, primary)
    if pair is None or pair.difference is None or pair.low is None or pair.high is None or pair.p is None or pair.p_holm is None:
        return f"cannot tell: {_why_none_decides(roles, deciding, primary)}", VerdictDetail(outcome="cannot tell")
    if METRICS.get(pair.metric).higher_is_better is None:
        why = f"{pair.metric} describes answers, and neither more nor less of it is better"
        return f"cannot tell: {why}", VerdictDetail(outcome="cannot tell")
    outcome = _outcome(pair, 1 - confidence)
    needed = rows_needed(pair.difference, pair.standard_error or 0.0, pair.n, confidence)
    line = (
        f"{outcome}: {pair.a} against {pair.b}, {pair.metric} {pair.difference:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}], "
        f"p = {format_p(pair.p_holm)}, {pair.n} examples"
    )
    if outcome == "cannot tell":
        line += _what_is_missing(pair, needed)
    others = [one for one in pairs if (one.a, one.b) == (pair.a, pair.b) and one is not pair]
    contrary = [one.metric for one in others if {_outcome(one, 1 - confidence), outcome} == {"better", "worse"}]
    if contrary:
        line += f"; but the contrary by {', '.join(contrary)}"
    detail = VerdictDetail(
        outcome=outcome, a=pair.a, b=pair.b, metric=pair.metric, difference=pair.difference, p=pair.p_holm, rows_needed=needed
    )
    return line, detail


def format_p(p: float) -> str:
    """Returns a p-value as it is read: three decimals, or the power of ten."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _deciding(roles: Mapping[str, Role], pairs: Sequence[PairReport], primary: str) -> PairReport | None:
    """Picks the comparison that decides: the first tuned system against the base, else the base against a baseline, else any."""
    candidates = [pair for pair in pairs if pair.metric == primary and pair.a in roles and pair.b in roles]
    tuned = next((system for system, role in roles.items() if role is Role.TUNED), None)
    base = next((system for system, role in roles.items() if role is Role.BASE), None)
    # Of several baselines the first by name: in which order they are listed must not change the verdict.
    baseline = min((system for system, role in roles.items() if role is Role.BASELINE), default=None)
    wanted = (tuned, base) if tuned is not None else (base, baseline)
    return next((pair for pair in candidates if (pair.a, pair.b) == wanted), candidates[0] if candidates else None)


def _why_none_decides(roles: Mapping[str, Role], deciding: Mapping[str, Role], primary: str) -> str:
    if len(roles) < 2:
        return "there is one system only"
    if len(deciding) < 2:
        return "few-shot, retrieval, endpoints and other models take no part in the verdict, and without them there are no two systems"
    return f"no two systems have a {primary} on the same examples"


def _outcome(pair: PairReport, level: float) -> Outcome:
    if pair.p_holm is None or pair.difference is None or pair.p_holm >= level or pair.difference == 0:
        return "cannot tell"
    gains = METRICS.get(pair.metric).is_gain(pair.difference)
    return "cannot tell" if gains is None else "better" if gains else "worse"


def _what_is_missing(pair: PairReport, needed: int | None) -> str:
    if pair.smallest_effect is None:
        return "; the two score alike on every example"
    smallest = f"these examples would have shown a difference of {pair.smallest_effect:.3f}"
    if needed is None or needed <= pair.n:
        # The test is adjusted for several metrics, and power is counted for one.
        return f"; {smallest}"
    return f"; needs about {needed - pair.n} more rows to show a difference of this size ({smallest})"
