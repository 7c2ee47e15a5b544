"""Slices that nobody declared: found on one half of the examples, and confirmed on the other."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evals.compare.slices import slice_of
from evals.data.contract import MetricValue, SliceReport
from evals.data.judgement import Judgement
from evals.data.rows import EvalRow
from loopwright.hashing import hash_text
from loopwright.statistics import holm, wilson_interval

FEWEST_ROWS, FEWEST_FAILURES = 200, 30
"""Of fewer examples or failures nothing is searched: what were found would be chance."""

_WORD = re.compile(r"[^\W\d_]{3,}")
_NUM_WORDS = 300
_DEPTH = 2
_SMALLEST = 15  # examples of a slice in the half that it is searched in
_MOST = 4  # slices that are put to the test

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A part of the examples, by up to two properties."""

    name: str
    chosen: Bools


def find_slices(
    rows: Sequence[EvalRow], judgements: Mapping[str, Judgement], system: str, patterns: Mapping[str, re.Pattern[str]], confidence: float
) -> tuple[list[SliceReport], str | None]:
    """Returns the parts of the examples that fail more often than the others, and what is to be said of the search; nothing of few rows.

    A small tree of what is known of an example before it is answered (template, label, length, source, a declared slice, its words) is
    grown on one half of the clusters, drawn by their hash; its leaves with more failures than all are tested on the other half by
    Fisher's exact test, one-sided, adjusted for their number (Holm 1979). What is not confirmed is not reported.

    Args:
        rows: the examples.
        judgements: of the system's answers, by example id.
        system: whose failures.
        patterns: the declared slices.
        confidence: 1 - confidence is the level of the test.
    """
    answered = [row for row in rows if row.id in judgements]
    failed = np.array([judgements[row.id].has_failed for row in answered], dtype=bool)
    if len(answered) < FEWEST_ROWS or failed.sum() < FEWEST_FAILURES:
        return [], None
    searched = np.array([int(hash_text(row.cluster), 16) % 2 == 0 for row in answered], dtype=bool)
    properties = _properties(answered, searched, patterns)
    candidates = _candidates(properties, failed, searched)
    if not candidates:
        return [], "no slices found: no part of the examples fails clearly more often than the others"
    p_values = [_p(one.chosen & ~searched, failed, ~searched) for one in candidates]
    reports = [
        _report(one, (p, adjusted), failed, ~searched, confidence=confidence, system=system)
        for one, p, adjusted in zip(candidates, p_values, holm(p_values), strict=True)
        if adjusted < 1 - confidence
    ]
    said = f"{len(candidates)} slices searched on one half of the examples, {len(reports)} of them confirmed on the other"
    return reports, said


def _properties(rows: Sequence[EvalRow], searched: Bools, patterns: Mapping[str, re.Pattern[str]]) -> dict[str, Bools]:
    """Returns what is true of which examples: properties that hold for some and not for all."""
    found: dict[str, Bools] = {}
    slices = [slice_of(row, patterns) for row in rows]
    for name in dict.fromkeys(name for of_row in slices for name in of_row):
        for value in dict.fromkeys(of_row[name] for of_row in slices if name in of_row):
            found[f"{name} = {value}"] = np.array([of_row.get(name) == value for of_row in slices], dtype=bool)
    words = [frozenset(_WORD.findall(row.question.lower())) for row in rows]
    # Counted on the half that is searched alone: what is confirmed on the other must not have chosen the words.
    common = Counter(word for of_row, is_searched in zip(words, searched, strict=True) if is_searched for word in of_row)
    for word, _ in common.most_common(_NUM_WORDS):
        found[f"has '{word}'"] = np.array([word in of_row for of_row in words], dtype=bool)
    return {name: holds for name, holds in found.items() if _SMALLEST <= (holds & searched).sum() <= searched.sum() - _SMALLEST}


def _candidates(properties: Mapping[str, Bools], failed: Bools, searched: Bools) -> list[_Candidate]:
    """Returns the leaves of a small tree that fail more often than all examples do, the worst first."""
    from sklearn.tree import DecisionTreeClassifier

    if not properties:
        return []
    names = list(properties)
    table = np.column_stack([properties[name] for name in names])
    tree = DecisionTreeClassifier(max_depth=_DEPTH, min_samples_leaf=_SMALLEST, random_state=0).fit(table[searched], failed[searched])
    leaves, paths = tree.apply(table), _paths(tree.tree_, names)
    overall = failed[searched].mean()
    rates = {leaf: failed[searched & (leaves == leaf)].mean() for leaf in np.unique(leaves[searched])}
    worst = sorted((leaf for leaf, rate in rates.items() if rate > overall and paths[leaf]), key=lambda leaf: -rates[leaf])
    return [_Candidate(" and ".join(paths[leaf]), leaves == leaf) for leaf in worst[:_MOST]]


def _paths(tree: Any, names: Sequence[str]) -> dict[int, list[str]]:
    """Returns what holds in each leaf, in words."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    found: dict[int, list[str]] = {}
    open_nodes: list[tuple[int, list[str]]] = [(0, [])]
    while open_nodes:
        node, path = open_nodes.pop()
        if left[node] == right[node]:
            found[node] = path
            continue
        name = names[feature[node]]
        open_nodes += [(int(left[node]), [*path, f"not ({name})"]), (int(right[node]), [*path, name])]
    return found


def _p(chosen: Bools, failed: Bools, among: Bools) -> float:
    from scipy.stats import fisher_exact

    rest = among & ~chosen
    table = [[(chosen & failed).sum(), (chosen & ~failed).sum()], [(rest & failed).sum(), (rest & ~failed).sum()]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _report(
    one: _Candidate, p_values: tuple[float, float], failed: Bools, confirmed: Bools, *, confidence: float, system: str
) -> SliceReport:
    """Returns a slice as the other half has it: what was seen where it was found is too good."""
    p, adjusted = p_values
    inside, outside = one.chosen & confirmed, ~one.chosen & confirmed
    rate = float(failed[inside].mean())
    low, high = wilson_interval(float(failed[inside].sum()), float(inside.sum()), confidence)
    return SliceReport(
        slice="found",
        value=one.name,
        system=system,
        metric="failure_rate",
        n=int(inside.sum()),
        score=MetricValue(value=rate, low=low, high=high),
        difference=rate - float(failed[outside].mean()),
        p=p,
        p_adjusted=adjusted,
    )
