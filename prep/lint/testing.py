"""What every lint rule has to keep, for the tests of whoever writes one: plain assertions, for any test runner.

from prep.lint.testing import RuleCase, check_rule
from my_rules import MyRule

def test_my_rule():
    check_rule(MyRule, [RuleCase("a bad row", [{"prompt": "...", "completion": "..."}], fail=[1]), RuleCase("a good row", [...])])
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prep.config import ExpectConfig
from prep.lint.base.documentation import HEADINGS, rule_page, rule_sections, rule_summary
from prep.lint.base.rule import RULES, Rule
from prep.lint.options import LintOptions
from prep.lint.run import LintReport, lint


@dataclass(frozen=True, slots=True)
class RuleCase:
    """Some rows, and what a rule has to report of them.

    Attributes:
        name: what the case shows, for messages.
        rows: the training examples, one a line, in any shape that `prep lint` reads.
        fail: the 1-based lines that are reported, sorted, each once; None first where a finding is no line's, `FILE:LINE` where the rule
            reports test rows as well. Empty where the rule stays silent.
        test: rows of an evaluation file beside them.
        thresholds: `CODE.name` -> value.
        expect: what is declared of the data, as under `lint: expect:`.
        profile: the kind of data, such as `medical`.
        model: the model whose tokenizer a token rule uses.
        count: how many findings there are, where lines do not tell.
        severity: of all findings, where it matters.
    """

    name: str
    rows: Sequence[Any]
    fail: Sequence[int | str | None] = ()
    test: Sequence[Any] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    profile: str | None = None
    model: str | None = None
    count: int | None = None
    severity: str | None = None


def check_rule(rule: type[Rule], cases: Sequence[RuleCase]) -> None:
    """Makes sure that a rule keeps all that a rule has to: it is documented, and reports in each case what it should and nothing else.

    Raises:
        AssertionError: it does not; the message says in which case and in what.
    """
    check_rule_documentation(rule)
    check_cases(rule.code, cases)
    for case in cases:
        with TemporaryDirectory() as name, RULES.holding(rule):
            check_findings(rule.code, case, lint_case(rule.code, case, Path(name)))


def lint_case(code: str, case: RuleCase, folder: Path) -> LintReport:
    """Writes a case's rows and lints them with one rule.

    Args:
        code: the rule's.
        case: the case.
        folder: where the files go.
    """
    options = LintOptions(
        select=(code,),
        model=case.model,
        thresholds=dict(case.thresholds),
        profile=case.profile,
        expect=ExpectConfig.model_validate(dict(case.expect)),
    )
    test = write_rows(folder / "test.jsonl", case.test) if case.test else None
    return lint(write_rows(folder / "train.jsonl", case.rows), test=test, options=options)


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """Writes rows as JSON Lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def check_rule_documentation(rule: type[Rule]) -> None:
    """Makes sure that a rule's docstring is its page: a sentence, then the four headings, each with a text.

    Raises:
        AssertionError: something is missing.
    """
    who = f"{rule.code} {rule.name}"
    assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.code), f"{who}: a code is three capital letters and three digits"
    assert rule_summary(rule).endswith("."), f"{who}: the docstring begins with a sentence in one line"
    sections = rule_sections(rule)
    assert tuple(sections) == HEADINGS, f"{who}: the docstring has the headings {', '.join(sections)}, and not {', '.join(HEADINGS)}"
    empty = [heading for heading, text in sections.items() if not text]
    assert not empty, f"{who}: nothing stands under '## {empty[0]}'" if empty else ""
    assert rule.remedy, f"{who}: the remedy is empty"
    assert all(one.source for one in rule.thresholds), f"{who}: a threshold does not say where its value comes from"
    assert rule.name in rule_page(rule), f"{who}: its page does not name it"


def check_cases(code: str, cases: Sequence[RuleCase]) -> None:
    """Makes sure that there is a case that is reported and one that is not.

    Raises:
        AssertionError: one of the two is missing.
    """
    assert any(case.fail for case in cases), f"{code}: no case has a row that is reported"
    assert any(not case.fail for case in cases), f"{code}: no case stays silent; give a near miss"


def check_findings(code: str, case: RuleCase, report: LintReport) -> None:
    """Makes sure that a report has what a case expects of a rule, said as all findings are.

    Raises:
        AssertionError: it has not.
    """
    where = f"{code}, case '{case.name}'"
    skipped = next((one.reason for one in report.skipped if one.code == code and not one.partly), None)
    assert skipped is None, f"{where}: the rule did not run: it {skipped}"
    found = [one for one in report.diagnostics if one.code == code]
    by_file = bool(case.fail) and isinstance(case.fail[0], str)
    places = {f"{Path(one.file or '').name}:{one.line}" if by_file else one.line for one in found}
    lines = sorted(places, key=lambda place: place or 0)
    said = "".join(f"\n  {one.file}:{one.line}: {one.message}" for one in found)
    assert lines == list(case.fail), f"{where}: lines {lines} are reported, and not {list(case.fail)}{said}"
    assert case.count in {None, len(found)}, f"{where}: {len(found)} findings, and not {case.count}{said}"
    severities = {one.severity.value for one in found}
    assert case.severity is None or severities == {case.severity}, f"{where}: the severities are {severities}"
    for one in found:
        check_words(one.message, one.remedy)


def check_words(message: str, remedy: str) -> None:
    """Makes sure that a message goes on from `file:line: severity:` and is no sentence, that a remedy is one, and that large numbers are
    written with separators.

    Raises:
        AssertionError: they are not.
    """
    own_words = re.sub(r"'.*?'", "", message)
    is_capital = message[0].isupper() and not message.split(maxsplit=1)[0].isupper()
    assert not is_capital, f"a message begins with a small letter, as it goes on from its place: {message}"
    assert not message.endswith(".") or message.endswith("..."), f"a message has no full stop: {message}"
    assert not re.search(r"(?<![\d,.:+])\d{4,}(?![\d:])", own_words), f"a large number is written with separators: {message}"
    assert remedy[0].isupper() and remedy.endswith((".", "?")), f"a remedy is a sentence: {remedy}"
