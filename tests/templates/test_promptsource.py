"""Templates of promptsource: what they are converted to renders as they do, but where ours differs by design."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import BaseLoader, Environment, pass_context
from jinja2.runtime import Context

from loopwright.errors import UserError
from templates.promptsource import import_promptsource
from templates.promptsource.convert import Converted, convert
from templates.promptsource.refusal import Refusal
from templates.template import RenderError, load_template

_PIPE = "3ed2dface8203c4c9dfb1a5dc58e41e0"
ROWS = [
    {"text": " Good soup ||| bad bill\n", "label": 0, "options": ["a", "b c", "d"], "answer": "B", "data": {"k": ["x", "y"]}, "other": "o"},
    {"text": "", "label": 1, "options": ["É", '"', "'"], "answer": "C", "data": {"k": ["z"]}, "other": "{{ text }}"},
    {"text": "two\nlines", "label": 2, "options": ["1", "2", "3"], "answer": "A", "data": {"k": ["y", "y", "x"]}, "other": "plain"},
]
# name -> (jinja, answer_choices)
TEMPLATES: dict[str, tuple[str, str | None]] = {
    "plain": ("Say: {{text}}\n|||\n{{other}}", None),
    "no space": ("{{text}}|||{{other}}", None),
    "label of a choice": ("{{text}}\nOne of {{answer_choices | join(', ')}}?\n|||\n{{ answer_choices[label] }}", "bad ||| so so ||| good"),
    "guarded label": ("{{text}} |||\n{% if label != 1 %}\n{{answer_choices[label]}}\n{% endif %}", "bad|||so so|||good"),
    "answer in branches": ("{{text}} ||| {% if label == 0 %} No {% elif label == 1 %} Yes {% else %} Who knows {% endif %}", None),
    "equal choices": ("{{text}} ||| {{answer_choices[label]}}", "same ||| same ||| other"),
    "choices of the row": (
        "{{text}} {% for o in answer_choices %}\n- {{o}}{% endfor %} ||| {{answer_choices[label]}}",
        "{{other}} ||| {{options[1]}} ||| x",
    ),
    "choices of a list": ("{{text}} ||| {{answer_choices[{'A':0,'B':1,'C':2}[answer]]}}", '{{options | join("|||")}}'),
    "choices of a loop": ("{{text}} ||| {{answer_choices[1]}}", "{% for o in options[:-1] %}{{o}} ||| {% endfor %}{{options[-1]}}"),
    "whole in a condition": ("{% if label != 2 %}\nSay {{text}}\n|||\n{{other}}\n{% endif %}", None),
    "an answer in each branch": ("{{text}} {% if label == 0 %}a? ||| b{% else %}c? ||| d{% endif %} end", None),
    "set in front": ("{% set first = options[0] %}{{text}} {{first}} ||| {{first | upper}}", None),
    "set in a condition": ("{% set w = 'x' %}{% if label == 0 %}{% set w = other %}{% endif %}{{text}} ||| {{w}}", None),
    "set in a loop": ("{% for o in options %}{% set u = o | upper %}{{u}},{% endfor %} {{text}} ||| {{options | length}}", None),
    "list that grows": (
        "{% set found = [] %}{% for o in options %}{% if o|length > 1 %}{{ found.append(o) | default('', True) }}{% endif %}{% endfor %}\n"
        "{{text}}\n|||\n{{ found | join('; ') if found else 'none' }}",
        None,
    ),
    "dictionary that changes": (
        "{{text}} ||| {% set d = {'n': 0} %}{% for o in options %}{{ d.update({'n': d.n + 1}) | default('', True) }}{% endfor %}{{d.n}}",
        None,
    ),
    "namespace": (
        "{% set c = namespace(n=0) %}{% for o in options %}{{o}} {% set c.n = loop.index %}{% endfor %}{{text}} ||| {{c.n}}",
        None,
    ),
    "drawn once": ("{% set pick = options | choice %}Is it {{pick}}? {{text}} ||| {{pick}}", None),
    "drawn by a loop": (
        "{% set c = namespace(n=0) %}{% for i in range([1, 2, 3] | random) %}{{i}} {% set c.n = i %}{% endfor %} ||| {{c.n}} {{text}}",
        None,
    ),
    "filters": (
        "{{ text | trim | replace('soup', 'bread') }} {{ data.k | most_frequent | join }} ||| {{ options | map('upper') | list | last }}",
        None,
    ),
    "index of a text and of a list": ("{{answer[answer.index(answer):]}} ||| {{options[options.index(options[1])]}}", None),
    "zip": ("{% for a, b in zip(['A', 'B', 'C'], options) %}{{a}}: {{b}}\n{% endfor %}{{text}} ||| {{ data['k'][0] }}", None),
    "minus": ("  {%- if label >= 0 -%}  {{- text -}}  {%- endif -%}  ||| {{other}}", None),
    "comment and raw text": ("{# why #}{{text}} {{ '{{braces}}' }} % ||| <b>{{other}}</b>", None),
}


def pick(items: Sequence[Any]) -> Any:
    """Stands for chance on both sides; which item is drawn differs by design."""
    return list(items)[len(str(list(items))) % len(list(items))]


@pass_context
def pick_ours(context: Context, items: Sequence[Any]) -> Any:
    return pick(items)


def most_frequent(items: list[Any]) -> list[Any]:
    return [item for item in dict.fromkeys(items) if items.count(item) == max(map(items.count, items))]


def promptsource(jinja: str, answer_choices: str | None, row: dict[str, Any]) -> list[str]:
    """What promptsource's `Template.apply(row, truncate=False)` returns, from its description."""
    environment = Environment(loader=BaseLoader())
    environment.globals["zip"] = zip
    environment.filters |= {"choice": pick, "random": pick, "most_frequent": most_frequent}
    values = {name: value.replace("|||", _PIPE) if isinstance(value, str) else value for name, value in row.items()}

    def render(source: str, **more: Any) -> list[str]:
        rendered = environment.from_string(source).render(**values, **more)
        return [part.replace(_PIPE, "|||").strip() for part in rendered.split("|||")]

    return render(jinja, answer_choices=None if answer_choices is None else render(answer_choices))


