"""The page: one file that needs nothing but itself, small, and whatever the rows say they stay text."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from prep.lint.base.report import LintReport, Skipped
from prep.lint.base.rule import RULES
from prep.lint.frame.examples import load_dataset, load_files
from prep.lint.reports.beside import Beside
from prep.lint.reports.declared import Declared
from prep.lint.reports.facts import MAX_WORST_ROWS, PageFacts, PageReport, page_facts
from prep.lint.reports.page import as_html
from prep.lint.run import LintOptions, lint
from tests.helpers import review, write_dataset
from tests.prep.lint.reports.rows import Elements, chat, write
from tests.prep.lint.test_reports import found, report


def test_the_page_is_one_file_and_its_policy_allows_no_more(page: str) -> None:
    elements = Elements(page)
    assert (len(elements.inside["script"]), len(elements.inside["style"])) == (1, 1)
    digests = {name: base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode() for name, texts in elements.inside.items()}
    policy = next(attributes["content"] for tag, attributes in elements.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = {attributes[name] or "" for _, attributes in elements.tags for name in ("src", "href", "action") if name in attributes}
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"url\(|@import|@font-face|https?://", page)


def test_corpus_text_stays_text(page: str) -> None:
    elements = Elements(page)
    names = [name for _, attributes in elements.tags for name in attributes]
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert not {"img", "b", "iframe"} & {tag for tag, attributes in elements.tags if tag != "b" or attributes}
    assert '<img src=x onerror="window.pwned=2">' in elements.text
    assert "\u202e" not in page and "\\u202e" in elements.text and "\x07" not in page
    assert "jane.doe@example.com" not in page and "[EMAIL_ADDRESS]" in elements.text


def test_files_are_named_without_their_folder_but_at_the_foot(page: str, folder: Path) -> None:
    assert page.count(str(folder)) == 1 and page.index(str(folder)) > page.index("<footer>")
    assert "&lt;b&gt;train.jsonl:" in page


def test_every_link_within_the_page_leads_somewhere(page: str) -> None:
    elements = Elements(page)
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {(attributes["href"] or "")[1:] for tag, attributes in elements.tags if tag == "a"}
    targets |= {
        attributes[name] or ""
        for _, attributes in elements.tags
        for name in ("aria-labelledby", "for", "data-filter-in")
        if name in attributes
    }
    assert targets <= set(ids)


def test_what_no_rule_looked_for_is_not_said_to_be_absent(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    nothing = replace(facts, beside=Beside([], 0, [], 0, 0, []), leaked={})
    skipped = tuple(Skipped(code, "not here") for code in RULES.entries if code[:3] in {"CON", "DUP", "LEK"})
    quiet = Elements(as_html(report(skipped=skipped), nothing)).text
    assert quiet.count("No rule that looks for them ran.") == 2 and "No rule that looks for it ran." in quiet
    quiet = Elements(as_html(report(), nothing)).text
    assert quiet.count("None are reported.") == 2 and "None is reported." in quiet


def test_equal_reports_make_equal_pages(linted: tuple[LintReport, PageFacts], page: str) -> None:
    assert as_html(*linted) == page


def test_the_page_stays_small_whatever_is_found(folder: Path) -> None:
    path = write(folder / "long.jsonl", [chat("word " * 2_000 + f"a{index}@example.com", f"an answer {index}") for index in range(300)])
    result = lint(path)
    many = tuple(result.diagnostics) + tuple(found(id=None, line=line) for line in range(50_000))
    with TemporaryDirectory() as work:
        facts = page_facts(load_files([(path, "train")], Path(work)).frame, many, Declared())
    assert len(facts.worst) == MAX_WORST_ROWS
    html = as_html(LintReport(path, many, (), 300, built=False), facts)
    assert len(html) < 1_500_000
    assert "1,000 of 50," in html


def test_nothing_at_all_makes_a_page_too(tmp_path: Path) -> None:
    for rows in ([], [review("good soup", 1)]):
        dataset = write_dataset(tmp_path / f"data{len(rows)}", rows)
        with TemporaryDirectory() as work:
            frame = load_dataset(dataset, Path(work)).frame
            result = LintReport(dataset, (), (), len(rows), built=True, ran=("DUP301",))
            text = Elements(as_html(result, page_facts(frame, (), Declared()))).text
        assert "Nothing was found." in text and "There are none." in text


def test_a_dataset_is_called_by_its_name_and_a_file_by_its_own(tmp_path: Path, page: str) -> None:
    dataset = write_dataset(tmp_path / "out", [review("good soup", 1), review("cold soup", 0)])
    result = lint(dataset, options=LintOptions(page=True))
    assert isinstance(result, PageReport) and result.facts.name not in {None, "out"}
    html = as_html(result, result.facts)
    assert f"<h1><bdi>{result.facts.name}</bdi></h1>" in html and f"<title>{result.facts.name}: lint</title>" in html
    assert "Lint report of out" in " ".join(Elements(html).text.split())
    assert "<h1><bdi>&lt;b&gt;train.jsonl</bdi></h1>" in page


def test_all_but_the_first_ten_of_the_worst_rows_are_folded(folder: Path) -> None:
    path = write(folder / "rows.jsonl", [chat(f"question {index} of a{index}@example.com", f"an answer {index}") for index in range(34)])
    result = lint(path, options=LintOptions(page=True))
    assert isinstance(result, PageReport)
    elements = Elements(as_html(result, result.facts))
    pages = [attributes for tag, attributes in elements.tags if tag == "details" and attributes.get("class") == "page"]
    assert ["open" in attributes for attributes in pages] == [True, False, False, False]
    said = " ".join(elements.text.split())
    assert "Rows 1 to 10" in said and "Rows 31 to 34" in said and "Rows 41" not in said
    assert sum(tag == "article" for tag, _ in elements.tags) == 34
