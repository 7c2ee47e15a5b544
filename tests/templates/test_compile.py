import json
import unicodedata
from typing import Any

import polars as pl
import pytest

from templates import limits
from templates.compile import plan
from templates.library import library_template, template_names
from templates.template import Template
from tests.templates.compiled import assert_same, evaluate
from tests.templates.helpers import make_template, message

INPUTS = "{text: str, note: str, number: int, price: float, flag: bool, label: str, any: json}"
HEADER = "optional: [note]\nverbalizer: {bad: negative, good: 'posi\"tive'}\n"
ROW = {"text": "The soup was cold. ", "note": None, "number": "3", "price": "1.50", "flag": "yes", "label": "good", "any": "3"}


def load(body: str) -> Template:
    return make_template(body, inputs=INPUTS, header=HEADER)


def frame_of(*rows: dict[str, str | None]) -> pl.DataFrame:
    return pl.DataFrame([ROW | row for row in rows], schema=dict.fromkeys(ROW, pl.String))


@pytest.mark.parametrize(
    ("expression", "row", "text"),
    [
        ("text | trim | upper", {}, "THE SOUP WAS COLD."),
        ("text | trim", {"text": "\x1c\u3000a\x1f"}, "a"),
        ("text | lower", {"text": "ΑΣ İ"}, "ας i̇"),
        ("text | title", {"text": "it's (a) test-run"}, "It's (A) Test-Run"),
        ("text.title()", {"text": "it's"}, "It'S"),
        ("text | capitalize", {"text": "ßA"}, "Ssa"),
        ("text | replace('s', '$0')", {"text": "sos"}, "$0o$0"),
        ("text | truncate(9)", {"text": "one two three four"}, "one..."),
        ("text[:4] ~ text[-2:]", {}, "The . "),
        ("text | length", {"text": "é🍲"}, "2"),
        ("text | wordcount + 1", {}, "5"),
        ("text | indent(2)", {"text": "a\nb"}, "a\n  b"),
        ("note | default('none', true)", {}, "none"),
        ("note or 'none'", {"note": " "}, "none"),
        ("note ~ '!'", {"note": " x "}, " x !"),
        ("number", {"number": "+07"}, "7"),
        ("number - 5", {}, "-2"),
        ("number | float", {}, "3.0"),
        ("label | verbalize", {}, 'posi"tive'),
        ("price", {}, "1.5"),
        ("price", {"price": "100"}, "100.0"),
        ("price", {"price": "-0"}, "-0.0"),
        ("price | int", {"price": "-2.75"}, "-2"),
        ("flag", {"flag": "No"}, "False"),
        ("flag == 1", {}, "True"),
        ("number == '3'", {}, "False"),
        ("number != '3' and none == none and text != none", {}, "True"),
        ("number == 3.0 and 1 < number <= 3", {}, "True"),
        ("'so' in text and number not in [1, 2]", {}, "True"),
        ("text is string and number is odd and note is not none", {}, "True"),
        ("'yes' if flag and price > 1 else 'no'", {}, "yes"),
        ("'only' if number > 5", {}, ""),
        ("[text | trim, number, none] | join(' / ')", {}, "The soup was cold. / 3 / None"),
        ("text.startswith('The') ~ text.removeprefix('The ')", {}, "Truesoup was cold. "),
        ("none", {}, "None"),
        ("['no', 'so', 'yes'][number - 1]", {}, "yes"),
        ("['no', text | trim][number - 4]", {}, "The soup was cold."),
        ("{'good': 'up', 'bad': 'down'}[label]", {}, "up"),
        ("text[0] ~ text[-2]", {}, "T."),
        ("any == 3 and {3: 'three', 4: 'four'}[any]", {}, "three"),
        ("any | upper", {"any": "three"}, "THREE"),
        ("any + 1", {"any": "-5"}, "-4"),
        ("'not ' ~ any if any is boolean else any", {"any": "true"}, "not True"),
    ],
)
def test_an_expression_runs_column_wise(expression: str, row: dict[str, str | None], text: str) -> None:
    template = load(f"{{% text %}}{{{{ {expression} }}}}{{% endtext %}}")
    chosen = plan(template)
    assert chosen.reason is None
    result = evaluate(chosen, frame_of(row))
    assert (result["fallback_mask"].item(), result["#text"].item(), result["json text"].item()) == (
        False,
        text,
        json.dumps(text, ensure_ascii=False),
    )
    assert template.render(ROW | row).text == text