def entry(jinja: str, answer_choices: str | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"choices_in_prompt": True, "languages": ["en"], "metrics": ["Accuracy", "Other"], "original_task": True}
    return {"jinja": jinja, "answer_choices": answer_choices, "name": "mine", "id": "x", "reference": "", "metadata": metadata, **more}


def converted(jinja: str, answer_choices: str | None = None) -> Converted:
    return convert(entry(jinja, answer_choices), "mine/test")


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_converted_template_renders_as_promptsource_does(name: str, row: dict[str, Any]) -> None:
    jinja, answer_choices = TEMPLATES[name]
    template = converted(jinja, answer_choices).template
    template.environment.filters["choice"] = pick_ours
    # As a build gives them: texts as they are, all else as its JSON.
    fields = {field: value if isinstance(value, str) else json.dumps(value) for field, value in row.items()}
    expected = promptsource(jinja, answer_choices, row)
    if len(expected) < 2 or not expected[1]:
        with pytest.raises(RenderError, match="it renders to nothing") if name != "plain" else pytest.raises(AssertionError):
            template.render(fields)
        return
    rendered = template.render(fields)
    assert [(rendered.prompt or "").strip(), (rendered.target or "").strip()] == expected


# Pieces of a template: what is written, what is set, and blocks of both. `{}` stands for more pieces.
_WRITTEN = st.sampled_from(
    [" Say ", "\n", "{{text}}", "{{ other | upper }}", "{{ a }}", "{{ b | join('/') }}", "{{options[1]}}", "{{ n.v }}"]
)
_SET = st.sampled_from(
    [
        "{% set a = other %}",
        "{% set a = a ~ 'x' %}",
        "{% set b = options | list %}",
        "{{ b.append(a) | default('', True) }}",
        "{% set n.v = a %}",
    ]
)
_BLOCKS = ["{% if label == 1 %}{}{% endif %}", "{% if text %}{}{% else %}{}{% endif %}", "{% for i in options %}{}{{i}}{% endfor %}"]


