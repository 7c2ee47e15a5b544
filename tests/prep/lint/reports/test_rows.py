"""The worst rows, and the texts that findings point at."""

from pathlib import Path

from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport
from prep.lint.frame.examples import load_files
from prep.lint.reports.facts import PageFacts, worst_ids
from prep.lint.reports.rows import quotes, view_rows
from prep.lint.run import LintOptions, lint
from tests.prep.lint.reports.rows import chat, write
from tests.prep.lint.test_reports import found


def test_the_worst_rows_come_first() -> None:
    errors = [found(id="c", severity=Severity.ERROR)]
    warnings = [found(id="a"), found(id="b"), found(id="b"), found(id="c")]
    assert worst_ids([*warnings, *errors, found(id="d", severity=Severity.INFO)]) == ["c", "b", "a"]
    assert worst_ids([found(id="d", severity=Severity.INFO)]) == ["d"]


def test_a_row_shows_what_findings_point_at(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    hebrew = next(row for row in facts.worst if any("אנא" in piece.text for part in row.parts for piece in part.pieces))
    marked = [piece for part in hebrew.parts for piece in part.pieces if piece.codes == "PII501"]
    assert [piece.text for piece in marked] == ["[EMAIL_ADDRESS]"] and marked[0].severity == "warning"
    empty = next(row for row in facts.worst if any(piece.text == "An empty one" for part in row.parts for piece in part.pieces))
    assert [(part.title, part.pieces) for part in empty.parts][-1] == ("assistant", ())


def test_findings_are_shown_with_the_text_that_they_point_at(linted: tuple[LintReport, PageFacts]) -> None:
    result, facts = linted
    assert len(facts.findings) == len(result.diagnostics)
    hebrew = next(quote for one, quote in facts.findings if one.code == "PII501" and "אנא" in quote[0].text)
    assert [(piece.text, piece.codes) for piece in hebrew] == [("אנא כתבו אל ", ""), ("[EMAIL_ADDRESS]", "PII501"), (" היום", "")]
    copy = next(quote for one, quote in facts.findings if one.code == "DUP301")
    assert "".join(piece.text for piece in copy) == "Message number 3 about the weather in town 21"
    leak = next((one, quote) for one, quote in facts.findings if one.code == "LEK401")
    assert leak[0].field is None and leak[1][0].text == "Message number 7 about the weather in town 49"
    unreadable = [quote for one, quote in facts.findings if one.id is None]
    assert unreadable and not any(unreadable)


def test_long_texts_are_quoted_around_what_is_found(tmp_path: Path) -> None:
    text = "word " * 300 + "a@example.com" + " word" * 300
    path = write(tmp_path / "train.jsonl", [chat(text, "ham"), chat("short", "ham")])
    result = lint(path, options=LintOptions(select=("PII501",)))
    (quote,) = quotes(load_files([(path, "train")], tmp_path).frame, result.diagnostics)
    before, mark, after = (piece.text for piece in quote)
    assert (before[0], mark, after[-1]) == ("…", "[EMAIL_ADDRESS]", "…")
    assert len(before) < 100 and len(after) < 100


def test_the_same_finding_is_said_once_with_its_count(tmp_path: Path) -> None:
    addresses = " and ".join(f"a{number}@example.com" for number in range(30))
    path = write(tmp_path / "train.jsonl", [chat(f"write to {addresses}", "An answer to be found."), chat("short", "ham")])
    result = lint(path, options=LintOptions(select=("PII501",)))
    frame = load_files([(path, "train")], tmp_path).frame
    (row,) = view_rows(frame, worst_ids(result.diagnostics), result.diagnostics).values()
    ((one, count),) = row.findings
    assert (one.code, count, row.num_more) == ("PII501", 30, 0)
