"""What the config declares, beside what was found."""

from prep.lint.base.report import LintReport
from prep.lint.detectors.expectations import DeclaredShare
from prep.lint.reports.declared import Declared
from prep.lint.reports.declared_view import share_marks, share_tables
from prep.lint.reports.facts import PageReport


def test_what_is_declared_stands_beside_what_was_found(declared: LintReport) -> None:
    assert isinstance(declared, PageReport)
    of = declared.facts.declared
    assert [(one.value[:8], one.num_rows, one.wanted, one.state) for one in of.slices] == [
        ("pump", 54, 50, "met"),
        ("<i>valve", 6, 24, "thin"),
        ("hose", 0, 5, "empty"),
        ("xxxxxxxx", 0, 1, "empty"),
    ]
    assert [(one.name, one.count, one.total, one.state) for one in of.labels] == [("ham", 24, 60, "met"), ("spam", 36, 60, "below")]
    assert [(one.name, one.count, one.total, one.state) for one in of.priors] == [("refusal", 0, 60, "below"), ("opening", 0, 60, "met")]


def test_rule_and_page_say_the_same_of_what_is_declared(declared: LintReport) -> None:
    assert isinstance(declared, PageReport)
    of = declared.facts.declared
    reported = {one.kind for one in declared.diagnostics if one.code == "DIV702" and one.field == "product"}
    assert reported == {f"product={one.value}" for one in of.slices if one.field == "product" and one.state != "met"}
    messages = [one.message for one in declared.diagnostics if one.code in {"BAL101", "BAL102"}]
    for one in (*of.labels, *of.priors):
        said = [message for message in messages if f"'{one.name}' makes up {one.share:.1%}" in message or message.startswith(one.name)]
        assert len(said) == (one.state != "met")


def test_nothing_declared_shows_nothing(page: str) -> None:
    assert 'id="declared"' not in page


def test_marks_stay_on_their_axis() -> None:
    for count, low, high in [(0, 0.0, 0.0), (50, 1.0, 1.0), (3, 0.05, 0.05), (1, 0.4, 0.6)]:
        one = DeclaredShare("x", count, 50, low, high)
        (table,) = share_tables(Declared(labels=(one,)))
        marks = {mark.name: mark for mark in share_marks(one, table.axis_end)}
        assert set(marks) == {"band", "interval", "share"}
        assert all(mark.x >= 0 and mark.x + mark.width <= 100.01 for mark in marks.values())
        middle = marks["share"].x + marks["share"].width / 2
        assert abs(middle - one.share / table.axis_end * 100) <= 1.01
