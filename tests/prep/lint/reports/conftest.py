"""A file with something of everything, and one held against what is declared of it: linted once for all tests of the page."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from prep.config import ExpectConfig
from prep.lint.base.report import LintReport
from prep.lint.frame.examples import load_files
from prep.lint.reports.declared import Declared
from prep.lint.reports.facts import PageFacts, page_facts
from prep.lint.reports.page import as_html
from prep.lint.run import LintOptions, lint
from tests.prep.lint.reports.rows import chat, make_rows, write


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="package")
def linted(folder: Path) -> tuple[LintReport, PageFacts]:
    train, test = make_rows()
    path, test_path = write(folder / "<b>train.jsonl", train), write(folder / "test.jsonl", test)
    with path.open("a", encoding="utf-8") as file:
        file.write("{\n")
    result = lint(path, test=test_path)
    with TemporaryDirectory() as work:
        frame = load_files([(path, "train"), (test_path, "test")], Path(work)).frame
        return result, page_facts(frame, result.diagnostics, Declared())


@pytest.fixture(scope="package")
def page(linted: tuple[LintReport, PageFacts]) -> str:
    return as_html(*linted)


@pytest.fixture(scope="package")
def declared(folder: Path) -> LintReport:
    """60 chats of two products, two thirds `ham`, a tenth refused, held against what is declared of them."""
    rows = [{**chat(f"The pump number {index} is late", "spam" if index % 3 else "ham"), "product": "pump"} for index in range(54)]
    rows += [{**chat(f"The valve number {index} drips", "ham"), "product": "<i>valve"} for index in range(6)]
    expect = ExpectConfig(
        slices={"product": {"pump": 50, "<i>valve": 24, "hose": 5}, "label": {"x" * 200: 1}},
        label_share={"ham": (0.35, 0.45), "spam": (0.9, 1.0)},
        priors={"refusal": 0.2, "opening": 0.0},
    )
    return lint(write(folder / "declared.jsonl", rows), options=LintOptions(expect=expect, page=True, select=("DIV702", "BAL10")))
