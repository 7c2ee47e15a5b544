"""Every rule against its cases: lines that it must report, and near misses on which it must stay silent."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
import yaml

from evals.score.score import score_schema
from prep.config import ExpectConfig
from prep.dataset.manifest import TemplateInfo
from prep.lint.base.rule import RULES, Rule
from prep.lint.frame.examples import load_files
from prep.lint.reports.groups import GROUPS, group_of
from prep.lint.run import LintOptions, LintReport, lint
from prep.lint.testing import RuleCase, check_cases, check_findings, check_rule_documentation, write_rows
from tests.helpers import DEFAULT_TEMPLATE, review, summary, write_dataset

CASES_DIR = Path(__file__).parents[2] / "cases" / "rules"
CASES = [(path.stem, case) for path in sorted(CASES_DIR.glob("*.yaml")) for case in yaml.safe_load(path.read_text(encoding="utf-8"))]


def fill(value: Any, index: int) -> Any:
    if isinstance(value, str):
        return value.replace("{i}", str(index))
    if isinstance(value, list):
        return [fill(item, index) for item in value]
    return {key: fill(item, index) for key, item in value.items()} if isinstance(value, dict) else value


def rows_of(case: dict[str, Any], prefix: str = "") -> list[Any]:
    repeat = case.get(f"{prefix}repeat", [])
    blocks = [repeat] if repeat and not isinstance(repeat[0], list) else repeat
    repeated = [fill(row, index) for row, count in blocks for index in range(count)]
    return [*repeated, *case.get(prefix.removesuffix("_") or "rows", [])]


def write_scores(path: Path, data: Path, alike: list[list[int]]) -> Path:
    """Writes what a model might say of a file's rows: a random vector each, but for pairs of lines that are alike."""
    chooser = random.Random(17)
    with TemporaryDirectory() as folder:
        rows = load_files([(data, "train")], Path(folder)).frame.sort("position").select("id", "line").collect()
    vectors = {line: [chooser.gauss(0, 1) for _ in range(16)] for line in rows["line"]}
    for one, other in alike:
        vectors[other] = [value + chooser.gauss(0, 0.01) for value in vectors[one]]
    none = dict.fromkeys(("choices", "label", "probabilities", "loss", "num_tokens"))
    records = [{"id": one, **none, "hidden": vectors[line]} for one, line in rows.iter_rows()]
    pl.DataFrame(records, schema=score_schema(16)).write_parquet(path)
    return path


def write_ledger(path: Path, data: Path, losses: dict[Any, list[float]]) -> Path:
    """Writes what a training run might have seen: the loss of each line in each epoch; `other` stands for the lines without one."""
    with TemporaryDirectory() as folder:
        rows = load_files([(data, "train")], Path(folder)).frame.sort("position").select("id", "line").collect()
    records = [
        {"id": one, "epoch": epoch, "loss": loss, "margin": 0.7 - loss, "correct": loss < 0.7}
        for one, line in rows.iter_rows()
        for epoch, loss in enumerate(losses.get(line, losses["other"]), start=1)
    ]
    pl.DataFrame(records).write_parquet(path)
    return path


def run_case(code: str, case: dict[str, Any], folder: Path, model: Path) -> LintReport:
    select = (code,) if "select" not in case else ()
    model_name = str(model) if case.get("model") else None
    expect = ExpectConfig(**case.get("expect", {}))
    options = LintOptions(
        select=select, model=model_name, thresholds=case.get("thresholds", {}), profile=case.get("profile"), expect=expect
    )
    if "chats" in case:
        return lint(write_dataset(folder / "dataset", case["chats"]), options=options)
    if "dataset" in case:
        template = TemplateInfo(**{**DEFAULT_TEMPLATE.model_dump(), "keep": case.get("keep", [])})
        rows = [summary(row.pop("dialogue"), row.pop("answer"), **row) if "dialogue" in row else review(**row) for row in case["dataset"]]
        dataset = write_dataset(folder / "dataset", rows, templates=[template])
        if "template_text" in case:
            (folder / "mine.jinja").write_text(case["template_text"], encoding="utf-8")
            manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
            manifest["config"] = {"templates": [{"path": str(folder / "mine.jinja")}]}
            (dataset / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return lint(dataset, options=options)
    path = folder / case.get("file", "train.jsonl")
    if "bytes" in case:
        path.write_bytes(bytes.fromhex(case["bytes"]))
    elif "text" in case:
        path.write_text(case["text"], encoding="utf-8")
    else:
        write_rows(path, rows_of(case))
    if "ledger" in case:
        options = replace(options, training_ledger=write_ledger(folder / "ledger.parquet", path, case["ledger"]))
    if "alike" in case:
        options = replace(options, model_scores=write_scores(folder / "scores.parquet", path, case["alike"]))
    test = write_rows(folder / "test.jsonl", rows_of(case, "test_")) if {"test", "test_repeat"} & case.keys() else None
    return lint(path, test=test, options=options)


@pytest.mark.parametrize(("code", "case"), CASES, ids=[f"{code}: {case['name']}" for code, case in CASES])
def test_case(code: str, case: dict[str, Any], tmp_path: Path, tiny_model_dir: Path) -> None:
    report = run_case(
        code, {**case, "dataset": [dict(row) for row in case["dataset"]]} if "dataset" in case else case, tmp_path, tiny_model_dir
    )
    check_findings(code, told(case), report)


def told(case: dict[str, Any]) -> RuleCase:
    """Returns what a case of a file expects."""
    return RuleCase(case["name"], rows_of(case), fail=case["fail"], count=case.get("count"), severity=case.get("severity"))


@pytest.mark.parametrize("rule", RULES.entries.values(), ids=list(RULES.entries))
def test_every_rule_is_documented_and_has_a_case_that_passes_and_one_that_fails(rule: type[Rule]) -> None:
    check_rule_documentation(rule)
    check_cases(rule.code, [told(case) for code, case in CASES if code == rule.code])


@pytest.mark.parametrize("rule", RULES.entries.values(), ids=list(RULES.entries))
def test_every_rule_stands_in_the_folder_of_its_group_in_a_file_of_its_name(rule: type[Rule]) -> None:
    group = GROUPS[group_of(rule.code)].name
    assert rule.__module__ == f"prep.lint.rules.{group}.{re.sub(r'(?<=[a-z])(?=[A-Z])', '_', rule.name).lower()}"


def test_every_case_file_is_of_a_rule() -> None:
    assert {path.stem for path in CASES_DIR.glob("*.yaml")} == set(RULES.entries)
