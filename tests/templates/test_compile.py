import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.render import render_rows
from prep.rows import META_SCHEMA, ROW_ID, SPLIT
from templates.compile import plan
from templates.template import Template, parse_template
from tests.templates.helpers import make_template, message

WHITE_SPACE = "".join(chr(code) for code in range(0x10000) if chr(code).isspace()) + "\u200b\ufeff\u180e"
CHANGING_CASE = "".join(
    chr(code) for code in range(0x1F000) if not 0xD800 <= code < 0xE000 and (len(chr(code).upper()) > 1 or len(chr(code).lower()) > 1)
)
PIECES = [
    "",
    "\x00",
    "\r",
    "\r\n",
    "\u2028",
    "\x85",
    "🍲",
    "👨‍👩‍👧",
    "İ",
    "ß",
    "ΑΣ ",
    "ǅ",
    "\ud7ff",
    "{{ x }}",
    "{% endtext %}",
    "$1",
    "\\1",
    "%s",
    '"',
    "'",
]
HOSTILE = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(WHITE_SPACE) | st.sampled_from(CHANGING_CASE) | st.characters(exclude_categories=["Cs"]),
    max_size=8,
).map("".join)
FILTERS = st.sampled_from(["", " | trim", " | lower", " | upper"])
# A name, a filtered name, a verbalized label, or text that Jinja does not read as its own.
TEXT = st.lists(st.sampled_from(["a", " ", "\n", "\n\n", "é", "🍲", "}", "%", "#", '"', "\t", "\u2028", "\\"]), max_size=4).map("".join)
PIECE = (
    st.tuples(st.sampled_from(["a", "b"]), FILTERS).map(lambda one: f"{{{{ {one[0]}{one[1]} }}}}")
    | st.just("{{ label | verbalize }}")
    | TEXT
)
BODY = st.lists(PIECE, max_size=4).map("".join)
CHAT = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), BODY), min_size=1, max_size=3).map(
    lambda turns: "\n".join(f'{{% message "{role}" %}}{body}{{% endmessage %}}' for role, body in turns)
)
PAIR = st.tuples(BODY, BODY).map(lambda two: f"{{% prompt %}}{two[0]}{{% endprompt %}}{{% target %}}{two[1]}{{% endtarget %}}")
COMPLETION = BODY.map(lambda body: f"{{% text %}}{body}{{% endtext %}}")
PREFERENCE = st.tuples(BODY, BODY).map(lambda two: f"{{% chosen %}}{two[0]}{{% endchosen %}}{{% rejected %}}{two[1]}{{% endrejected %}}")
FORMS = st.lists(CHAT | PAIR | COMPLETION | PREFERENCE, min_size=1, max_size=2, unique_by=lambda form: form[:8]).map("\n".join)
# Every input is shown somewhere, as in a real template; one that is not is never missing.
ROWS = st.lists(
    st.tuples(HOSTILE.map(lambda text: text + "x"), HOSTILE.map(lambda text: "x" + text), st.sampled_from("01")), min_size=1, max_size=4
)


def load(body: str) -> Template:
    return parse_template(
        "---\nname: mine/test\ninputs: {a: str, b: str, label: str}\nverbalizer: {0: 'no \u2028', 1: Ja}\n---\n" + body, "mine.jinja"
    )


@settings(max_examples=250, deadline=None)
@given(FORMS, ROWS)
def test_the_compiled_path_and_jinja_give_the_same_bytes(body: str, rows: list[tuple[str, str, str]]) -> None:
    template = load(body)
    chosen = plan(template)
    assert chosen.reason is None
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String, "label": pl.String}, orient="row")
    compiled = frame.with_columns(**{f"#{name}": expression for name, expression in chosen.expressions.items()})
    for fields, row in zip(frame.iter_rows(named=True), compiled.iter_rows(named=True), strict=True):
        rendered = template.render(fields)
        assert {name: row[f"#{name}"] for name in chosen.expressions} == {name: getattr(rendered, name) for name in chosen.expressions}
        assert all(getattr(rendered, name) is None for name in set(rendered.__slots__) - set(chosen.expressions))


@pytest.mark.parametrize("filter_name", ["trim", "lower", "upper"])
def test_each_code_point_goes_the_same_way_through_both_paths(filter_name: str) -> None:
    template = load(f"{{% text %}}{{{{ a | {filter_name} }}}}{{% endtext %}}")
    characters = [chr(code) for code in range(0x20000) if unicodedata.category(chr(code)) not in {"Cs", "Cn", "Co"}]
    texts = [f"{character}aΣ{character}" for character in characters]
    compiled = pl.DataFrame({"a": texts}).select(out=plan(template).expressions["text"])["out"].to_list()
    method = {"trim": "strip"}.get(filter_name, filter_name)
    assert compiled == [getattr(text, method)() for text in texts]
    assert template.render({"a": texts[300], "b": "", "label": "0"}).text == compiled[300]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (message("\n{{ text | title }}"), "line 6 has the filter 'title'"),
        (message("{{ text | trim | lower }}"), "line 5 has an expression (filter)"),
        (message("{{ text | replace('a', 'b') }}"), "line 5 has an expression (filter)"),
        (message("\n\n{{ text[0] }}"), "line 7 has an expression (getitem)"),
        (message("{{ text ~ 'x' }}"), "line 5 has an expression (add)"),
        (message("{% if text %}x{% endif %}"), "line 5 has the tag 'if'"),
        (message("{{ number }}"), "line 5 has 'number', which is of type int"),
        (message("{% set x = text %}{{ x }}"), "line 5 has the tag 'assign'"),
        ("\n{% for c in text %}" + message("x") + "{% endfor %}", "line 6 has 'for' outside of a tag"),
        ("{% text %}a{% endtext %}{% text %}b{% endtext %}", "line 5 has a second 'text'"),
    ],
)
def test_what_is_not_plain_falls_back_and_says_why(body: str, reason: str) -> None:
    chosen = plan(make_template(body, inputs="{text: str, number: int}"))
    assert (chosen.path, chosen.reason, chosen.expressions) == ("fallback", reason, {})


def test_a_role_that_is_no_constant_falls_back() -> None:
    template = make_template("{% message turns[0].role %}x{% endmessage %}", inputs="{turns: turns}")
    assert plan(template).reason == "line 5 has a role that is not a constant"


def frame_of(texts: list[str]) -> pl.DataFrame:
    rows = [{**dict.fromkeys(META_SCHEMA), ROW_ID: str(index), SPLIT: "train", "text": text} for index, text in enumerate(texts)]
    return pl.DataFrame(rows, schema={**META_SCHEMA, "text": pl.String()})


def test_constant_messages_are_given_to_every_row() -> None:
    template = make_template(message("Tell a joke.") + '{% message "assistant" %}{{ text }}{% endmessage %}')
    examples = render_rows(frame_of(["a", "b"]), template).examples
    assert examples["messages"].list.first().struct.field("content").to_list() == ["Tell a joke."] * 2
    constant = render_rows(frame_of(["a", "b"]), make_template("{% text %}always{% endtext %}")).examples
    assert constant["text"].to_list() == ["always"] * 2