@pytest.mark.parametrize(
    ("body", "row", "text"),
    [
        ("{% if flag %}a{% elif number > 2 %}b{% else %}c{% endif %}", {"flag": "no"}, "b"),
        ("{% if note %}{{ note }}{% else %}-{% endif %}", {}, "-"),
        ("{% if text is defined %}{{ text }}{% endif %}", {"text": "x"}, "x"),
        ("{% set t = text | trim %}{{ t }}{{ t | length }}", {}, "The soup was cold.18"),
        ("{% set t %}<{{ number }}>{% endset %}{{ t ~ t }}", {}, "<3><3>"),
        ("{% set t = 'a' %}{% if flag %}{% set t = 'b' %}{% endif %}{{ t }}", {}, "b"),
        ("{% set t = ['a', text | trim] %}{{ t[0] }}{{ t | join('-') }}{{ 'a' in t }}{{ t | last }}", {"text": " b"}, "aa-bTrueb"),
        ("{% filter upper %}x{{ text | trim }}{% endfilter %}", {"text": "ß"}, "XSS"),
        ("a\n{%- if flag %}\n  b\n{%- endif +%}\nc", {}, "a\n  b\nc"),
        ("{{ number if number is even else number | first_of }}".replace(" | first_of", ""), {}, "3"),
    ],
)
def test_a_statement_runs_column_wise(body: str, row: dict[str, str | None], text: str) -> None:
    template = load(f"{{% text %}}{body}{{% endtext %}}")
    chosen = plan(template)
    assert chosen.reason is None
    result = evaluate(chosen, frame_of(row))
    assert (result["fallback_mask"].item(), result["#text"].item()) == (False, text)
    assert template.render(ROW | row).text == text


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ("{{ text }}", {"text": None}),
        ("{{ number }}", {"number": "1_000"}),
        ("{{ number }}", {"number": "٣"}),
        ("{{ number }}", {"number": " 3"}),
        ("{{ text }}", {"number": "x"}),  # refused, though it is not printed
        ("{{ price }}", {"price": "1e-7"}),
        ("{{ price }}", {"price": "0.00005"}),
        ("{{ price }}", {"price": "nan"}),
        ("{{ flag }}", {"flag": "maybe"}),
        ("{{ label | verbalize }}", {"label": "so so"}),
        ("{{ text | first }}", {"text": ""}),
        ("{{ note | default('1', true) | int }}", {"note": "many"}),
        ("{{ text }}", {"text": "x" * 3_000_000}),
        ("{{ any }}", {"any": "1.5"}),
        ("{{ any }}", {"any": "[1]"}),
        ("{{ any }}", {"any": "null"}),
        ("{{ any + 1 }}", {"any": "many"}),
        ("{{ ['a', 'b'][number - 3] }}", {"number": "5"}),
        ("{{ text[3] }}", {"text": "abc"}),
    ],
)
def test_a_row_that_is_not_proven_is_left_to_jinja(body: str, row: dict[str, str | None]) -> None:
    chosen = plan(load(f"{{% text %}}{body}{{% endtext %}}"))
    assert chosen.reason is None
    assert evaluate(chosen, frame_of(row, {}))["fallback_mask"].to_list() == [True, False]


def test_what_a_branch_does_not_evaluate_punts_no_row() -> None:
    template = load("{% text %}{% if note %}{{ note | int }}{% else %}{{ text | first if text else '' }}{% endif %}{% endtext %}")
    rows = frame_of({}, {"note": "5"}, {"note": "x"}, {"text": ""})
    assert evaluate(plan(template), rows)["fallback_mask"].to_list() == [False, False, True, False]
    assert_same(template, plan(template), rows)


