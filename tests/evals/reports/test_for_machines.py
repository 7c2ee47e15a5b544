"""Markdown for a pull request and JUnit XML: short, masked, well-formed whatever the texts say."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from evals.cli import app
from evals.data.contract import GateReport, Report
from evals.reports.junit import render_junit
from evals.reports.markdown import render_markdown
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from tests.evals.conftest import options
from tests.evals.reports.made import choosing, chose, make, reviews

GATES = [
    GateReport(name="accuracy: min", passed=True, value=0.9, limit=0.8),
    GateReport(name="macro_f1: <min> & \x07\u202e", passed=False, value=None, limit=0.95),
]
HOSTILE = "| a | `b` <script>alert(1)</script> @everyone #12 **bold** [x](http://x) $y$ www.x.org jane.doe@example.com\n\n# Heading"


def test_the_markdown_has_the_sentence_the_gates_the_systems_and_what_changed() -> None:
    text = render_markdown(reviews(40, wrong=4, base_wrong=12, gates=GATES))
    lines = text.splitlines()
    assert lines[0].startswith("## reviews, validation: ") and "From 50 % right to 90 %" in text
    assert lines.index("| ❌ | macro&#95;f1&#58; &#60;min&#62; &#38; \\u0007\\u202e | – | 0.95 |".replace("\\u", "&#92;u")) > 0
    assert "<details><summary>Broken: 4</summary>" in lines and "<details><summary>Fixed: 12</summary>" in lines
    assert "| … | 1 more examples |" in lines


def test_it_stays_under_60_lines_whatever_there_is() -> None:
    rows = [choosing(index, "text", index % 2) for index in range(40)]
    systems = {f"base:{index}": [chose(row, index % 2) for row in rows] for index in range(12)}
    gates = [GateReport(name=f"gate {index}", passed=False, value=0.1, limit=0.9) for index in range(30)]
    text = render_markdown(make(rows, systems, gates=gates, warnings=[f"warning {index}" for index in range(9)]))
    assert len(text.splitlines()) < 60
    assert "22 more gates" in text and "4 more systems" in text and "6 more warnings" in text


def test_corpus_text_is_one_masked_cell_and_nothing_else() -> None:
    rows = [choosing(0, HOSTILE, 1), choosing(1, "fine", 1)]
    text = render_markdown(make(rows, {"adapter:run": [chose(row, 0) for row in rows], "base": [chose(row, 1) for row in rows]}))
    [line] = [line for line in text.splitlines() if "alert" in line]
    assert line.count("|") == 6, "five cells"
    assert not set("*_[]@#`$") & set(line.replace("&#", "")) and "<script" not in line and "http:" not in line and "www." not in line
    assert "jane" not in text and "EMAIL" in line and "# Heading" not in text


def test_junit_has_a_case_a_gate_and_is_well_formed() -> None:
    xml = render_junit(reviews(10, wrong=1, base_wrong=4, gates=GATES, warnings=["call 415-555-0123 \x00\ufffe"]).report)
    root = ElementTree.fromstring(xml)
    cases = root.findall("testsuite/testcase")
    assert [case.get("name") for case in cases] == ["accuracy: min", "macro_f1: <min> & \\u0007\\u202e"]
    assert [case.find("failure") is not None for case in cases] == [False, True]
    assert (root.get("tests"), root.get("failures")) == ("2", "1")
    assert cases[1].find("failure").get("message") == "there is no value, the limit is 0.95"  # type: ignore[union-attr]
    assert "415-555" not in xml and "[PHONE_NUMBER]" in xml


@pytest.mark.parametrize(("wrong", "base_wrong", "child"), [(0, 30, None), (30, 0, "failure"), (5, 5, "skipped")])
def test_without_gates_the_verdict_is_the_case(wrong: int, base_wrong: int, child: str | None) -> None:
    [case] = ElementTree.fromstring(render_junit(reviews(60, wrong=wrong, base_wrong=base_wrong).report)).findall("testsuite/testcase")
    assert case.get("name") == "verdict" and [one.tag for one in case] == ([] if child is None else [child])


def test_what_is_asked_for_is_written_and_nothing_else(tmp_path: Path, reviews: Path) -> None:
    names = {"html": "report.html", "md": "report.md", "junit": "report.junit.xml"}
    for kinds in (("html", "md", "junit"), ("md",), ()):
        report = evaluate_dataset(reviews, tmp_path / "out", options(systems=("constant", "linear"), report=kinds))
        found = {path.name for path in (tmp_path / "out").iterdir()} - {"report.json", "predictions.parquet", "failures.jsonl"}
        assert found == {names[kind] for kind in kinds}, "an earlier evaluation's reports go with it"
        assert isinstance(report, Report)


def test_the_command_takes_the_kinds_of_reports_and_names_them(tmp_path: Path, reviews: Path) -> None:
    given = ["run", str(reviews), "--systems", "constant", "--limit", "4", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*given, "--report", "md, junit"])
    assert done.exit_code == 0, done.output
    assert "report.md" in done.stderr and "report.junit.xml" in done.stderr and "report.html" not in done.stderr
    refused = CliRunner().invoke(app, [*given, "--report", "pdf"])
    assert isinstance(refused.exception, UserError) and "'junit'" in str(refused.exception)
