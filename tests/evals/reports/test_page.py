"""The report page: self-contained, escaped, masked."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evals.config import EvalsConfig
from evals.reports.plots import Estimate, interval_plot
from evals.run import evaluate_dataset
from tests.evals.conftest import review_rows
from tests.helpers import review, write_dataset

HOSTILE = '</p><script>alert(1)</script><img src=x onerror="alert(2)"> {{ 7 * 7 }} &amp; \'"'


class Elements(HTMLParser):
    """Collects the elements, their attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, adapter_dir: Path) -> str:
    """The page of an evaluation in which both labels' hostile rows are there, so that one of them fails."""
    folder = tmp_path_factory.mktemp("page")
    rows = review_rows(20, 6)
    for label in (0, 1):
        rows.append(review(f"{HOSTILE} call me at jane.doe@example.com", label, split="validation", row_id=f"h{label}"))
    rows.append(review(f"{HOSTILE} in train", 1, row_id="near", source='a"><b>.csv'))
    evaluate_dataset(
        write_dataset(folder / "data", rows), folder / "out", EvalsConfig(adapter=str(adapter_dir), dtype="float32", num_resamples=200)
    )
    return (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_corpus_text_cannot_become_markup(page: str) -> None:
    elements = Elements(page)
    assert not {"script", "img", "iframe", "link", "b2"} & {tag for tag, _ in elements.tags}
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in elements.text, "the text itself is shown, as text"
    assert "alert(1)" in elements.text and "49" not in re.findall(r"\{\{.*?\}\}", elements.text)


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    elements = Elements(page)
    assert not [attributes for _, attributes in elements.tags if {"src", "href", "xlink:href"} & attributes.keys()]
    assert not re.search(r"url\(|@import|@font-face", page)
    policy = next(attributes["content"] for tag, attributes in elements.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "prefers-color-scheme: dark" in page


def test_personal_identifiers_are_masked(page: str) -> None:
    assert "jane.doe@example.com" not in page
    assert "call me at [EMAIL_ADDRESS]" in page


def test_the_page_shows_verdict_systems_plots_and_failures(page: str) -> None:
    elements = Elements(page)
    assert "adapter:" in elements.text and "constant" in elements.text and "linear" in elements.text
    assert sum(tag == "svg" for tag, _ in elements.tags) >= 4
    assert sum(tag == "article" for tag, _ in elements.tags) >= 1
    assert "Nearest training examples" in elements.text
    shapes = [attributes for tag, attributes in elements.tags if tag in {"line", "circle"}]
    numbers = [value for attributes in shapes for key, value in attributes.items() if key != "class"]
    assert numbers and all(re.fullmatch(r"-?\d+(\.\d+)?", value or "") for value in numbers)


def test_a_plot_puts_values_in_their_order() -> None:
    estimates = [Estimate(str(value), "base", value, value - 0.05, value + 0.05, "") for value in (0.2, 0.5, 0.9)]
    plot = interval_plot("accuracy", estimates)
    assert [mark.x for mark in plot.marks] == sorted(mark.x for mark in plot.marks)
    assert all(plot.left <= mark.low_x < mark.x < mark.high_x <= plot.right for mark in plot.marks)
    assert [label for _, label in plot.ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    differences = interval_plot("accuracy", [Estimate("d", "better", 0.1, -0.02, 0.3, "")], differences=True)
    assert differences.zero_x == pytest.approx((plot.left + plot.right) / 2)
