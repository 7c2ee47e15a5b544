"""Findings that a person kept, by entries of the fix ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.api import lint_dataset
from prep.build.fix_ledger import Fix, append_fixes, row_hash
from prep.build.run import build
from prep.cli.app import app
from prep.fixes.drafts import apply_drafts, open_drafts, write_drafts
from prep.fixes.fixing import next_fixes
from prep.fixes.propose import propose
from prep.lint.reports import as_html, as_statistics, as_text, statistics_as_json
from prep.lint.reports.facts import PageReport
from prep.lint.run import LintOptions, LintReport, lint
from tests.prep.helpers import Project, make_project, reviews

ROWS = [
    *reviews(8),
    {"text": "Write to ann.lee@mail-host.org today.", "label": "positive"},
    {"text": "Bob is at bob.ray@mail-host.org.", "label": "negative"},
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path, ROWS, split={"train": 1, "validation": 0, "test": 0})
    project.build()
    return project


def row_on(project: Project, line: int) -> dict[str, Any]:
    return next(row for row in project.examples() if row["line"] == line)


def keep(project: Project, line: int, code: str = "PII501", **changes: Any) -> Fix:
    row = row_on(project, line)
    entry = {"row_id": row["row_id"], "code": code, "before_hash": row_hash(json.loads(row["fields"])), "reason": "invented", **changes}
    fix = Fix(op="keep", **entry)
    append_fixes(project.folder / "mine.fixes.jsonl", [fix])
    return fix


def lines(report: LintReport, code: str = "PII501") -> list[int | None]:
    return [one.line for one in report.diagnostics if one.code == code]


def test_a_kept_finding_is_counted_and_shown_no_more(project: Project) -> None:
    assert lines(lint(project.out)) == [9, 10]
    yaml = project.config.read_bytes()
    keep(project, 9)
    report = lint(project.out, options=LintOptions(page=True))
    assert isinstance(report, PageReport)
    assert (lines(report), report.num_kept, report.num_suppressed) == ([10], 1, 0)
    assert "1 finding kept by a person" in as_text(report) and "1 finding kept by a person" in as_statistics(report)
    assert "1 more finding kept by a person" in as_html(report, report.facts)
    for counts in (report.as_json(), statistics_as_json(report)):
        assert (counts["num_kept"], counts["num_suppressed"]) == (1, 0)
    # A build passes it by, and lint says the same of what it builds; nobody has written the config.
    assert project.build().manifest.fixes.stale == []
    assert lines(lint(project.out)) == [10]
    assert project.config.read_bytes() == yaml


def test_a_keep_is_of_one_row_and_one_rule(project: Project) -> None:
    keep(project, 9, "PII502")
    report = lint(project.out)
    assert (lines(report), report.num_kept) == ([9, 10], 0)


@pytest.mark.parametrize("change", [{"label": "negative"}, {"text": "Write to ann.lee@mail-host.org now."}])
def test_it_is_stale_when_the_row_has_changed(project: Project, change: dict[str, str]) -> None:
    keep(project, 9)
    row = row_on(project, 9)
    before = {name: json.loads(row["fields"])[name] for name in change}
    append_fixes(project.folder / "mine.fixes.jsonl", [Fix(op="edit", row_id=row["row_id"], before=before, after=change, reason="r")])
    project.build()
    report = lint(project.out)
    assert (lines(report), report.num_kept) == ([9, 10], 0)
    [note] = [note for note in report.notes if note.kind == "stale"]
    assert note.text.startswith(
        f"No longer holds of {project.folder / 'mine.fixes.jsonl'}: 1 'keep' whose row has changed, first on line 1 (PII501"
    )
    keep(project, 9)  # who judges it anew need not look for the old entry
    again = lint(project.out)
    assert (lines(again), again.num_kept, [note.kind for note in again.notes]) == ([10], 1, [])


def test_a_keep_whose_row_is_gone_or_whose_rule_is_none_is_said(project: Project) -> None:
    keep(project, 9, row_id="0" * 32)
    keep(project, 10, "PII999")
    report = lint(project.out)
    assert (lines(report), report.num_kept) == ([9, 10], 0)
    assert ["whose row has changed" in note.text for note in report.notes] == [True, False]
    assert "1 'keep' of no rule, first on line 2 (PII999" in report.notes[1].text


def test_suppressions_and_baselines_go_on_working_beside_it(project: Project, tmp_path: Path) -> None:
    project.configure(
        split={"train": 1, "validation": 0, "test": 0},
        lint={"suppress": [{"id": row_on(project, 10)["row_id"], "code": "PII501", "reason": "r"}]},
    )
    project.build()
    keep(project, 9)
    report = lint(project.out)
    assert (lines(report), report.num_kept, report.num_suppressed) == ([], 1, 1)


def test_the_ledger_is_found_where_the_config_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    project = make_project(tmp_path / "configs", ROWS, split={"train": 1, "validation": 0, "test": 0})
    out = tmp_path / "elsewhere" / "out"
    build(project.config, out)
    build(project.config, project.out)
    keep(project, 9)
    monkeypatch.chdir(tmp_path)
    assert lint(out).num_kept == 1, "by the build's log"
    (out / "build.log").unlink()
    assert lint(out).num_kept == 0
    assert lint(out, config_path=project.config).num_kept == 1
    assert lint_dataset(out, config=project.config).num_kept == 1
    monkeypatch.chdir(project.folder)
    assert lint(out).num_kept == 1
    project.configure(name="another")
    assert lint(out).num_kept == 0, "the config is of another dataset"


def test_a_report_of_before_is_not_given_again(project: Project) -> None:
    assert [lines(lint_dataset(project.out)) for _ in range(2)] == [[9, 10]] * 2
    keep(project, 9)
    assert [(lines(one), one.num_kept) for one in (lint_dataset(project.out), lint_dataset(project.out))] == [([10], 1)] * 2


def test_what_a_person_keeps_is_not_drafted_again(project: Project) -> None:
    drafts = [draft for draft in propose(project.out) if draft.evidence.get("code") == "PII501"]
    assert len(drafts) == 2
    path = project.folder / "drafts.csv"
    write_drafts(path, drafts)
    text = path.read_text(encoding="utf-8-sig")
    assert text.count(",edit,rows.jsonl:9,") == 1
    path.write_text(text.replace(",edit,rows.jsonl:9,", ",keep,rows.jsonl:9,"), encoding="utf-8", newline="")
    [fix] = apply_drafts(path, project.config)
    assert (fix.op, fix.code, fix.row_id) == ("keep", "PII501", row_on(project, 9)["row_id"])
    assert [draft.place for draft in open_drafts(path)[1]] == ["rows.jsonl:10"]
    assert lint(project.out).num_kept == 1
    assert [draft.place for draft in propose(project.out) if draft.evidence["code"] == "PII501"] == ["rows.jsonl:10"]
    planned = next_fixes(project.out, project.config, LintOptions(select=("PII501",)), unsafe=True)
    assert [one.place for one in planned] == ["rows.jsonl:10"]


def test_the_command_line_keeps_too(project: Project) -> None:
    drafts = project.folder / "drafts.csv"
    assert CliRunner().invoke(app, ["fix", "propose", str(project.out), "--out", str(drafts)]).exit_code == 0
    drafts.write_text(
        drafts.read_text(encoding="utf-8").replace(",edit,rows.jsonl:10,", ",keep,rows.jsonl:10,"), encoding="utf-8", newline=""
    )
    applied = CliRunner().invoke(app, ["fix", "apply", str(drafts), str(project.config), "--json"])
    assert json.loads(applied.stdout) == {"applied": 1, "kept": 1}
    found = json.loads(CliRunner().invoke(app, ["lint", str(project.out), "--format", "json"]).stdout)
    assert (found["num_kept"], [one["line"] for one in found["diagnostics"] if one["code"] == "PII501"]) == (1, [9])


def test_a_leak_is_kept_where_it_was_found(tmp_path: Path) -> None:
    """The draft drops the training row; the finding, which a keep is of, stands in the test row."""
    sources = [{"path": "rows.jsonl", "split": "train"}, {"path": "test.jsonl", "split": "test"}]
    project = make_project(tmp_path, ROWS[:8], sources=sources)
    project.write_rows([ROWS[3], {"text": "Quite another thing.", "label": "positive"}], "test.jsonl")
    project.build()
    [leak] = [draft for draft in propose(project.out) if "LEK401" in {one.code for one in draft.findings}]
    assert (leak.place, [one.code for one in leak.findings]) == ("rows.jsonl:4", ["DUP302", "LEK401"]), "one draft mends both"
    leak.op, leak.accept = "keep", True
    write_drafts(project.folder / "drafts.jsonl", [leak])
    fixes = apply_drafts(project.folder / "drafts.jsonl", project.config)
    places = {row["row_id"]: row["source"] for row in project.examples()}
    assert [(fix.code, places[fix.row_id]) for fix in fixes] == [("DUP302", "rows.jsonl"), ("LEK401", "test.jsonl")]
    report = lint(project.out)
    assert "LEK401" not in report.summary
    assert report.num_kept == 2


def test_a_ledger_that_cannot_be_read_is_an_error_of_lint(project: Project) -> None:
    project.write("mine.fixes.jsonl", "{")
    with pytest.raises(UserError, match=r"mine\.fixes\.jsonl:1: not valid JSON"):
        lint(project.out)
