"""The contract of rules as a function: a sound rule keeps it, and each way to break it is told."""

from collections.abc import Sequence

import polars as pl
import pytest
from typing_extensions import override

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import RULES, Rule
from prep.lint.rules.duplicates.exact_duplicate import ExactDuplicate
from prep.lint.rules.length.tiny_target import TinyTarget
from prep.lint.testing import RuleCase, check_rule

ROWS = [{"prompt": "a", "completion": "yes"}, {"prompt": "b", "completion": "maybe"}]
FAILS, PASSES = RuleCase("unsure", ROWS, fail=[2]), RuleCase("sure", ROWS[:1])


class Unsure(Rule):
    """An answer that is unsure.

    ## What it does
    Looks for "maybe".

    ## Why is this bad
    It may not be.

    ## Example
    `maybe`.

    ## Fix safety
    Never fixed.
    """

    code = "MYR002"
    severity = Severity.INFO
    remedy = "Decide."
    columns = ("answer",)
    says = "the answer is unsure"

    @override
    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return examples.filter(pl.col("answer") == "maybe").select(*Finding.where, message=pl.lit(self.says))


def test_a_rule_from_outside_keeps_the_contract_and_is_not_left_behind() -> None:
    check_rule(Unsure, [FAILS, PASSES])
    assert "MYR002" not in RULES.entries


def test_a_rule_of_ours_is_checked_alike() -> None:
    empty = [*ROWS, {"prompt": "c", "completion": ""}]
    check_rule(TinyTarget, [RuleCase("empty", empty, fail=[3], severity="error"), RuleCase("full", ROWS)])
    copied = [*ROWS, ROWS[0]]
    check_rule(ExactDuplicate, [RuleCase("a copy", copied, fail=[3], count=1), RuleCase("none", ROWS)])
    assert {"DUP301", "LEN603"} <= RULES.entries.keys()


@pytest.mark.parametrize(
    ("changes", "cases", "cause"),
    [
        ({}, [FAILS], "no case stays silent"),
        ({}, [PASSES], "no case has a row that is reported"),
        ({}, [RuleCase("unsure", ROWS, fail=[1]), PASSES], r"case 'unsure': lines \[2\] are reported, and not \[1\]"),
        ({}, [RuleCase("unsure", ROWS, fail=[2], count=2), PASSES], "1 findings, and not 2"),
        ({}, [RuleCase("unsure", ROWS, fail=[2], severity="error"), PASSES], "the severities are {'info'}"),
        ({"says": "The answer is unsure"}, [FAILS, PASSES], "begins with a small letter"),
        ({"says": "it is unsure."}, [FAILS, PASSES], "no full stop"),
        ({"says": "it is one of 12000"}, [FAILS, PASSES], "with separators"),
        ({"remedy": "decide"}, [FAILS, PASSES], "a remedy is a sentence"),
        ({"remedy": ""}, [FAILS, PASSES], "the remedy is empty"),
        ({"code": "mine"}, [FAILS, PASSES], "three capital letters and three digits"),
        ({"__doc__": "An answer that is unsure."}, [FAILS, PASSES], "the docstring has the headings"),
        ({"__doc__": "No sentence"}, [FAILS, PASSES], "begins with a sentence"),
        (
            {"__doc__": (Unsure.__doc__ or "").replace("    It may not be.\n", "")},
            [FAILS, PASSES],
            "nothing stands under '## Why is this bad'",
        ),
    ],
)
def test_each_way_to_break_it_is_told(changes: dict[str, object], cases: Sequence[RuleCase], cause: str) -> None:
    broken = type("Unsure", (Unsure,), {"__doc__": Unsure.__doc__, **changes})
    with pytest.raises(AssertionError, match=cause):
        check_rule(broken, cases)