def test_tags_under_a_condition() -> None:
    template = load(
        '{% if note %}{% message "system" %}{{ note }}{% endmessage %}{% endif %}'
        '{% message "user" %}{{ text | trim }}{% endmessage %}{% if flag %}{% message "assistant" %}{{ label }}{% endmessage %}{% endif %}'
        "{% if number > 2 %}{% prompt %}p{% endprompt %}{% else %}{% prompt %}q{% endprompt %}{% endif %}{% target %}t{% endtarget %}"
    )
    rows = frame_of({}, {"note": 'n"'}, {"flag": "no", "number": "1"}, {"text": None})
    chosen = plan(template)
    assert chosen.reason is None
    result = evaluate(chosen, rows)
    assert result["fallback_mask"].to_list() == [False, False, False, True]
    assert result["#messages"].list.len().to_list()[:3] == [2, 3, 1]
    assert result["#prompt"].to_list()[:3] == ["p", "p", "q"]
    assert_same(template, chosen, rows)


@pytest.mark.parametrize(
    "body",
    [
        "{% text %}a{% endtext %}{% if flag %}{% text %}b{% endtext %}{% endif %}",
        "{% if flag %}{% prompt %}a{% endprompt %}{% endif %}{% target %}b{% endtarget %}{% text %}{{ text }}{% endtext %}",
        "{% if not flag %}{% text %}b{% endtext %}{% endif %}",
        "{% cloze %}{{ text }}{{ mask }}{{ mask if flag }}{% endcloze %}{% target %}b{% endtarget %}",
    ],
)
def test_a_row_with_a_tag_twice_or_without_its_partner_is_left_to_jinja(body: str) -> None:
    template = load(body)
    rows = frame_of({}, {"flag": "no"})
    assert evaluate(plan(template), rows)["fallback_mask"].any()
    assert_same(template, plan(template), rows)


@pytest.mark.parametrize("mask", ["[MASK]", "__", "aba"])
def test_a_cloze_has_its_mask_once(mask: str) -> None:
    header = HEADER + f"mask: '{mask}'\n"
    template = make_template(
        "{% cloze %}{{ text }}{{ mask }}{% endcloze %}{% target %}{{ label }}{% endtarget %}", inputs=INPUTS, header=header
    )
    texts: list[dict[str, str | None]] = [{"text": text} for text in ("", "x", mask, mask[:-1], f"{mask}{mask[1:]} x", "_", "ab")]
    rows = frame_of(*texts)
    chosen = plan(template)
    assert chosen.reason is None
    result = evaluate(chosen, rows)
    assert result["fallback_mask"].to_list()[:3] == [False, False, True]
    assert result["#mask"].to_list()[0] == mask
    assert_same(template, chosen, rows)


@pytest.mark.parametrize("filter_name", ["trim", "lower", "upper"])
def test_each_code_point_goes_the_same_way_through_both_paths(filter_name: str) -> None:
    template = make_template(f"{{% text %}}{{{{ text | {filter_name} }}}}{{% endtext %}}")
    characters = [chr(code) for code in range(0x20000) if unicodedata.category(chr(code)) not in {"Cs", "Cn", "Co"}]
    texts = [f"{character}aΣ{character}" for character in characters]
    compiled = pl.DataFrame({"text": texts}).select(out=plan(template).expressions["text"])["out"].to_list()
    method = {"trim": "strip"}.get(filter_name, filter_name)
    assert compiled == [getattr(text, method)() for text in texts]
    assert template.render({"text": texts[300]}).text == compiled[300]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (message("\n{{ text | reverse }}"), "line 8 has the filter 'reverse'"),
        (message("\n\n{{ text[number] }}"), "line 9 has an item of what is no list, mapping or text, or a place that is no constant"),
        (message("{{ [text] }}"), "line 7 has a list as a value"),
        (message("{{ text.split() }}"), "line 7 has the method 'split'"),
        (message("{{ text > 3 }}"), "line 7 has a comparison of text and int"),
        (message("{{ text | replace('', 'x') }}"), "line 7 has a replacement of the empty text, or of what is no text"),
        (message("{{ number * 2 }}"), "line 7 has an expression (mul)"),
        (message("{{ number | length }}"), "line 7 has the length of int"),
        (message("{% for c in text %}{{ c }}{% endfor %}"), "line 7 has the tag 'for'"),
        ("\n{% for c in text %}" + message("x") + "{% endfor %}", "line 8 has 'for' outside of a tag"),
        ("{% set text = 'a' %}" + message("{{ text }}"), "line 7 has 'set' of the input 'text' outside of a tag"),
        ('{% tools %}[]{% endtools %}{% message "user" %}x{% endmessage %}', "line 7 has the tag 'tools'"),
        (message("{{ text | replace('a', '" + "b" * 3000 + "') }}"), "its rendering could go past the limits of one row"),
        (
            message("{% set v = text %}" + "{% set v = v ~ v %}" * 40 + "{{ v }}"),
            "line 7 has an expression that is nested too deeply or too long",
        ),
        (
            message("{% if flag %}a" + "{% elif text == 'b' %}b" * 30 + "{% endif %}"),
            "line 7 has an expression that is nested too deeply or too long",
        ),
        ("{% if false %}" + message("x") + "{% endif %}", "no row has any of its tags"),
    ],
)
def test_what_is_not_plain_falls_back_and_says_why(body: str, reason: str) -> None:
    chosen = plan(load(body))
    assert (chosen.path, chosen.reason, chosen.expressions, chosen.fallback_mask) == ("fallback", reason, {}, None)


