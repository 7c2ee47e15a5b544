"""The page: what it counts, and that it works in a real browser, alone, by keyboard, and whatever the rows say."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest

from prep.config import ExpectConfig
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport, Skipped
from prep.lint.base.rule import RULES
from prep.lint.detectors.expectations import DeclaredShare
from prep.lint.frame.examples import load_dataset, load_files
from prep.lint.reports.declared import Declared
from prep.lint.reports.declared_view import share_marks, share_tables
from prep.lint.reports.facts import MAX_WORST_ROWS, PageFacts, PageReport, page_facts, worst_ids
from prep.lint.reports.page import as_html, score_groups
from prep.lint.run import LintOptions, lint
from tests.browser import Browser, open_browser
from tests.helpers import review, write_dataset
from tests.prep.lint.test_reports import found, report

HOSTILE = (
    '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=2"><style>*{display:none}</style>'
    " {{ 7 * 7 }} &amp; \u202e\x07"
)

# Of several kinds in each label, so that nothing of them passes for the words of a task.
BEGINNINGS = ("Letter", "Note", "Call", "Word", "Message")


def chat(question: str, answer: str) -> dict[str, Any]:
    system = {"role": "system", "content": "You sort messages: ham or spam."}
    return {"messages": [system, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def make_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    train = [
        chat(f"{BEGINNINGS[index * index % 5]} number {index} about the weather in town {index * 7}", "spam" if index % 4 == 0 else "ham")
        for index in range(80)
    ]
    train += [train[3], train[3], train[5]]  # copies
    train += [chat(f"{HOSTILE} write to jane.doe@example.com", "ham"), chat("An empty one", "")]
    train += [chat("אנא כתבו אל dana@example.com היום", "ham")]
    test = [chat(f"{BEGINNINGS[index * index % 5]} the {index}th, of quite other words", "ham") for index in range(20)] + [train[7]]
    return train, test


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def linted(folder: Path) -> tuple[LintReport, PageFacts]:
    train, test = make_rows()
    path, test_path = write(folder / "<b>train.jsonl", train), write(folder / "test.jsonl", test)
    with path.open("a", encoding="utf-8") as file:
        file.write("{\n")
    result = lint(path, test=test_path)
    with TemporaryDirectory() as work:
        frame = load_files([(path, "train"), (test_path, "test")], Path(work)).frame
        return result, page_facts(frame, result.diagnostics, Declared())


@pytest.fixture(scope="module")
def page(linted: tuple[LintReport, PageFacts]) -> str:
    return as_html(*linted)


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self._in: str | None = None
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag if tag in self.inside else None
        if self._in:
            self.inside[self._in].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in:
            self.inside[self._in][-1] += data
        else:
            self.text += data


# --- the file --------------------------------------------------------------------------------------------------------------------


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
    nothing = replace(facts, clusters=[], num_clusters=0, leaked={}, leaks=[])
    skipped = tuple(Skipped(code, "not here") for code in RULES.entries if code[:3] in {"DUP", "LEK"})
    quiet = Elements(as_html(report(skipped=skipped), nothing)).text
    assert "No rule that looks for them ran." in quiet and "No rule that looks for it ran." in quiet
    quiet = Elements(as_html(report(), nothing)).text
    assert "None are reported." in quiet and "None is reported." in quiet


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


# --- what it counts --------------------------------------------------------------------------------------------------------------


def test_splits_labels_and_slices_add_up(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    train, test = make_rows()
    assert facts.splits == {"train": len(train), "test": len(test)}
    (task,) = facts.labels
    answers = [row["messages"][2]["content"] for row in train]
    assert task.task == "You sort messages: ham or spam."
    assert task.counts["ham"] == {"train": answers.count("ham"), "test": len(test)}
    assert task.counts["spam"] == {"train": answers.count("spam"), "test": 0}
    assert task.counts["(empty)"] == {"train": 1, "test": 0} and task.num_others == 0
    for kind in ("split", "source", "label"):
        assert sum(one.num_rows for one in facts.slices if one.by == kind) in {len(train) + len(test), len(train) + len(test) - 1}


def test_shares_are_of_all_labels_and_not_of_those_that_are_shown(folder: Path) -> None:
    path = write(folder / "many.jsonl", [chat(f"message number {index} of many", f"intent {index % 40}") for index in range(400)])
    result = lint(path)
    with TemporaryDirectory() as work:
        facts = page_facts(load_files([(path, "train")], Path(work)).frame, result.diagnostics, Declared())
    (task,) = facts.labels
    assert len(task.counts) == 12 and task.num_others == 400 - 120 and task.totals == {"train": 400}
    html = as_html(result, facts)
    assert "intent 0, train: 2.5%" in html and "10 (2.5%)" in html


def test_a_slice_counts_its_rows_with_findings(linted: tuple[LintReport, PageFacts]) -> None:
    result, facts = linted
    flagged = {one.id for one in result.diagnostics if one.id and one.severity is not Severity.INFO}
    assert sum(one.num_flagged for one in facts.slices if one.by == "split") == len(flagged) > 3


@pytest.fixture(scope="module")
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


def test_what_is_declared_stands_beside_what_was_found(declared: LintReport) -> None:
    assert isinstance(declared, PageReport)
    of = declared.facts.declared
    assert [(one.value[:8], one.num_rows, one.wanted, one.state) for one in of.slices] == [
        ("pump", 54, 50, "met"),
        ("<i>valve", 6, 24, "thin"),
        ("hose", 0, 5, "empty"),
        ("xxxxxxxx", 0, 1, "empty"),
    ]
    assert [(one.name, one.count, one.total, one.state) for one in of.labels] == [("ham", 24, 60, "met"), ("spam", 36, 60, "below")]
    assert [(one.name, one.count, one.total, one.state) for one in of.priors] == [("refusal", 0, 60, "below"), ("opening", 0, 60, "met")]


def test_rule_and_page_say_the_same_of_what_is_declared(declared: LintReport) -> None:
    assert isinstance(declared, PageReport)
    of = declared.facts.declared
    reported = {one.kind for one in declared.diagnostics if one.code == "DIV702" and one.field == "product"}
    assert reported == {f"product={one.value}" for one in of.slices if one.field == "product" and one.state != "met"}
    messages = [one.message for one in declared.diagnostics if one.code in {"BAL101", "BAL102"}]
    for one in (*of.labels, *of.priors):
        said = [message for message in messages if f"'{one.name}' makes up {one.share:.1%}" in message or message.startswith(one.name)]
        assert len(said) == (one.state != "met")


def test_nothing_declared_shows_nothing(page: str) -> None:
    assert 'id="declared"' not in page


def test_marks_stay_on_their_axis() -> None:
    for count, low, high in [(0, 0.0, 0.0), (50, 1.0, 1.0), (3, 0.05, 0.05), (1, 0.4, 0.6)]:
        one = DeclaredShare("x", count, 50, low, high)
        (table,) = share_tables(Declared(labels=(one,)))
        marks = {mark.name: mark for mark in share_marks(one, table.axis_end)}
        assert set(marks) == {"band", "interval", "share"}
        assert all(mark.x >= 0 and mark.x + mark.width <= 100.01 for mark in marks.values())
        middle = marks["share"].x + marks["share"].width / 2
        assert abs(middle - one.share / table.axis_end * 100) <= 1.01


def test_lengths_are_counted_in_characters(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    train, _ = make_rows()
    lengths = [len(row["messages"][1]["content"]) for row in train]
    one = next(one for one in facts.lengths if (one.part, one.split) == ("input", "train"))
    assert one.longest == max(lengths) and one.median == pl.Series(lengths).median()
    assert sum(one.bins.values()) == len(lengths)
    for place, count in one.bins.items():
        assert count == sum(2 ** (place / 4) <= length + 1e-6 < 2 ** ((place + 1) / 4) for length in lengths)


def test_duplicates_are_tied_into_clusters(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    exact = [cluster for cluster in facts.clusters if cluster.codes == ("DUP301",)]
    assert [cluster.num_rows for cluster in exact] == [3, 2]
    assert facts.num_in_clusters == sum(cluster.num_rows for cluster in facts.clusters)
    assert {row.excerpt() for row in exact[0].members} == {"Message number 3 about the weather in town 21"}


def test_clusters_join_through_other_rows() -> None:
    ties = [("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]
    duplicates = [found(code="DUP302", name="NearDuplicate", id=one, related=(other,)) for one, other in ties]
    with TemporaryDirectory() as work:
        path = write(Path(work) / "train.jsonl", [chat("q", "a")])
        facts = page_facts(load_files([(path, "train")], Path(work)).frame, duplicates, Declared())
    assert [cluster.num_rows for cluster in facts.clusters] == [4, 2]


def test_leaks_are_shown_with_the_row_that_they_come_from(linted: tuple[LintReport, PageFacts]) -> None:
    _, facts = linted
    assert facts.leaked["LEK401", "test"] == 1
    leak = next(one for one in facts.leaks if one.code == "LEK401")
    assert (leak.row.split, leak.other.split) == ("test", "train")
    assert leak.row.excerpt() == leak.other.excerpt() == "Message number 7 about the weather in town 49"


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
    empty = next(row for row in facts.worst if row.excerpt() == "An empty one")
    assert [(part.title, part.pieces) for part in empty.parts][-1] == ("assistant", ())


def test_scores_are_shares_of_rows_without_an_error_or_warning() -> None:
    skipped = tuple(Skipped(code, "not here") for code in RULES.entries if code.startswith("LEK"))
    diagnostics = [
        found(code="LEN603", id="a"),
        found(code="LEN603", id="a"),
        found(code="LEN603", id="b", severity=Severity.INFO),
        found(code="FMT001", id=None, line=9, severity=Severity.ERROR),
        found(code="BAL101", id=None, file=None, line=None),
    ]
    scores = {score.code: score for score in score_groups(report(*diagnostics, num_examples=4, skipped=skipped))}
    assert (scores["LEN"].text, scores["LEN"].state) == ("75.0", "unsure")
    assert (scores["FMT"].text, scores["FMT"].state) == ("80.0", "bad")  # one line of five could not be read
    assert (scores["BAL"].text, scores["BAL"].state, scores["BAL"].num_general) == ("100", "unsure", 1)
    assert (scores["DUP"].text, scores["DUP"].state) == ("100", "good")
    assert (scores["LEK"].text, scores["LEK"].state) == ("–", "none")
    one_of_many = score_groups(report(found(code="LEN603", id="a"), num_examples=1_000_000))
    assert next(score.text for score in one_of_many if score.code == "LEN") == "99.9"


# --- in a browser ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def opened(browser: Browser, folder: Path, page: str) -> Browser:
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
    browser.open(path)
    browser.run("localStorage.clear()")
    browser.open(path)
    browser.wait_for("document.querySelector('th .sort') !== null")
    return browser


COLUMN = "[...document.querySelectorAll('#rules tbody tr')].map(row => Number(row.cells[3].dataset.value))"


def test_nothing_is_logged_and_nothing_is_asked_for(opened: Browser) -> None:
    assert opened.complaints() == []
    assert opened.requests() == []


def test_hostile_rows_are_inert(opened: Browser) -> None:
    assert opened.run("typeof window.pwned") == "undefined"
    assert opened.run("document.images.length") == 0
    assert opened.run("document.body.textContent.includes('<script>window.pwned=1</script>')") is True
    assert opened.run("getComputedStyle(document.querySelector('h1')).display") != "none"


def test_tables_sort_by_number_both_ways(opened: Browser) -> None:
    click = "document.querySelectorAll('#rules th .sort')[3].click()"
    sort = "document.querySelectorAll('#rules th')[3].getAttribute('aria-sort')"
    before = opened.run(COLUMN)
    assert opened.run(sort) == "none" and len(set(before)) > 1
    opened.run(click)
    assert (opened.run(sort), opened.run(COLUMN)) == ("descending", sorted(before, reverse=True))
    opened.run(click)
    assert (opened.run(sort), opened.run(COLUMN)) == ("ascending", sorted(before))


def test_findings_are_filtered(opened: Browser) -> None:
    shown = "[...document.querySelectorAll('#finding-table tbody tr')].filter(row => !row.hidden).map(row => row.dataset.code)"
    every = opened.run(shown)
    opened.run("const s = document.getElementById('filter-group'); s.value = 'DUP'; s.dispatchEvent(new Event('input', {bubbles: true}))")
    some = opened.run(shown)
    assert 0 < len(some) < len(every) and all(code.startswith("DUP") for code in some)
    assert opened.run("document.querySelector('#finding-filters [role=status]').textContent") == f"{len(some)} of {len(every)} shown"
    opened.run("document.querySelector('a[data-value=LEN][data-name=group]').click()")
    assert set(opened.run(shown)) == {"LEN603"}
    opened.run("document.getElementById('finding-filters').reset()")
    opened.wait_for(f"{shown}.length === {len(every)}")


def test_all_of_it_is_reached_by_keyboard(opened: Browser) -> None:
    reached = []
    for _ in range(40):
        opened.press("Tab", code=9)
        reached.append(opened.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))
    assert reached[0] == "skip"
    assert "theme" in reached and "sort" in reached
    assert any(name.startswith("card score") for name in reached)
    opened.run("document.querySelectorAll('#rules th .sort')[3].focus()")
    opened.press("Enter", code=13, text="\r")
    assert opened.run("document.querySelectorAll('#rules th')[3].getAttribute('aria-sort')") == "descending"
    assert opened.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    unnamed = opened.run(
        "[...document.querySelectorAll('button, input, select, a')]"
        ".filter(one => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"
    )
    assert unnamed == 0


def test_dark_and_light_follow_the_system_until_switched(opened: Browser) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = opened.run(colour)
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = opened.run(colour)
    assert dark != light
    opened.run("document.getElementById('theme').click()")
    assert opened.run(colour) == light and opened.run("document.getElementById('theme').getAttribute('aria-pressed')") == "false"
    opened.run("document.getElementById('theme').click()")
    assert opened.run(colour) == dark


@pytest.mark.parametrize("width", [1280, 400])
def test_what_was_declared_is_drawn_and_sorted(browser: Browser, folder: Path, declared: LintReport, width: int) -> None:
    assert isinstance(declared, PageReport)
    path = folder / "declared.html"
    path.write_text(as_html(declared, declared.facts), encoding="utf-8")
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(path)
    browser.wait_for("document.querySelector('th .sort') !== null")
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("file:")] == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    rows = "[...document.querySelectorAll('#declared-slices tbody tr')]"
    assert browser.run(f"{rows}.map(row => row.querySelector('.state').textContent)") == ["empty", "empty", "thin", "met"]
    assert browser.run(f"{rows}.map(row => row.cells[1].textContent)")[2] == "<i>valve"
    wide = "row.querySelector('.{}').getBoundingClientRect().width"
    assert browser.run(f"{rows}.map(row => {wide.format('fill')} / {wide.format('track')})") == pytest.approx([0, 0, 0.25, 1])
    visible = "(box => box.width > 0 && box.right <= innerWidth)(row.querySelector('.state').getBoundingClientRect())"
    assert browser.run(f"{rows}.every(row => {visible})") is True
    browser.run("document.querySelectorAll('#declared-slices th .sort')[2].click()")
    assert browser.run(f"{rows}.map(row => Number(row.cells[2].dataset.value))") == [54, 6, 0, 0]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window(opened: Browser, width: int) -> None:
    opened.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    assert opened.run("document.documentElement.scrollWidth") <= width


def test_what_became_markup_by_mistake_could_not_run(opened: Browser) -> None:
    opened.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x\" onerror=\"window.pwned=3\">')")
    opened.wait_for("document.images[0].complete")
    assert opened.run("new Promise(done => setTimeout(() => done(typeof window.pwned), 100))") == "undefined"
    assert any("Content Security Policy" in one for one in opened.complaints())
