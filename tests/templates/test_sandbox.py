import json
import subprocess
import sys
from typing import Any

import pytest

from loopwright.errors import UserError
from templates.template import RenderError
from tests.templates.attacks import ATTACKS
from tests.templates.helpers import make_template, message


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, Any]]:
    done = subprocess.run([sys.executable, "-m", "tests.templates.attacks"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return {outcome["name"]: outcome for outcome in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_with_an_error_and_without_filling_memory(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome = outcomes[name]
    assert outcome["error"] is not None
    assert outcome["peak"] < 400 << 20


def render(body: str, inputs: str = "{text: str}", **fields: Any) -> str:
    messages = make_template(message(body), inputs=inputs).render({"text": "hello", **fields}).messages
    assert messages is not None and messages[0]["content"] is not None
    return messages[0]["content"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{{ text | upper }} {{ text.title() }} {{ text[1:3] }}", "HELLO Hello el"),
        ("{{ text ~ 1 ~ none }}", "hello1None"),
        ("{{ (text | escape) ~ '<b>' }}", "hello<b>"),
        ("{% for i in range(3) %}{{ i }}{{ ', ' if not loop.last }}{% endfor %}", "0, 1, 2"),
        ("{% for x in [[1, [2]], 3] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}", "123"),
        ("{{ ['b', 'a'] | sort | join('-') }} {{ [1, 2] | map('string') | list }}", "a-b ['1', '2']"),
        ("{{ 'x' if 'ell' in text and text | length == 5 }}", "x"),
        ("{{ '%05.1f|%s' % (3.14159, text) }} {{ '%d%%' | format(50) }}", "003.1|hello 50%"),
        ("{{ {'a': [1, none]} | tojson }}", '{"a": [1, null]}'),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(text) }}", "<hello>"),
        ("{{ 2 ** 10 + 7 % 4 }} {{ '-' * 5 }}", "1027 -----"),
        ("{{ text.replace('l', 'L', 1) }} {{ text | replace('l', 'L') }}", "heLlo heLLo"),
        ("{% set x %}a{{ text }}b{% endset %}{{ x }}", "ahellob"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
    ],
)
def test_ordinary_work_is_let_through(body: str, text: str) -> None:
    assert render(body) == text


def test_a_book_in_one_row_is_no_attack() -> None:
    text = "A sentence of a book. " * 40_000
    assert render("{{ text | trim }}{% if 'dragon' in text %}!{% endif %}", text=text) == text.strip()


@pytest.mark.parametrize(
    "body",
    [
        "{{ range }}",
        "{{ [dict] }}",
        "{{ text.upper }}",
        "{{ {'a': namespace()} }}",
        "{% macro m() %}{% endmacro %}{{ m }}",
        "{{ range(3) }}",
    ],
)
def test_what_has_no_text_of_its_own_is_not_printed(body: str) -> None:
    # Its text would hold an address in memory, and two builds would differ.
    with pytest.raises(RenderError, match="has no text"):
        render(body)


@pytest.mark.parametrize("body", ["{{ turn.nothing }}", "{{ [turn.nothing] }}", "{{ [turn.nothing] ~ '' }}", "{{ turn.nothing ~ '' }}"])
def test_what_is_undefined_is_never_printed(body: str) -> None:
    with pytest.raises(RenderError, match="has no attribute 'nothing'"):
        render("{% set turn = {'a': 1} %}" + body)


@pytest.mark.parametrize("name", ["random", "pprint", "urlize", "xmlattr", "wordwrap"])
def test_filters_that_are_left_out_are_refused_when_loaded(name: str) -> None:
    with pytest.raises(UserError, match=f"mine.jinja:5: there is no filter '{name}'"):
        make_template(message(f"{{{{ text | {name} }}}}"))


def test_a_dictionarys_items_come_before_its_methods() -> None:
    assert render("{{ t[0].items }} {{ t[0].get('x') }}", inputs="{text: str, t: list}", t=[{"items": "mine", "x": "y"}]) == "mine y"