def test_a_role_that_is_no_constant_and_an_input_of_turns_fall_back() -> None:
    body = "{% message turns[0].role %}x{% endmessage %}"
    assert plan(make_template(body, inputs="{turns: turns}")).reason == "the input 'turns' is of type turns"


@pytest.mark.parametrize("name", ["caller", "kwargs", "varargs", "self"])
def test_an_input_whose_name_jinja_takes_for_its_own_falls_back(name: str) -> None:
    reason = plan(make_template(message(f"{{{{ {name} }}}}"), inputs=f"{{{name}: str}}")).reason
    assert reason == f"the input '{name}' has a name that means something else within a tag"


def _is_plain(template: Template) -> bool:
    return (
        not template.shots and not {"list", "dict", "json", "turns"} & set(template.header.inputs.values()) and "tools" not in template.tags
    )


@pytest.mark.parametrize("name", [name for name in template_names() if _is_plain(library_template(name))])
def test_a_library_template_is_compiled_and_its_own_examples_are_ordinary_rows(name: str) -> None:
    template = library_template(name)
    chosen = plan(template)
    assert chosen.reason is None
    shown = [one.fields for one in (template.header.example, *template.header.examples) if one is not None]
    assert shown
    rows = [{field: _as_text(fields.get(field)) for field in template.header.inputs} for fields in shown]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(template.header.inputs, pl.String))
    assert not evaluate(chosen, frame)["fallback_mask"].any()
    assert_same(template, chosen, frame)


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def test_constant_messages_are_given_to_every_row() -> None:
    template = make_template(message("Tell a joke."))
    result = evaluate(plan(template), pl.DataFrame({"text": ["a", "b"]}))
    assert result["#messages"].to_list() == [[{"role": "user", "content": "Tell a joke."}]] * 2
    assert result["line chat"].to_list() == ['{"messages":[{"role":"user","content":"Tell a joke."}]}'] * 2


def test_the_streaming_engine_gives_the_same() -> None:
    template = load(message("{{ text | lower }}{{ number }}") + "{% text %}{{ label | verbalize }}{% endtext %}")
    rows = pl.concat([frame_of({"text": f"É {index}"}) for index in range(50)] * 20, rechunk=False)
    assert evaluate(plan(template), rows, engine="streaming").equals(evaluate(plan(template), rows))


def test_no_ordinary_text_is_too_long() -> None:
    template = load("{% text %}{{ text | trim | upper }}{{ text | replace('a', 'bcd') }}{% endtext %}")
    assert not evaluate(plan(template), frame_of({"text": "word " * 20_000}))["fallback_mask"].item()
    assert limits.MAX_CHARACTERS == 5_000_000  # what that bound is made of


def test_the_words_of_the_chosen_language_are_said() -> None:
    header = "language: en\nverbalizer: {good: {en: good, zh: 好}}\n"
    template = make_template("{% text %}{{ label | verbalize }}{% endtext %}", inputs="{label: str}", header=header).in_language("zh")
    assert evaluate(plan(template), pl.DataFrame({"label": ["good"]}))["#text"].item() == "好"
