"""Attributes that nothing of their kind has are refused when a template is loaded; whatever may be there is left alone."""

import pytest

from loopwright.errors import UserError
from templates.template import Template, parse_template

_HEAD = """---
name: mine/test
inputs: {text: str, label: str, count: int, words: list, facts: dict, talk: turns}
shots: 2
---
"""
_SHOWN = "{% for shot in shots %}{% message 'user' %}{{ shot.text }}{% endmessage %}{% endfor %}"


def parse(body: str) -> Template:
    return parse_template(f"{_HEAD}{_SHOWN}\n{{% message 'user' %}}{{{{ text }}}}{body}{{% endmessage %}}", "mine.jinja")


@pytest.mark.parametrize(
    ("body", "cause", "remedy"),
    [
        ("{% for turn in talk %}{{ turn.txt }}{% endfor %}", "'turn', a turn, has no 'txt'", "Did you mean 'text'?"),
        ("{% for turn in talk %}{{ turn.content }}{% endfor %}", "has no 'content'", "Did you mean 'text'?"),
        ("{% for turn in talk %}{{ turn.from }}{% endfor %}", "has no 'from'", "Did you mean 'speaker'?"),
        ("{% for turn in talk %}{{ turn['spaeker'] }}{% endfor %}", "has no 'spaeker'", "Did you mean 'speaker'?"),
        ("{% for turn in talk %}{{ turn.get('content') }}{% endfor %}", "has no 'content'", "Did you mean 'text'?"),
        ("{% for turn in talk[1:] | reverse %}{{ turn.txt }}{% endfor %}", "has no 'txt'", "Did you mean 'text'?"),
        ("{% for turn in talk if turn.rol == 'user' %}{{ turn.text }}{% endfor %}", "has no 'rol'", "Did you mean 'role'?"),
        ("{% set last = talk[-1] %}{{ last.txt }}", "'last', a turn, has no 'txt'", "Did you mean 'text'?"),
        ("{{ (talk | last).txt }}", "a turn has no 'txt'", "Did you mean 'text'?"),
        ("{{ talk[0].txt | default('') }}", "a turn has no 'txt'", "Did you mean 'text'?"),
        ("{{ talk | map(attribute='txt') | join }}", "a turn has no 'txt'", "Did you mean 'text'?"),
        ("{{ talk | selectattr('rol', 'equalto', 'user') | list | length }}", "a turn has no 'rol'", "Did you mean 'role'?"),
        ("{{ talk.text }}", "'talk', a list of turns, has no 'text'", "Ask its items"),
        ("{% if count > 5 %}{{ text.lenght }}{% endif %}", "'text', a text, has no 'lenght'", "Known: "),
        ("{{ text.length }}", "'text', a text, has no 'length'", "It is a filter: write | length."),
        ("{{ text.uper() }}", "has no 'uper'", "Did you mean 'upper'?"),
        ("{% for turn in talk %}{{ turn.text.uper() }}{% endfor %}", "a text has no 'uper'", "Did you mean 'upper'?"),
        ("{{ count.txt }}", "'count', a number, has no 'txt'", "Write the number by itself."),
        ("{{ words.first }}", "'words', a list, has no 'first'", "It is a filter: write | first."),
        ("{% for word in words %}{{ loop.indx }}{% endfor %}", "'loop', the state of a loop, has no 'indx'", "Did you mean 'index'?"),
        ("{% for one in shots %}{{ one.lable }}{% endfor %}", "'one', a demonstration, has no 'lable'", "Did you mean 'label'?"),
    ],
)
def test_what_is_never_there_is_refused_with_the_nearest_name(body: str, cause: str, remedy: str) -> None:
    with pytest.raises(UserError) as error:
        parse(body)
    assert cause in error.value.cause and remedy in str(error.value.remedy)
    assert error.value.location == "mine.jinja:7"


@pytest.mark.parametrize(
    "body",
    [
        "{% for turn in talk %}{{ turn.text.upper() }} {{ turn.speaker }} {{ loop.index }}{{ loop.previtem }}{% endfor %}",
        "{% for turn in talk %}{% if turn.reasoning is defined %}{{ turn['reasoning'] }}{% endif %}{{ turn.tool_calls }}{% endfor %}",
        "{% for turn in talk %}{{ turn.get('weight', 1) }}{{ turn.get('text') }}{{ turn.items() }}{% endfor %}",
        "{{ talk | map(attribute='text') | join(' ') }}{{ talk | sort(attribute='speaker,text') | length }}",
        "{{ facts.anything }}{{ facts.items() }}{{ words[0].anything }}{% for word in words %}{{ word.anything }}{% endfor %}",
        "{% for key, value in facts.items() %}{{ value.anything }}{% endfor %}",
        # The name may hold two kinds of thing.
        "{% for one in talk %}{{ one.anything }}{% endfor %}{% for one in words %}{{ one.text }}{% endfor %}",
        "{% macro say(turn) %}{{ turn.anything }}{% endmacro %}{{ say(facts) }}{% for turn in talk %}{{ turn.text }}{% endfor %}",
        "{% for one in talk | map(attribute='tool_calls') %}{{ one.anything }}{% endfor %}",
        "{% with turn = facts %}{{ turn.anything }}{% endwith %}",
        "{% set told = namespace(last='') %}{% for turn in talk %}{% set told.last = turn.text %}{% endfor %}{{ told.last }}",
    ],
)
def test_what_may_be_there_is_left_alone(body: str) -> None:
    assert parse(body).name == "mine/test"
