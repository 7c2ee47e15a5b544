"""The report page: self-contained, escaped, masked."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evals.config import EvalsConfig
from evals.data.contract import GateReport
from evals.reports.page import render_page
from evals.reports.plots import Estimate, interval_plot
from evals.run import evaluate_dataset
from tests.evals.conftest import review_rows
from tests.evals.reports.made import CONFIG, choosing, chose, make, reviews, writing, wrote
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


def data_of(page: str) -> dict[str, Any]:
    """Returns the answers that a page holds."""
    found = re.search(r'<script type="application/json" id="answer-data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def require_inert(page: str) -> None:
    """The only scripts are the page's data and its own script, which its policy names; nothing is asked for anywhere."""
    elements = Elements(page)
    assert not {"img", "iframe", "b2", "object"} & {tag for tag, _ in elements.tags}
    assert [attributes.get("type") for tag, attributes in elements.tags if tag == "script"] == ["application/json", None]
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on") or name == "style"]
    links = [attributes.get(name) or "" for _, attributes in elements.tags for name in ("src", "href", "xlink:href") if name in attributes]
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"url\(|@import|@font-face", page)
    policy = next(made["content"] or "" for _, made in elements.tags if made.get("http-equiv") == "Content-Security-Policy")
    script, style = re.findall(r"<script>(.*?)</script>", page, re.DOTALL), re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for [text], name in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy


def test_corpus_text_cannot_become_markup(page: str) -> None:
    require_inert(page)
    elements = Elements(page)
    assert HOSTILE in elements.text, "the text itself is shown, as text"
    assert "alert(1)" in elements.text and "49" not in re.findall(r"\{\{.*?\}\}", elements.text)
    assert "prefers-color-scheme: dark" in page


def test_personal_identifiers_are_masked(page: str) -> None:
    assert "jane.doe@example.com" not in page
    assert "call me at [EMAIL_ADDRESS]" in page
    assert "call me at [EMAIL_ADDRESS]" in json.dumps(data_of(page))


def test_the_page_shows_verdict_systems_plots_and_answers(page: str) -> None:
    elements = Elements(page)
    assert "adapter:" in elements.text and "constant" in elements.text and "linear" in elements.text
    assert sum(tag == "svg" for tag, _ in elements.tags) >= 4
    data = data_of(page)
    assert sum(tag == "article" for tag, _ in elements.tags) == len(data["rows"]) == 8
    assert any(row["near"] for row in data["rows"]) and all(row["prompt"]["num"] > 10 for row in data["rows"])
    shapes = [attributes for tag, attributes in elements.tags if tag in {"line", "circle"}]
    numbers = [value for attributes in shapes for key, value in attributes.items() if key != "class"]
    assert numbers and all(re.fullmatch(r"-?\d+(\.\d+)?", value or "") for value in numbers)


CASES = {
    "no rows": make([], {"adapter:run": [], "base": []}),
    "one system": make(rows := [choosing(index, "text", index % 2) for index in range(4)], {"base": [chose(row, 1) for row in rows]}),
    "all right": reviews(24, wrong=0, base_wrong=0),
    "all wrong": reviews(24, wrong=24, base_wrong=24),
    "as before there were judgements": reviews(24, wrong=3, base_wrong=5, judgements={}, headline=False),
    "one row": reviews(1, wrong=1, base_wrong=0),
    "no answer": make([row := writing(0, HOSTILE, HOSTILE)], {"adapter:run": [wrote(row, None)], "base": [wrote(row, "")]}),
    "very long words": make([row := writing(0, "x" * 9000, "y" * 9000)], {"adapter:run": [wrote(row, "z" * 9000)]}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_evaluation_has_a_page_that_is_inert_and_says_what_there_is(name: str) -> None:
    evaluation = CASES[name]
    page = render_page(evaluation, CONFIG)
    require_inert(page)
    data, text = data_of(page), Elements(page).text
    assert len(data["rows"]) == len(evaluation.rows)
    assert (evaluation.report.headline is not None) == ("From 50 % right to 90 %: 3 fixed, 1 broken." in text)
    assert evaluation.report.verdict.partition(": ")[2] in text
    assert ("No answer that was looked into fails" in text) == (not evaluation.failures)


def test_the_first_screen_of_a_page() -> None:
    gates = [GateReport(name="accuracy: min", passed=False, value=0.85, limit=0.9)]
    page = render_page(reviews(20, wrong=3, base_wrong=8, gates=gates), CONFIG)
    shown = Elements(page[page.index("<main") : page.index("<article")]).text
    lines = [line for one in shown.split("\n") if (line := " ".join(one.split()))]
    assert lines == FIRST_SCREEN


FIRST_SCREEN = [
    "Evaluation on the validation split",
    "reviews",
    "cannot tell",
    "From 50 % right to 90 %: 3 fixed, 1 broken.",
    "adapter:run against base, accuracy +0.250 [-0.079, +0.525], p = 0.259, 20 examples; needs about 37 more rows to show a difference of "
    "this size (these examples would have shown a difference of 0.420)",
    "accuracy: minfailed0.85, the limit is 0.9",
    "systemaccuracyadapter minus itscoredseconds an example",
    "adapter0.850 [0.640, 0.948]20 / 200.1",
    "base0.600 [0.387, 0.781]+0.250 [-0.079, +0.525]20 / 200.1",
    "20 examples",
    "model tiny chat form",
    "float32",
    "All answers, side by side",
    "Fixed and broken: from base to adapter. Marked: not in the reference; struck out: in the reference alone; set off: a fact of the "
    "reference that adapter lost. Personal identifiers are masked.",
    "3 broken8 fixed9 right",
    "all answersfixedbrokenboth wrongfailedweakrightnot judged",
    "any labelnegativepositiveany causerare_slice",
    "mark differences",
    "Reset",
    "BackNext",
]


def test_of_a_large_evaluation_the_page_holds_what_changed_and_stays_small() -> None:
    page = render_page(reviews(10_000, wrong=300, base_wrong=900), CONFIG)
    data, text = data_of(page), Elements(page).text
    assert len(data["rows"]) == 1000 and len(page) < 2_000_000
    assert "Left out: 200 fixed, 8,800 right" in text


def test_a_plot_puts_values_in_their_order() -> None:
    estimates = [Estimate(str(value), "base", value, value - 0.05, value + 0.05, "") for value in (0.2, 0.5, 0.9)]
    plot = interval_plot("accuracy", estimates)
    assert [mark.x for mark in plot.marks] == sorted(mark.x for mark in plot.marks)
    assert all(plot.left <= mark.low_x < mark.x < mark.high_x <= plot.right for mark in plot.marks)
    assert [label for _, label in plot.ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    differences = interval_plot("accuracy", [Estimate("d", "better", 0.1, -0.02, 0.3, "")], differences=True)
    assert differences.zero_x == pytest.approx((plot.left + plot.right) / 2)
