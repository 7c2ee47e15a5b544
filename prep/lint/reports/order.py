"""The orders in which findings are shown."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, groupby, zip_longest

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity


def by_rule(diagnostics: Iterable[Diagnostic]) -> list[list[Diagnostic]]:
    """Returns the findings in groups of one rule, the rule with the worst first; within a rule the worst first, else as they were."""
    found = list(diagnostics)
    worst: dict[str, int] = {}
    for one in found:
        worst[one.code] = max(worst.get(one.code, 0), one.severity.rank)
    ranked = sorted(found, key=lambda one: (-worst[one.code], one.code, -one.severity.rank))
    return [list(group) for _, group in groupby(ranked, key=lambda one: one.code)]


def worst_in_turn(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns the findings, the worst first, among equals one of each rule in its turn: a list that is cut leaves no rule out."""
    by_code: dict[Severity, dict[str, list[Diagnostic]]] = {severity: defaultdict(list) for severity in Severity}
    for one in diagnostics:
        by_code[one.severity][one.code].append(one)
    rounds = chain.from_iterable(zip_longest(*(groups[code] for code in sorted(groups))) for groups in by_code.values())
    return [one for turn in rounds for one in turn if one is not None]
