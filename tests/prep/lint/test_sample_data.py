"""The planted defects of sample_data: all that the rules cover is found, and the copy with the answer key applied has no error."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.build.run import build
from prep.dataset.manifest import Dataset
from prep.lint.base.finding import Severity
from prep.lint.base.rule import RULES, RankedRule
from prep.lint.run import LintOptions, LintReport, lint

SAMPLE_DATA = Path(__file__).parents[3] / "sample_data"
DOMAINS = ["calls", "finance", "legal", "medical", "reviews", "voice"]

# Near copies that the split parts are a leak rather than a duplicate.
TOLD_AS = {"DUP302": ("LEK402",)}

Place = tuple[str, int | None]


def answer_key(domain: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE_DATA / domain / "answer_key.jsonl").read_text(encoding="utf-8").splitlines()]


def places(entry: dict[str, Any]) -> set[Place]:
    """The planted row, and those that belong to the finding: a conflict may be reported at either of its rows."""
    related = {(entry.get("related_file", entry["file"]), line) for line in entry["related"]}
    return {(entry["file"], entry["line"]), *related}


def run(folder: Path, domain: str, out: Path) -> LintReport:
    if domain == "foreign":
        return lint(folder / "train.jsonl", test=folder / "test.jsonl")
    build(folder / f"{domain}.yaml", out)
    return lint(out)


def found(report: LintReport) -> set[tuple[str, Place]]:
    return {(one.code, (Path(one.file or "").name, one.line)) for one in report.diagnostics}


@pytest.mark.parametrize("domain", [*DOMAINS, "foreign"])
def test_every_planted_defect_is_found(domain: str, tmp_path: Path) -> None:
    report = run(SAMPLE_DATA / domain, domain, tmp_path / "dataset")
    reported = found(report)
    missed = [
        (entry["code"], entry["file"], entry["line"])
        for entry in answer_key(domain)
        if entry["code"] in RULES.entries
        and not issubclass(RULES.get(entry["code"]), RankedRule)
        and not any((code, place) in reported for code in (entry["code"], *TOLD_AS.get(entry["code"], ())) for place in places(entry))
        and not (entry["line"] is None and entry["code"] in report.summary)
    ]
    assert missed == []


def test_planted_flips_rank_high(tmp_path: Path) -> None:
    """Plain words do not prove a flip among 700 reviews, but they put it far up: chance would have half of them below the middle."""
    build(SAMPLE_DATA / "reviews" / "reviews.yaml", tmp_path / "dataset")
    lint(tmp_path / "dataset", options=LintOptions(select=("LBL801",), scores=tmp_path / "scores.parquet"))
    lines = Dataset.open(tmp_path / "dataset").examples().select("id", "line").collect()
    scores = pl.read_parquet(tmp_path / "scores.parquet").join(lines, on="id").sort("score", descending=True).with_row_index("rank")
    planted = [entry["line"] for entry in answer_key("reviews") if entry["code"] == "LBL801"]
    ranks = scores.filter(pl.col("line").is_in(planted))["rank"].to_list()
    assert len(ranks) == len(planted) == 6
    assert max(ranks) < 0.25 * scores.height
    assert sorted(ranks)[len(ranks) // 2] < 0.1 * scores.height


@pytest.mark.parametrize("domain", [*DOMAINS, "foreign"])
def test_warnings_and_errors_stand_on_planted_rows(domain: str, tmp_path: Path) -> None:
    report = run(SAMPLE_DATA / domain, domain, tmp_path / "dataset")
    planted = {place for entry in answer_key(domain) for place in places(entry)}
    elsewhere = [
        (one.code, one.location, one.message)
        for one in report.diagnostics
        if one.severity is not Severity.INFO and one.line is not None and (Path(one.file or "").name, one.line) not in planted
    ]
    assert elsewhere == []


@pytest.mark.parametrize("domain", [*DOMAINS, "foreign"])
def test_the_cleaned_copy_is_clean(domain: str, tmp_path: Path) -> None:
    folder = tmp_path / domain
    shutil.copytree(SAMPLE_DATA / domain, folder)
    changes: dict[str, dict[int, Any]] = {}
    for entry in answer_key(domain):
        if entry["line"] is not None:
            changes.setdefault(entry["file"], {})[entry["line"]] = entry["clean"]
    for name, cleaned in changes.items():
        clean(folder / name, cleaned)
    report = run(folder, domain, tmp_path / "dataset")
    worse = [(one.code, one.location, one.message) for one in report.diagnostics if one.severity is not Severity.INFO]
    # What is planted in the labels as a whole stays uneven; no line can be mended for it.
    assert [one for one in worse if one[0] != "BAL101"] == []


def clean(path: Path, cleaned: dict[int, Any]) -> None:
    """Applies an answer key to one file: removes lines and changes fields."""
    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    header = lines[0].lstrip("\ufeff")
    delimiter = {".tsv": "\t", ".csv": ","}.get(path.suffix)
    kept = []
    for number, line in enumerate(lines, start=1):
        change = cleaned.get(number, {})
        if change is None:
            continue
        kept.append(_edit(line, change, header, delimiter) if change else line)
    text = "\n".join(kept) + "\n"
    if path.suffix == ".json":  # an array, one record a line: the last may not be followed by a comma
        text = json.dumps([json.loads(line.rstrip(",")) for line in kept if line.strip() not in {"[", "]"}])
    path.write_text(text, encoding="utf-8")


def _edit(line: str, change: dict[str, Any], header: str, delimiter: str | None) -> str:
    if delimiter is None:
        return json.dumps({**json.loads(line.rstrip(",")), **change}, ensure_ascii=False)
    quoting: Any = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    names, values = csv.reader([header, line], delimiter=delimiter, quoting=quoting)
    row = {**dict(zip(names, values, strict=True)), **change}
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, quotechar=None if delimiter == "\t" else '"', lineterminator="").writerow(
        row.values()
    )
    return out.getvalue()
