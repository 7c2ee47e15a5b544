"""One line that says what the evaluation decides."""

from collections.abc import Sequence

from evals.report import Outcome, PairReport, VerdictDetail
from evals.statistics import rows_needed


def judge(systems: Sequence[str], pairs: Sequence[PairReport], primary: str, confidence: float) -> tuple[str, VerdictDetail]:
    """Returns the verdict line and its parts: the tuned system against the base, else the first system against the second.

    The primary metric decides, its p adjusted for the number of metrics; another metric that says the contrary is named.

    Args:
        systems: their names, in the order asked for.
        pairs: all comparisons.
        primary: the metric that decides.
        confidence: of the intervals; 1 - confidence is the level of the test.
    """
    pair = _deciding(systems, pairs, primary)
    if pair is None or pair.difference is None or pair.low is None or pair.high is None or pair.p is None or pair.p_holm is None:
        only = "there is one system only" if len(systems) < 2 else f"no two systems have a {primary} on the same examples"
        return f"cannot tell: {only}", VerdictDetail(outcome="cannot tell")
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


def _deciding(systems: Sequence[str], pairs: Sequence[PairReport], primary: str) -> PairReport | None:
    """Picks the comparison that decides: tuned against base where both are there, else the first pair."""
    candidates = [pair for pair in pairs if pair.metric == primary]
    tuned = next((system for system in systems if system.startswith("adapter:")), None)
    wanted = (tuned or "base", "base" if tuned else "constant")
    return next((pair for pair in candidates if (pair.a, pair.b) == wanted), candidates[0] if candidates else None)


def _outcome(pair: PairReport, level: float) -> Outcome:
    from evals.metric import METRICS  # slow to import, and what shows a report imports this module

    if pair.p_holm is None or pair.difference is None or pair.p_holm >= level or pair.difference == 0:
        return "cannot tell"
    return "better" if (pair.difference > 0) == METRICS.get(pair.metric).higher_is_better else "worse"


def _what_is_missing(pair: PairReport, needed: int | None) -> str:
    if pair.smallest_effect is None:
        return "; the two score alike on every example"
    smallest = f"these examples would have shown a difference of {pair.smallest_effect:.3f}"
    if needed is None or needed <= pair.n:
        # The test is adjusted for several metrics, and power is counted for one.
        return f"; {smallest}"
    return f"; needs about {needed - pair.n} more rows to show a difference of this size ({smallest})"
