"""The language's own filters and functions: what they give, and that a stranger's template cannot hurt with them."""

from typing import Any

import pytest

from templates.template import RenderError
from tests.templates.helpers import make_template


def text(expression: str, **fields: Any) -> str | None:
    inputs = "{" + ", ".join(f"{name}: json" for name in fields) + "}"
    return make_template(f"{{% text %}}{expression}{{% endtext %}}", inputs=inputs).render(fields).text


@pytest.mark.parametrize(
    ("expression", "rendered"),
    [
        ("{{ ['b', 'a', 'b', 'a', 'c'] | most_frequent | join(',') }}", "b,a"),
        ("{{ [] | most_frequent | length }}", "0"),
        ("{% for a, b in zip('xyz', [1, 2]) %}{{ a }}{{ b }}{% endfor %}", "x1y2"),
        ("{% set l = ['a'] %}{{ append(l, 'b') | default('', true) }}{{ pop(l, 0) }}{{ l | join }}", "ab"),
        ("{% set d = {'a': 1} %}{{ update(d, {'b': 2}) | default('', true) }}{{ d | tojson }}", '{"a": 1, "b": 2}'),
    ],
)
def test_functions_give_what_they_say(expression: str, rendered: str) -> None:
    assert text(expression) == rendered


def test_what_a_template_changes_is_its_own() -> None:
    given = [{"a": [1]}]
    template = make_template("{% text %}{{ append(x[0].a, 2) | default('', true) }}{{ x | tojson }}{% endtext %}", inputs="{x: list}")
    assert template.render({"x": given}).text == '[{"a": [1, 2]}]' == template.render({"x": '[{"a": [1]}]'}).text
    assert given == [{"a": [1]}]


@pytest.mark.parametrize(
    "expression",
    [
        "{% set l = [] %}{% for i in range(100000) %}{{ append(l, 'x' * 10000 ~ i) | default('', true) }}{% endfor %}",
        "{% set l = [] %}{{ append(l, l) | default('', true) }}{{ l }}",
        "{% set l = [] %}{{ append(l, l) | default('', true) }}{{ l | tojson }}",
        "{% set d = {} %}{{ update(d, {'d': d}) | default('', true) }}{{ d == d }}",
        "{% for i in range(100000) %}{{ range(100000) | choice | default('', true) }}{% endfor %}",
        "{% for i in range(1000) %}{{ zip(range(100000), range(100000)) | length }}{% endfor %}",
        "{{ range(9) | tojson(indent=999999999) }}",
    ],
)
def test_what_grows_without_end_is_stopped(expression: str) -> None:
    with pytest.raises(RenderError, match=r"the template|longer than|larger|above|would be|a value"):
        text(expression)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("{{ append('a', 'b') }}", "append"),
        ("{{ pop([]) }}", "pop from empty list"),
        ("{{ update([], {}) }}", "update"),
        ("{{ 'user' | as_text }}", "stands after a turn's role alone"),
        ("{{ [[]] | most_frequent }}", "unhashable"),
    ],
)
def test_what_makes_no_sense_is_an_error_of_the_row(expression: str, error: str) -> None:
    with pytest.raises(RenderError, match=error):
        text(expression)


def test_a_role_as_text_keeps_its_weight_and_not_its_calls() -> None:
    template = make_template("{% for t in turns %}{% message t.role | as_text %}x{% endmessage %}{% endfor %}", inputs="{turns: turns}")
    call = {"function": {"name": "f", "arguments": "{}"}}
    rendered = template.render({"turns": [{"role": "assistant", "tool_calls": [call], "weight": 0}, {"role": "tool", "content": "y"}]})
    assert rendered.extras == '{"messages":[{"weight":0},null]}'
    assert rendered.messages == [{"role": "assistant", "content": "x"}, {"role": "tool", "content": "x"}]
