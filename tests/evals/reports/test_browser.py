"""The page of an evaluation in a real browser: filtered, searched, paged; inert, in both themes, on a telephone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.config import EvalsConfig
from evals.data.contract import GateReport
from evals.evaluation import Evaluation
from evals.reports.page import render_page
from evals.systems.asked import PromptToken
from tests.browser import Browser, open_browser
from tests.evals.reports.made import choosing, chose, make, writing, wrote

HOSTILE = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=2"> {{ 7 * 7 }} \u202eabc ' + "x" * 400
SHOWN = "[...document.querySelectorAll('#answer-list .answer .pill')].map(one => one.textContent)"
STATUS = "document.querySelector('#answer-filters [role=status]').textContent"
RANGE = "document.querySelector('.pager span').textContent"


class Asked:
    """Stands for what a system asked: every prompt is the same three tokens."""

    def prompt_of(self, example_id: str) -> list[PromptToken]:
        return [PromptToken("<|user|>", is_special=True), PromptToken(example_id), PromptToken("</script>", num_tokens=3)]


def evaluation() -> Evaluation:
    """45 reviews, 3 broken, 6 fixed, 2 wrong before and after; 3 calls, one hostile; a third system that is always right."""
    rows = [choosing(index, f"Visit {index}: the soup was hot.", index % 2) for index in range(45)]
    rows += [writing(45 + index, f"call {index} {HOSTILE if index == 0 else ''}", f"MK4-2{index}KX is late today") for index in range(3)]
    tuned = [chose(row, (row.label or 0) ^ (index < 5)) for index, row in enumerate(rows[:45])]
    base = [chose(row, (row.label or 0) ^ (3 <= index < 11)) for index, row in enumerate(rows[:45])]
    tuned += [wrote(rows[45], HOSTILE), wrote(rows[46], "it is late today"), wrote(rows[47], rows[47].reference)]
    base += [wrote(row, "the pump is late") for row in rows[45:]]
    linear = [chose(row, row.label or 0) for row in rows[:45]]
    gates = [GateReport(name="accuracy: min", passed=False, value=0.88, limit=0.9)]
    made = make(rows, {"adapter:run": tuned, "base": base, "linear": linear}, gates=gates, warnings=["w" * 300])
    made.asked["adapter:run"] = Asked()  # type: ignore[assignment]
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(evaluation(), EvalsConfig(num_resamples=200)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, path: Path) -> Browser:
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(path)
    browser.wait_for(f"{STATUS} !== ''")
    return browser


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"(() => {{ const one = document.getElementById('answer-filters').elements['{name}']; one.value = '{value}';"
        " one.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_it_needs_nothing_but_itself_and_runs_nothing_of_the_rows(opened: Browser) -> None:
    choose(opened, "template", "calls/summary")
    opened.run("for (const one of document.querySelectorAll('.answer details')) one.open = true")
    opened.wait_for("document.querySelectorAll('.prompt').length === 3")
    assert opened.complaints() == [] and opened.requests() == []
    assert opened.run("typeof window.pwned") == "undefined" and opened.run("document.images.length") == 0
    text = opened.run("document.getElementById('answer-list').textContent")
    assert "</script><script>window.pwned=1</script>" in text and "{{ 7 * 7 }}" in text and "\\u202eabc" in text


def test_pages_are_turned_and_the_list_is_where_the_keyboard_goes_on(opened: Browser) -> None:
    assert opened.run(f"{SHOWN}.length") == 20 and opened.run(RANGE) == "1–20 of 48"
    turn = "document.querySelectorAll('.pager button')[{}].click()"
    opened.run(turn.format(1))
    opened.run(turn.format(1))
    assert opened.run(RANGE) == "41–48 of 48" and opened.run(f"{SHOWN}.length") == 8
    assert opened.run("document.querySelectorAll('.pager button')[1].disabled") is True
    assert opened.run("document.activeElement.id") == "answer-list"
    opened.run(turn.format(0))
    assert opened.run(RANGE) == "21–40 of 48"


def test_what_changed_is_filtered_and_can_be_held_against_another_system(opened: Browser) -> None:
    for value, count in (("broken", 3), ("fixed", 7), ("both wrong", 4), ("failed", 7)):
        choose(opened, "change", value)
        shown = opened.run(SHOWN)
        assert len(shown) == count and opened.run(STATUS) == f"{count} of 48 shown", value
        assert value == "failed" or set(shown) == {value}
    choose(opened, "change", "fixed")
    choose(opened, "against", "2")
    assert opened.run(SHOWN) == [] and "No answer fits" in opened.run("document.getElementById('answer-list').textContent")
    choose(opened, "change", "broken")
    assert opened.run(f"{SHOWN}.length") == 5, "the third system is right wherever the first errs, and takes no calls"
    opened.run("document.getElementById('answer-filters').reset()")
    opened.wait_for(f"{SHOWN}.length === 20")


def test_texts_are_searched_and_filters_narrow_together(opened: Browser) -> None:
    choose(opened, "text", "VISIT 4")
    assert opened.run(STATUS) == "6 of 48 shown", "4, and 40 to 44"
    choose(opened, "label", "positive")
    assert opened.run(STATUS) == "2 of 48 shown"
    choose(opened, "text", "mk4-21kx")
    choose(opened, "label", "")
    assert opened.run(STATUS) == "1 of 48 shown"


def test_differences_are_marked_and_can_be_switched_off(opened: Browser) -> None:
    choose(opened, "text", "MK4-21KX")
    gone = "[...document.querySelectorAll('.reply.subject del')].map(one => one.textContent)"
    assert opened.run(gone) and opened.run("document.querySelector('.reply.reference mark.missing').textContent") == "MK4-21KX"
    assert "missing: MK4-21KX" in opened.run("document.querySelector('.reply.subject').textContent")
    opened.run("document.querySelector('[name=marks]').click()")
    assert opened.run("getComputedStyle(document.querySelector('.reply.subject del')).display") == "none"


def test_a_cause_leads_to_its_answers(opened: Browser) -> None:
    choose(opened, "text", "nothing has this")
    opened.run("document.querySelector('a[data-answers]').click()")
    assert opened.run(STATUS) == "7 of 48 shown" and opened.run("document.querySelector('[name=cause]').value") == "rare_slice"
    opened.run("document.querySelector('.answer details').open = true")
    opened.wait_for("document.querySelector('.answer details .tag') !== null")


def test_the_prompt_is_shown_on_demand_with_its_special_tokens(opened: Browser) -> None:
    choose(opened, "text", "Visit 44:")
    assert opened.run("document.querySelectorAll('.token').length") == 0
    assert opened.run("document.querySelector('.answer summary').textContent") == "Prompt of adapter: 5 tokens"
    opened.run("document.querySelector('.answer details').open = true")
    opened.wait_for("document.querySelectorAll('.token').length === 3")
    assert opened.run("[...document.querySelectorAll('.token.special')].map(one => one.textContent)") == ["<|user|>"]


def test_without_script_the_first_answers_stand_there_as_the_script_makes_them(opened: Browser, path: Path) -> None:
    text = "[...one.querySelectorAll('header, .body')].map(part => part.innerText.replace(/\\s+/g, ' ').trim()).join(' ')"
    read = f"[...document.querySelectorAll('.answer')].map(one => {text})"
    made = opened.run(read)
    opened.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened.open(path)
        without = opened.run(read)
        assert len(without) == 20 and without == made
        assert opened.run("document.getElementById('answer-filters').hidden") is True
        assert "The first 20 of 48" in opened.run("document.querySelector('noscript').textContent")
    finally:
        opened.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_fits_and_weak_is_not_red(opened: Browser, theme: str, width: int) -> None:
    opened.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    opened.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert opened.run("document.documentElement.scrollWidth <= innerWidth") is True
    colour = (
        "(() => {{ const one = document.createElement('span'); one.className = 'pill {}'; document.querySelector('main').append(one);"
        " const found = getComputedStyle(one).color; one.remove(); return found; }})()"
    )
    weak, failed = opened.run(colour.format("weak")), opened.run(colour.format("failed"))
    red = opened.run("getComputedStyle(document.querySelector('.pill.missed')).color")
    assert failed == red and weak != red
    assert ("17, 20, 26" in opened.run("getComputedStyle(document.body).backgroundColor")) == (theme == "dark")


def test_all_of_it_is_reached_by_keyboard(opened: Browser) -> None:
    reached = []
    for _ in range(40):
        opened.press("Tab", code=9)
        reached.append(opened.run("document.activeElement.name || document.activeElement.textContent.trim().slice(0, 20)"))
    assert {"change", "text", "marks", "Next"} <= set(reached)
