"""What a run is told, and what it keeps: severities, ignores by source, suppressions, baselines, ranked scores, the cache."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from prep.config import SuppressConfig
from prep.lint import cache, engine, run
from prep.lint.base.finding import Severity
from prep.lint.cache import cached_lint
from prep.lint.detectors.label_errors import labelled
from prep.lint.run import LintOptions, LintReport, lint

LEAKY = [
    {"prompt": f"Question {index}: how do I reach you?", "completion": f"Write to person{index}@mail-host.org, please."}
    for index in range(4)
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def lines(report: LintReport) -> list[int | None]:
    return [one.line for one in report.diagnostics if one.code == "PII501"]


def test_the_longest_code_that_fits_decides_the_severity(tmp_path: Path) -> None:
    options = LintOptions(select=("PII501",), severities={"PII": "info", "PII501": "error"})
    report = lint(write(tmp_path / "a.jsonl", LEAKY), options=options)
    assert {one.severity for one in report.diagnostics} == {Severity.ERROR}


@pytest.mark.parametrize(("pattern", "expected"), [("a.jsonl", []), ("*/a.*", []), ("b.jsonl", [1, 2, 3, 4])])
def test_codes_are_ignored_for_a_source_by_its_name(tmp_path: Path, pattern: str, expected: list[int]) -> None:
    options = LintOptions(per_source_ignores={pattern: ("PII",)})
    assert lines(lint(write(tmp_path / "a.jsonl", LEAKY), options=options)) == expected


def test_a_suppressed_row_stays_so_when_the_file_is_put_in_another_order(tmp_path: Path) -> None:
    found = next(one for one in lint(write(tmp_path / "a.jsonl", LEAKY)).diagnostics if one.line == 2)
    options = LintOptions(suppress=(SuppressConfig(id=found.id or "", code="PII501", reason="a public address"),))
    report = lint(write(tmp_path / "b.jsonl", LEAKY[::-1]), options=options)
    assert lines(report) == [1, 2, 4]
    assert report.num_suppressed == 1


def test_a_baseline_holds_back_what_was_known_and_no_more(tmp_path: Path) -> None:
    known = tmp_path / "baseline.json"
    known.write_text(json.dumps(lint(write(tmp_path / "a.jsonl", LEAKY)).as_json()), encoding="utf-8")
    new = {"prompt": "And who else?", "completion": "Also other@mail-host.org and third@mail-host.org."}
    report = lint(write(tmp_path / "b.jsonl", [new, *LEAKY]), options=LintOptions(baseline=known))
    assert lines(report) == [1, 1]
    assert lines(lint(write(tmp_path / "a.jsonl", LEAKY), options=LintOptions(baseline=known))) == []


@pytest.mark.parametrize("text", ["", "[]", '{"diagnostics": [1]}', "not json"])
def test_a_baseline_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "baseline.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"baseline\.json"):
        lint(write(tmp_path / "a.jsonl", LEAKY), options=LintOptions(baseline=tmp_path / "baseline.json"))


@pytest.mark.parametrize(
    "options",
    [
        LintOptions(severities={"XYZ": "info"}),
        LintOptions(per_source_ignores={"a": ("XYZ1",)}),
        LintOptions(suppress=(SuppressConfig(id="12345678", code="XYZ", reason="r"),)),
        LintOptions(thresholds={"XYZ.a": 1.0}),
    ],
)
def test_what_names_no_rule_is_refused(tmp_path: Path, options: LintOptions) -> None:
    with pytest.raises(UserError, match="XYZ"):
        lint(write(tmp_path / "a.jsonl", LEAKY), options=options)


def test_scores_are_written_for_every_row_that_a_ranked_rule_looked_at(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{'lovely' if index % 2 else 'awful'} visit {index}", "completion": "good" if index % 2 else "bad"}
        for index in range(200)
    ]
    out = tmp_path / "scores.parquet"
    lint(write(tmp_path / "a.jsonl", rows), options=LintOptions(select=("LBL801",), scores=out))
    scores = pl.read_parquet(out)
    assert scores.columns == ["id", "code", "score"]
    assert scores["id"].n_unique() == scores.height == 200
    assert scores["code"].unique().to_list() == ["LBL801"]
    assert scores["score"].is_between(0, 1).all()


def test_a_report_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "cache_dir", lambda: tmp_path / "cache")
    looked: list[Path] = []

    def counted(path: Path, **more: Any) -> LintReport:
        looked.append(path)
        return run.lint(path, **more)

    monkeypatch.setattr(cache, "lint", counted)
    path = write(tmp_path / "a.jsonl", LEAKY)
    options = LintOptions(select=("PII501",), excerpts=True)
    first = cached_lint(path, options=options)
    assert cached_lint(path, options=options) == first
    assert len(looked) == 1
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "cache" / "lint").iterdir())
    cached_lint(path, options=LintOptions(select=("PII501",)))
    cached_lint(path, options=options, fresh=True)
    write(path, LEAKY[:2])
    assert len(cached_lint(path, options=options).diagnostics) == 2
    assert len(looked) == 4


def test_a_damaged_cache_is_looked_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "cache_dir", lambda: tmp_path / "cache")
    path = write(tmp_path / "a.jsonl", LEAKY)
    first = cached_lint(path, options=LintOptions(select=("PII501",)))
    for file in (tmp_path / "cache" / "lint").iterdir():
        file.write_text('{"diagnostics": 3}', encoding="utf-8")
    assert cached_lint(path, options=LintOptions(select=("PII501",))) == first


def test_queries_in_several_passes_find_what_one_pass_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*LEAKY, LEAKY[0], {"prompt": "Why?", "completion": " "}, {"prompt": "Fish &amp; chips?", "completion": "Yes."}]
    path = write(tmp_path / "a.jsonl", rows)
    whole = lint(path)
    monkeypatch.setattr(engine, "_ROWS_AT_ONCE", 1)
    assert lint(path) == whole
    assert {"PII501", "DUP301", "LEN603", "FMT008"} <= set(whole.summary)


def test_what_several_rules_need_of_the_labels_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    find = labelled._find_tasks

    def counted(examples: pl.LazyFrame) -> list[labelled.LabelledTask]:
        made.append(1)
        return find(examples)

    monkeypatch.setattr(labelled, "_find_tasks", counted)
    said = {0: ("cold", "bad"), 1: ("hot", "good")}
    rows = [{"prompt": f"Soup {index} was {said[index % 2][0]}", "completion": said[index % 2][1]} for index in range(120)]
    report = lint(write(tmp_path / "a.jsonl", rows), options=LintOptions(select=("LBL", "LEK")))
    assert {"LBL801", "LEK406", "LEK407"} <= set(report.ran)
    assert len(made) == 1
