"""Slices that nobody declared: found where there is one, not found where there is none."""

import random
import re

import pytest

from evals.compare.found_slices import find_slices
from evals.data.judgement import Judgement, Outcome
from evals.data.rows import EvalRow
from tests.evals.conftest import written

_WORDS = ["table", "waiter", "soup", "bread", "wine", "menu", "bill", "dish", "evening", "music"]


def rows_of(number: int, seed: int) -> list[EvalRow]:
    chosen = random.Random(seed)
    rows = []
    for index in range(number):
        words = [chosen.choice(_WORDS) for _ in range(6)] + (["refund"] if chosen.random() < 0.3 else ["thanks"])
        (row,), _ = written([""], ["a"], f"{index}: " + " ".join(words))
        rows.append(EvalRow(**{**{name: getattr(row, name) for name in EvalRow.__slots__}, "id": f"r{index}", "row_id": f"r{index}"}))
    return rows


def failing(rows: list[EvalRow], rate_with: float, rate_without: float, seed: int) -> dict[str, Judgement]:
    chosen = random.Random(seed)
    rates = {row.id: rate_with if "refund" in row.question else rate_without for row in rows}
    return {id_: Judgement(Outcome.FAILED if chosen.random() < rate else Outcome.PASSED) for id_, rate in rates.items()}


def test_a_planted_slice_is_found_and_confirmed() -> None:
    rows = rows_of(600, 1)
    found, said = find_slices(rows, failing(rows, 0.6, 0.1, 2), "adapter", {}, 0.95)
    (worst, *_) = found
    assert "has 'refund'" in worst.value or "not (has 'thanks')" in worst.value
    assert worst.score.value == pytest.approx(0.6, abs=0.12) and worst.difference is not None and worst.difference > 0.3
    assert worst.p_adjusted is not None and worst.p_adjusted < 0.001 and said is not None and "confirmed" in said


def test_where_failures_are_chance_hardly_anything_is_confirmed() -> None:
    reported = 0
    for seed in range(40):
        rows = rows_of(260, 100 + seed)
        reported += len(find_slices(rows, failing(rows, 0.25, 0.25, seed), "adapter", {}, 0.95)[0])
    assert reported <= 6, "one in twenty searches, as the level of the test says"


def test_a_declared_slice_can_be_what_is_found() -> None:
    rows = rows_of(600, 3)
    found, _ = find_slices(rows, failing(rows, 0.7, 0.1, 4), "adapter", {"money back": re.compile("refund")}, 0.95)
    assert any("money back" in one.value or "refund" in one.value or "thanks" in one.value for one in found)


@pytest.mark.parametrize(("number", "rate"), [(150, 0.5), (400, 0.03)])
def test_too_few_rows_or_failures_are_refused(number: int, rate: float) -> None:
    rows = rows_of(number, 5)
    found, said = find_slices(rows, failing(rows, rate, rate, 6), "adapter", {}, 0.95)
    assert (found, said) == ([], None)