def _pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.builds(_filled, st.sampled_from(_BLOCKS), st.lists(inner, min_size=2, max_size=2))
    return st.lists(_WRITTEN | _SET | block, max_size=4).map("".join)


def _filled(block: str, parts: list[str]) -> str:
    for part in parts:
        block = block.replace("{}", part, 1)
    return block


PIECES = st.recursive(st.lists(_WRITTEN | _SET, max_size=3).map("".join), _pieces, max_leaves=6)
START = "{% set a = 'a' %}{% set b = [] %}{% set n = namespace(v=0) %}"


@settings(max_examples=300, deadline=None)
@given(before=PIECES, after=PIECES, row=st.sampled_from(ROWS))
def test_any_template_of_these_pieces_renders_as_promptsource_does(before: str, after: str, row: dict[str, Any]) -> None:
    jinja = f"{START}{before}? ||| {after}."
    try:
        template = converted(jinja).template
    except Refusal as refusal:  # not converted, and says why: what it writes would change afterwards
        assert "changes it afterwards" in str(refusal)
        return
    fields = {field: value if isinstance(value, str) else json.dumps(value) for field, value in row.items()}
    rendered = template.render(fields)
    # White space of blocks that only compute is not written: a difference by design.
    assert _squeezed([rendered.prompt or "", rendered.target or ""]) == _squeezed(promptsource(jinja, None, row))


def _squeezed(texts: list[str]) -> list[str]:
    return ["".join(text.split()) for text in texts]


def test_what_is_drawn_by_chance_is_drawn_once() -> None:
    template = converted(*TEMPLATES["drawn by a loop"]).template
    drawn = set()
    for number in range(20):
        rendered = template.render({"text": "t"}, row_id=str(number))
        assert rendered.target == f" {len((rendered.prompt or '').split()) - 1} t"
        drawn.add(rendered.target)
    assert len(drawn) > 1


def test_a_label_becomes_the_verbalizers() -> None:
    template = converted(*TEMPLATES["guarded label"]).template
    assert template.header.verbalizer == {"0": ("bad",), "1": ("so so",), "2": ("good",)}
    assert (template.label_field, template.header.inputs, template.header.metrics) == (
        "label",
        {"text": "str", "label": "int"},
        ("accuracy",),
    )
    assert converted(*TEMPLATES["equal choices"]).template.header.verbalizer == {}
    drawn = converted("{% set x = [0, 1] | choice %}{{text}} ||| {{ answer_choices[x] }}", "a ||| b").template
    assert (drawn.header.verbalizer, drawn.label_field) == ({}, None)


def test_types_follow_from_use() -> None:
    source = "{{ a }} {{ b | length }} {{ c.x }} {% for i in d %}{{ i }}{% endfor %} {{ e.split() | join }} {{ f + 1 }} {{ g == 'x' }}"
    source += " ||| {{ h[0] }}"
    types = {"a": "str", "b": "json", "c": "dict", "d": "list", "e": "str", "f": "json", "g": "str", "h": "json"}
    assert converted(source).template.header.inputs == types


def test_a_text_that_is_json_is_read_as_such_where_its_use_leaves_open_what_it_is() -> None:
    template = converted("{{ a[:2] }} ||| {{ b }}").template
    for raw, rendered in (("[1, 2, 3]", "[1, 2]"), ("abc", "ab"), ('"quoted"', '"q')):
        assert (template.render({"a": raw, "b": "1e5"}).prompt, template.render({"a": raw, "b": "1e5"}).target) == (rendered, " 1e5")


def test_the_join_is_one_space_or_one_line_end() -> None:
    assert converted("{{a}}   ||| {{b}}").template.render({"a": "x ", "b": " y"}).target == "  y"
    assert converted("{{a}}:\n\n|||\n{{b}} \n").template.render({"a": "x", "b": "y"}).target == "\ny"
    assert converted("\n {{a}}:\n\n|||\n{{b}}").template.render({"a": " x ", "b": "y"}).prompt == " x :"


