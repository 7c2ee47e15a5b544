"""One line that says what the evaluation decides."""

from collections.abc import Mapping, Sequence

from evals.compare.needed import what_is_needed
from evals.data.contract import BaselineComparison, Outcome, PairReport, VerdictDetail
from evals.data.role import Role
from evals.metrics.base import METRICS

_LUCK = "(one seed; luck not measured)"


def judge(
    roles: Mapping[str, Role],
    pairs: Sequence[PairReport],
    primary: str,
    confidence: float,
    *,
    minimum_effect: float | None = None,
    num_seeds: int | None = None,
    last_round: BaselineComparison | None = None,
) -> tuple[str, VerdictDetail]:
    """Returns the verdict line and its parts: the tuned system against the base, the base against a baseline, else the first pair.

    A tuned system is `better` where it is above its base, above each baseline, and in a loop above the round before: each has to be
    shown by itself at the level of the test, which holds for all of them together without further adjustment (an intersection-union
    test; Berger 1982, Technometrics 24:295-300). Where only the first is shown it is `better than base`. The primary metric decides, its p
    adjusted for the number of metrics; another metric that says the contrary is named. Systems of the role `other` take no part.

    Args:
        roles: what each system is compared as, in the order asked for.
        pairs: all comparisons.
        primary: the metric that decides.
        confidence: of the intervals; 1 - confidence is the level of the test.
        minimum_effect: the smallest difference of the primary metric that would matter; None where nobody said.
        num_seeds: seeds of the tuned system; None where nothing tuned is compared.
        last_round: the tuned system against that of the round before.
    """
    deciding = {system: role for system, role in roles.items() if role is not Role.OTHER}
    pair = _deciding(deciding, pairs, primary)
    if pair is not None and METRICS.get(pair.metric).higher_is_better is None:
        why = f"{pair.metric} describes answers, and neither more nor less of it is better"
        return f"cannot tell: {why}", VerdictDetail(outcome="cannot tell")
    if pair is None or not _has_interval(pair):
        return f"cannot tell: {_why_none_decides(roles, deciding, primary, pair)}", VerdictDetail(outcome="cannot tell")
    level = 1 - confidence
    outcome = outcome_of(pair, level)
    others: list[BaselineComparison] = []
    if roles.get(pair.a) is Role.TUNED:
        others = [one for one in against_baselines(pair.a, roles, pairs, primary, level) if one.system != pair.b]
        others += [last_round] if last_round is not None else []
    not_shown = [other.system for other in others if other.outcome != "better"]
    if outcome == "better" and not_shown:
        outcome = "better than base"
    needed = what_is_needed(pair, confidence, minimum_effect, num_seeds or 1)
    line = f"{outcome}: {_difference(pair)}"
    if outcome == "better" and others:
        line += f"; and better than {_list([f'{one.system} ({_signed(one.difference)})' for one in others])}"
    elif outcome == "better than base":
        line += f"; not shown to beat {_list([_described(one) for one in others if one.outcome != 'better'])}"
    elif outcome == "no difference that matters":
        line += f"; {minimum_effect:g} would matter"
    elif outcome == "cannot tell":
        line += needed.words
    contrary = [
        one.metric
        for one in pairs
        if (one.a, one.b) == (pair.a, pair.b)
        and one is not pair
        and {outcome_of(one, level), outcome_of(pair, level)} == {"better", "worse"}
    ]
    if contrary:
        line += f"; but the contrary by {', '.join(contrary)}"
    if num_seeds == 1:
        line += f" {_LUCK}"
    detail = VerdictDetail(
        outcome=outcome,
        a=pair.a,
        b=pair.b,
        metric=pair.metric,
        difference=pair.difference,
        p=pair.p_holm,
        rows_needed=needed.rows,
        seeds_needed=needed.seeds,
        not_shown=not_shown,
    )
    return line, detail


def against_baselines(
    system: str, roles: Mapping[str, Role], pairs: Sequence[PairReport], primary: str, level: float
) -> list[BaselineComparison]:
    """Returns a system against each baseline by the deciding metric, in the order of the pairs.

    Args:
        system: the tuned one, or the base.
        roles: what each system is compared as.
        pairs: all comparisons.
        primary: the metric that decides.
        level: of the tests.
    """
    found = [pair for pair in pairs if pair.a == system and pair.metric == primary and roles.get(pair.b) is Role.BASELINE]
    return [comparison_of(pair, level) for pair in found]


def comparison_of(pair: PairReport, level: float) -> BaselineComparison:
    """Returns what is said of the second system of a pair in the headline of the first."""
    return BaselineComparison(
        system=pair.b,
        metric=pair.metric,
        difference=pair.difference,
        low=pair.low,
        high=pair.high,
        p=pair.p_holm,
        outcome=outcome_of(pair, level),
    )


def outcome_of(pair: PairReport, level: float) -> Outcome:
    """Returns what a pair shows by itself. A difference that is shown to be too small to matter is none, however certain it is."""
    if pair.equivalent:
        return "no difference that matters"
    if pair.p_holm is None or pair.difference is None or pair.p_holm >= level or pair.difference == 0:
        return "cannot tell"
    gains = METRICS.get(pair.metric).is_gain(pair.difference)
    return "cannot tell" if gains is None else "better" if gains else "worse"


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


def _why_none_decides(roles: Mapping[str, Role], deciding: Mapping[str, Role], primary: str, pair: PairReport | None) -> str:
    if len(roles) < 2:
        return "there is one system only"
    if len(deciding) < 2:
        return "few-shot, retrieval, endpoints and other models take no part in the verdict, and without them there are no two systems"
    if pair is not None and pair.difference is not None:
        return f"{pair.n} examples of a {primary} are too few, or too few of them independent, for an interval"
    return f"no two systems have a {primary} on the same examples"


def _has_interval(pair: PairReport) -> bool:
    return None not in (pair.difference, pair.low, pair.high, pair.p, pair.p_holm)


def _difference(pair: PairReport) -> str:
    assert pair.difference is not None, "the pair decides"
    assert pair.p_holm is not None, "the pair decides"
    return f"{pair.a} against {pair.b}, {pair.metric} {pair.text}, p = {format_p(pair.p_holm)}, {pair.n} examples"


def _described(one: BaselineComparison) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
    worse = ", which is better" if one.outcome == "worse" else ""
    return f"{one.system} ({_signed(one.difference)}{interval}{worse})"


def _signed(difference: float | None) -> str:
    return "no common examples" if difference is None else f"{difference:+.3f}"


def _list(texts: Sequence[str]) -> str:
    return ", ".join(texts[:-1]) + f" and {texts[-1]}" if len(texts) > 1 else texts[0]
