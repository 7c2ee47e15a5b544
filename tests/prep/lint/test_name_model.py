"""Names by model: what is made of its finds, and what is said where it, or another optional part of a rule, is not installed."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from prep.lint.cache import cached_lint
from prep.lint.reports.facts import PageReport
from prep.lint.reports.page import as_html
from prep.lint.reports.sarif import as_sarif
from prep.lint.reports.text import summary_line
from prep.lint.run import LintOptions, LintReport, lint
from prep.pii import name_model
from prep.pii.name_model import find_names_by_model, model_unavailable, spacy_model
from prep.pii.spans import PiiSpan


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    texts = ["Yesterday Anna Kowalski came by", "The patient was seen by Dr. Jane Doe", "Nothing to see"]
    path.write_text("".join(json.dumps({"prompt": text, "completion": "ok"}) + "\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The optional packages that are there; all others of theirs are not."""
    names: set[str] = set()
    known = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in {"presidio_analyzer", "spacy", "lingua", "symspellpy"} or name.startswith("en_core_web"):
            return ModuleSpec(name, None) if name in names else None
        return known(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    for module in ("prep.text.language", "prep.lint.rules.language.spelling_noise"):
        monkeypatch.setattr(f"{module}.find_spec", find)
    spacy_model.cache_clear()
    yield names
    spacy_model.cache_clear()


def notes(report: LintReport) -> dict[str, str]:
    return {one.code: one.reason for one in report.skipped if one.partly}


def test_a_part_that_is_not_installed_is_said_to_be_left_out(installed: set[str], rows: Path) -> None:
    report = lint(rows, options=LintOptions(select=("PII502", "GRM951", "DIV705"), page=True))
    assert {code: reason[reason.index("pip install") :] for code, reason in notes(report).items()} == {
        "PII502": "pip install 'loopwright[pii]', then python -m spacy download en_core_web_sm",
        "GRM951": "pip install 'loopwright[text]'",
        "DIV705": "pip install 'loopwright[text]'",
    }
    assert [one.line for one in report.diagnostics] == [2]  # what needs no extra ran
    assert {one["code"]: one.get("partly") for one in report.as_json()["skipped"]} == dict.fromkeys(notes(report), True)
    assert "Run in part: PII502: " in summary_line(report)
    assert "PII502 ran only in part" in json.dumps(as_sarif(report))
    assert isinstance(report, PageReport)
    page = as_html(report, report.facts)
    assert "in part: " in page and "Ran without findings" not in page


def test_a_missing_model_is_named_without_the_extra_that_is_there(installed: set[str], rows: Path) -> None:
    installed |= {"presidio_analyzer", "spacy"}
    reason = notes(lint(rows, options=LintOptions(select=("PII502",))))["PII502"]
    assert "spacy download" in reason and "pip install" not in reason


def test_the_cache_keeps_what_was_left_out(installed: set[str], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path / "cache"))
    first, again = (cached_lint(rows, options=LintOptions(select=("PII502",))) for _ in range(2))
    assert first.skipped == again.skipped and notes(again)


def test_nothing_is_left_out_where_all_is_installed(installed: set[str]) -> None:
    installed |= {"presidio_analyzer", "spacy", "en_core_web_sm", "en_core_web_lg"}
    assert model_unavailable() is None
    assert spacy_model() == "en_core_web_lg"


# --- what is made of the model's finds -----------------------------------------------------------------------------------------------


@dataclass
class Found:
    entity_type: str
    start: int
    end: int


class Analyser:
    """Finds given words, as Presidio tells of them."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds

    def analyze(self, text: str, **_: Any) -> list[Found]:
        return [Found(kind, text.index(word), text.index(word) + len(word)) for word, kind in self.kinds.items()]


@pytest.mark.parametrize(
    ("text", "finds", "names"),
    [
        ("I met Anna Kowalski in Paris", {"Anna Kowalski": "PERSON", "Paris": "LOCATION"}, ["Anna Kowalski", "Paris"]),
        ("Bryan Maclean's song", {"Bryan Maclean's": "PERSON"}, ["Bryan Maclean"]),
        ("Tom Baker\nMain Street", {"Tom Baker\nMain": "PERSON"}, ["Tom Baker"]),
        ("send it to Box 8144 please", {"Box 8144": "PERSON"}, []),
        ("she has Parkinson disease", {"Parkinson": "PERSON"}, []),
        ("Dr. Jane Doe called", {"Jane Doe": "PERSON"}, []),  # known already
    ],
)
def test_finds_of_the_model_are_trimmed_and_sieved(
    text: str, finds: dict[str, str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_model, "_analyser", lambda model: Analyser(finds))
    known = [PiiSpan("PERSON", text.index("Jane Doe"), text.index("Jane Doe") + 8)] if "Jane Doe" in text else []
    assert [text[span.start : span.end] for span in find_names_by_model(text, "en_core_web_sm", known)] == names


def test_the_model_finds_names_that_nothing_announces(rows: Path) -> None:
    pytest.importorskip("presidio_analyzer")
    if spacy_model() is None:
        pytest.skip("there is no English spaCy model")
    report = lint(rows, options=LintOptions(select=("PII502",)))
    assert not report.skipped
    assert {one.line for one in report.diagnostics if one.kind == "PERSON"} == {1, 2}
    assert {one.line for one in lint(rows, options=LintOptions(select=("PII502",), thresholds={"PII502.rows": 0})).diagnostics} == {2}
