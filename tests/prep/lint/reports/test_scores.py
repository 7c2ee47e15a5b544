"""The scores of the groups of rules."""

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.finding import Severity
from prep.lint.base.report import Skipped
from prep.lint.base.rule import RULES
from prep.lint.reports.scores import Score, clean_rows, score_groups, share_of
from tests.prep.lint.test_reports import found, report


def said(score: Score) -> tuple[str, str]:
    return ("–" if score.clean is None else f"{score.clean.number} {score.clean.unit}"), score.state


def test_scores_are_shares_of_rows_without_an_error_or_warning() -> None:
    skipped = tuple(Skipped(code, "not here") for code in RULES.entries if code.startswith("LEK"))
    diagnostics = [
        found(code="LEN603", id="a"),
        found(code="LEN603", id="a"),
        found(code="LEN603", id="b", severity=Severity.INFO),
        found(code="FMT001", id=None, line=9, severity=Severity.ERROR),
        found(code="BAL101", id=None, file=None, line=None),
    ]
    scores = {score.code: score for score in score_groups(report(*diagnostics, num_examples=4, skipped=skipped))}
    assert said(scores["LEN"]) == ("75.0 %", "unsure")
    assert said(scores["FMT"]) == ("80.0 %", "bad")  # one line of five could not be read
    assert (*said(scores["BAL"]), scores["BAL"].num_general) == ("100 %", "unsure", 1)
    assert said(scores["DUP"]) == ("100 %", "good")
    assert said(scores["LEK"]) == ("–", "none")
    one_of_many = score_groups(report(found(code="LEN603", id="a"), num_examples=1_000_000))
    assert next(said(score) for score in one_of_many if score.code == "LEN") == ("999,999 of 1,000,000", "unsure")


def test_nearly_all_rows_are_counted_and_not_rounded() -> None:
    few = report(*(found(code="LEN603", id=f"row {number}") for number in range(2)), num_examples=1_420)
    clean = clean_rows(few, few.diagnostics)
    assert clean is not None and f"{clean.number} {clean.unit}" == "1,418 of 1,420"
    assert share_of(1_418, 1_420) == "1,418 of 1,420"
    assert (share_of(99, 100), share_of(989, 1_000)) == ("99 of 100", "98.9%")
    assert (share_of(1_420, 1_420), share_of(0, 1_420), share_of(0, 0)) == ("100.0%", "0.0%", "–")


def of_rules(letters: str, ran: int, *diagnostics: Diagnostic) -> Score:
    """The score of a group of which so many rules ran."""
    known = sorted(code for code in RULES.entries if code.startswith(letters))
    one = report(*diagnostics, skipped=tuple(Skipped(code, "not here") for code in known[ran:]))
    return next(score for score in score_groups(one) if score.code == letters)


def test_half_of_a_groups_rules_make_no_hundred() -> None:
    half = of_rules("DUP", 2)
    assert (half.num_ran, half.num_rules, *said(half)) == (2, 4, "–", "none")
    assert said(of_rules("DUP", 3)) == ("100 %", "good")
    # What they found is said in any case, what is mere information is no verdict.
    assert said(of_rules("DUP", 1, found(code="DUP301", id="a"))) == ("90.0 %", "unsure")
    assert said(of_rules("DUP", 1, found(code="DUP301", id="a", severity=Severity.INFO))) == ("–", "none")


def test_no_rows_have_no_score() -> None:
    assert {said(score) for score in score_groups(report(num_examples=0))} == {("–", "none")}
