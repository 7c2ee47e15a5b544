"""The page in a real browser: alone, by keyboard, in both themes, at any width."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.lint.base.report import LintReport
from prep.lint.reports.facts import PageReport
from prep.lint.reports.page import as_html
from prep.lint.run import LintOptions, lint
from tests.browser import Browser, open_browser
from tests.prep.lint.reports.rows import chat, write


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


def test_a_link_to_a_row_opens_the_page_that_it_stands_on(browser: Browser, folder: Path) -> None:
    path = write(folder / "rows.jsonl", [chat(f"question {index} of a{index}@example.com", f"an answer {index}") for index in range(34)])
    result = lint(path, options=LintOptions(page=True))
    assert isinstance(result, PageReport)
    target = folder / "rows.html"
    target.write_text(as_html(result, result.facts), encoding="utf-8")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(target)
    is_seen = "(box => box.height > 0 && box.top >= 0 && box.top < innerHeight)(document.getElementById('row-25').getBoundingClientRect())"
    assert browser.run(is_seen) is False
    browser.run("document.querySelector('a[href=\"#row-25\"]').click()")
    browser.wait_for(is_seen)
    assert browser.run("[...document.querySelectorAll('details.page')].map(one => one.open)") == [True, False, True, False]


@pytest.mark.parametrize(("width", "columns"), [(1280, 2), (400, 1)])
def test_two_rows_stand_beside_each_other_where_there_is_room(opened: Browser, width: int, columns: int) -> None:
    opened.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    opened.run("document.querySelectorAll('#duplicates details').forEach(one => { one.open = true; })")
    lefts = "new Set([...document.querySelector('#duplicates .beside').children].map(one => one.getBoundingClientRect().left)).size"
    assert opened.run(lefts) == columns
    assert opened.run("document.documentElement.scrollWidth") <= width


def test_what_became_markup_by_mistake_could_not_run(opened: Browser) -> None:
    opened.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x\" onerror=\"window.pwned=3\">')")
    opened.wait_for("document.images[0].complete")
    assert opened.run("new Promise(done => setTimeout(() => done(typeof window.pwned), 100))") == "undefined"
    assert any("Content Security Policy" in one for one in opened.complaints())