@pytest.mark.parametrize(
    ("jinja", "answer_choices", "reason"),
    [
        ("{{ text }}", None, r"it has no '\|\|\|'"),
        ("a ||| b ||| c", None, r"it has more than one '\|\|\|'"),
        ("{% if x %}a ||| b{% endif %} ||| c", None, r"it has more than one '\|\|\|'"),
        ("{% for x in xs %}{{ x }} ||| {% endfor %}", None, r"the '\|\|\|' stands within a loop"),
        ("{{ 'a ||| b' }}", None, r"the '\|\|\|' stands within an expression"),
        ("{{ text }} ||| \n", None, r"nothing stands after the '\|\|\|'"),
        ("{% if x %}", None, "it does not parse"),
        ("{% macro m() %}{% endmacro %}{{ text }} ||| b", None, "it uses the tag 'macro'"),
        ("{{ answer_choices[0] }} ||| b", None, "it uses 'answer_choices' and has none"),
        ("{% set x = 1 %}{{ x }}{% set x = 2 %}{{ x }} ||| b", None, "it writes 'x' and changes it afterwards"),
        ("{{ [1].append(2) | default('', True) }} {{ text }} ||| b", None, "it changes something in place that has no name"),
        ("{% set l = [] %}{{ l.append(2) }} {{ text }} ||| b", None, "it writes what a change in place gives"),
        ("{{ text | wordwrap }} ||| b", None, "there is no filter 'wordwrap'"),
    ],
)
def test_what_cannot_be_converted_says_why(jinja: str, answer_choices: str | None, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        converted(jinja, answer_choices)


YAML = """dataset: My/Data
subset: a.b
templates:
  1: !Template
    answer_choices: No ||| Yes
    id: 1
    jinja: '{{text}} ||| {{answer_choices[label]}}'
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: Is it so?
    reference: from
      a paper
  2: !Template
    answer_choices: null
    id: 2
    jinja: '{{text}} ||| {{other}}'
    metadata: !TemplateMetadata {}
    name: is it so
    reference: ''
  3: !Template
    answer_choices: null
    id: 3
    jinja: '{{text}}'
    metadata: !TemplateMetadata {}
    name: broken
    reference: ''
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "in"
    path.mkdir()
    (path / "templates.yaml").write_text(YAML, encoding="utf-8")
    yield path


def test_a_folder_is_imported_and_says_what_it_refuses(folder: Path, tmp_path: Path) -> None:
    (folder / "evil.yaml").write_text("templates: !!python/object/apply:os.system ['touch /tmp/x']", encoding="utf-8")
    (folder / "other.yaml").write_text("a: 1", encoding="utf-8")
    result = import_promptsource(folder, tmp_path / "out").to_json()
    assert (result["files"], result["templates"], result["converted"]) == (3, 3, 2)
    assert [refused["template"] for refused in result["refused"]] == ["evil.yaml", "other.yaml", "templates.yaml: broken"]
    assert "could not determine a constructor" in result["refused"][0]["reason"]
    first, second = (load_template(tmp_path / "out" / "my" / "data" / "a_b" / f"{name}.jinja") for name in ("is_it_so", "is_it_so_2"))
    assert first.name == "my/data/a_b/is_it_so"
    assert first.render({"text": "t", "label": 1}).target == " Yes"
    assert first.header.description == "From promptsource, template 1. from a paper"
    assert second.render({"text": "t", "other": "o"}).target == " o"


def test_one_file_is_imported_and_a_folder_without_any_refused(folder: Path, tmp_path: Path) -> None:
    assert import_promptsource(folder / "templates.yaml", tmp_path / "out").converted == 2
    with pytest.raises(UserError, match="the folder holds no YAML file"):
        import_promptsource(tmp_path / "out", tmp_path / "more")
    with pytest.raises(UserError, match="there is no such file or folder"):
        import_promptsource(tmp_path / "none", tmp_path / "more")
