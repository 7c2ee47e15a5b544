"""The page of a run in a real browser: alone, inert, in both themes, on a telephone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, open_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def opened(browser: Browser, tmp_path: Path, hostile_page: str) -> Browser:
    path = tmp_path / "report.html"
    path.write_text(hostile_page, encoding="utf-8")
    browser.open(path)
    browser.wait_for("document.querySelector('th .sort') !== null")
    return browser


def test_it_needs_nothing_but_itself_and_runs_nothing_of_the_rows(opened: Browser) -> None:
    assert opened.complaints() == []
    assert opened.requests() == []
    assert opened.run("typeof window.pwned") == "undefined"
    assert opened.run("document.images.length") == 0
    assert opened.run("document.body.textContent.includes('<script>window.pwned=1</script>')") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_and_can_be_read(opened: Browser, theme: str, width: int) -> None:
    opened.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    assert opened.run("document.documentElement.scrollWidth <= innerWidth") is True
    colours = opened.run(
        "(() => { const style = (selector) => getComputedStyle(document.querySelector(selector)), mark = style('.sample mark');"
        " return [mark.color, style('pre').color, mark.backgroundColor, style('body').backgroundColor]; })()"
    )
    assert len(set(colours)) == 4
    assert ("17, 20, 26" in colours[3]) == (theme == "dark")
    boxes = opened.run("[...document.querySelectorAll('svg[role=img]')].map(one => one.getBoundingClientRect().height)")
    assert len(boxes) >= 5 and min(boxes) > 60


def test_lists_sort_by_number(opened: Browser) -> None:
    read = "[...document.querySelectorAll('#lengths tbody tr')].map(row => Number(row.cells[2].textContent))"
    before = opened.run(read)
    assert len(set(before)) > 1 and before == sorted(before, reverse=True)
    for _ in range(2):
        opened.run("document.querySelectorAll('#lengths th .sort')[2].click()")
    assert opened.run(read) == sorted(before)


def test_a_failed_proof_is_told_by_more_than_a_colour(opened: Browser) -> None:
    assert opened.run("document.querySelector('.proof.failed').textContent") == "failed"
    assert "failed options" in opened.run("document.querySelector('.warnings').textContent")
