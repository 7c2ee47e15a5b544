"""Cloze, words of a label, demonstrations, tool calls, optional inputs and seeded choices."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from templates.cloze import fill
from templates.template import FieldError, RenderError
from templates.values import coerce
from tests.templates.helpers import make_template, message

CLOZE = "{% cloze %}{{ text }} It was {{ mask }}.{% endcloze %}{% target %}{{ label | verbalize }}{% endtarget %}"
LABELLED = {"inputs": "{text: str, label: str}", "header": "verbalizer: {p: [good, great], n: bad}\n"}
SHOTS = (
    '{% for shot in shots %}{% message "user" %}{{ shot.text }}{% endmessage %}'
    '{% message "assistant" %}{{ shot.label | verbalize }}{% endmessage %}{% endfor %}'
    '{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ label | verbalize }}{% endmessage %}'
)
TURNS = "{% for turn in turns %}{% message turn.role %}{{ turn.text }}{% endmessage %}{% endfor %}"
TOOLS = "{% tools %}{{ tools | tojson }}{% endtools %}" + TURNS


def test_a_cloze_is_a_text_with_a_mask_and_the_word_for_it() -> None:
    template = make_template(CLOZE, **LABELLED)
    rendered = template.render({"text": "Soup.", "label": "p"})
    assert (rendered.prompt, rendered.mask, rendered.target) == ("Soup. It was [MASK].", "[MASK]", "good")
    assert fill("Soup. It was [MASK].", "[MASK]", "good") == ("Soup. It was ", "good.")
    assert (template.forms, template.input_fields, template.label_field) == (["verbalizer"], ["text"], "label")


@pytest.mark.parametrize(
    ("mask", "text"),
    [("[MASK]", "[MASK]"), ("___", "_"), ("aba", "ab"), ("[MASK]", "so [MASK]. And")],
)
def test_a_mask_that_a_field_forges_is_an_error_of_the_row(mask: str, text: str) -> None:
    body = "{% cloze %}{{ text }}{{ mask }}.{% endcloze %}{% target %}x{% endtarget %}"
    template = make_template(body, header=f'mask: "{mask}"\n')
    with pytest.raises(RenderError, match="more than once"):
        template.render({"text": text})


def test_a_mask_that_is_not_rendered_is_an_error_of_the_row() -> None:
    template = make_template("{% cloze %}{% if text %}{{ mask }}{% endif %}.{% endcloze %}{% target %}x{% endtarget %}")
    with pytest.raises(RenderError, match=r"the mask '\[MASK\]' is not in the text"):
        template.render({"text": ""})


@given(st.text(), st.text(), st.text(min_size=1, max_size=3), st.text())
def test_filling_puts_the_word_where_the_mask_was(before: str, after: str, mask: str, word: str) -> None:
    text = before + mask + after
    if text.find(mask) != text.rfind(mask):
        with pytest.raises(ValueError, match="more than once"):
            fill(text, mask, word)
    else:
        assert "".join(fill(text, mask, word)) == before + word + after
    assert fill(text, None, word) == (text, word)


@pytest.mark.parametrize(
    ("body", "inputs", "header", "error"),
    [
        ("{% cloze %}{{ text }}{% endcloze %}{% target %}x{% endtarget %}", "{text: str}", "", "the cloze has no mask"),
        (CLOZE.replace("{{ text }}", "{% prompt %}{% endprompt %}"), "{label: str}", "verbalizer: {a: b}\n", "a tag stands within 'cloze'"),
        (CLOZE + "{% prompt %}a{% endprompt %}", LABELLED["inputs"], LABELLED["header"], "both 'prompt' and 'cloze'"),
        ("{% cloze %}{{ mask }}{% endcloze %}", "{text: str}", "", "has 'cloze' without 'target'"),
        ("{% cloze %}{{ mask }}{% endcloze %}{% target %}{{ mask }}{% endtarget %}", "{}", "", "'mask' stands outside of the cloze"),
        ("{% cloze %}{{ mask }}{% endcloze %}{% target %}x{% endtarget %}", "{mask: str}", "", "an input is called 'mask'"),
        ("{% text %}{{ mask }}{% endtext %}", "{text: str}", "", "uses 'mask', which 'inputs' does not declare"),
        (message("{{ text }}"), "{text: str}", "optional: [txt]\n", r"'optional' names 'txt'.*Did you mean 'text'"),
        (message("{{ text }}"), "{text: int}", "optional: [text]\n", "of type int, which has no empty value"),
        (message("{{ shots }}"), "{text: str}", "", "Say how many demonstrations there are: shots: 4"),
        (message("{{ text }}"), "{text: str}", "shots: 2\n", "declares 2 shots and shows none"),
        (message("{{ shots }}"), "{shots: str}", "shots: 2\n", "an input is called 'shots'"),
        ("{% tools %}[]{% endtools %}{% text %}{{ text }}{% endtext %}", "{text: str}", "", "'tools' without 'message'"),
        (
            "{% macro m(x) %}" + message("{{ x }}") + "{% endmacro %}{% for s in shots %}{{ m(s.text) }}{% endfor %}",
            "{text: str}",
            "shots: 1\n",
            "a tag stands in a macro of a template with shots",
        ),
    ],
)
def test_what_could_not_work_is_refused_when_loaded(body: str, inputs: str, header: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        make_template(body, inputs=inputs, header=header)


def test_the_first_word_of_a_label_is_trained() -> None:
    template = make_template(CLOZE, **LABELLED)
    assert template.words == {"p": ("good", "great"), "n": ("bad",)}
    assert (template.choices, template.verbalizer) == (["good", "bad"], {"p": "good", "n": "bad"})


def test_words_are_chosen_by_language() -> None:
    header = "language: en\nverbalizer: {p: {en: [good, great], zh: 好}, n: {en: bad, zh: [坏, 差]}}\n"
    template = make_template(CLOZE, inputs=LABELLED["inputs"], header=header)
    chinese = template.in_language("zh")
    assert template.choices == ["good", "bad"]
    assert chinese.words == {"p": ("好",), "n": ("坏", "差")}
    assert chinese.render({"text": "x", "label": "n"}).target == "坏"
    assert chinese.sha256 != template.sha256 == make_template(CLOZE, inputs=LABELLED["inputs"], header=header).sha256
    with pytest.raises(UserError, match=r"the label 'p' has no words in the language 'fr'"):
        template.in_language("fr")
    with pytest.raises(UserError, match="has no words by language, and 'zh' is asked for"):
        make_template(CLOZE, **LABELLED).in_language("zh")


@pytest.mark.parametrize(
    ("verbalizer", "error"),
    [
        ('{p: "", n: bad}', "the label 'p' has an empty word"),
        ("{p: [], n: bad}", "the label 'p' has no word"),
        ("{p: [good, bad], n: bad}", "the word 'bad' is a word of 'p' and of 'n'"),
        ("{p: [good, good], n: bad}", "the word 'good' is a word of 'p' twice"),
        ("{p: [good, 3], n: bad}", r"'verbalizer\.p\.1' is 3"),
        ("{p: {zh: 好}, n: bad}", "the label 'p' has no words in the language ''"),
    ],
)
def test_words_that_say_no_label_or_two_are_refused(verbalizer: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        make_template(CLOZE, inputs=LABELLED["inputs"], header=f"verbalizer: {verbalizer}\n")


def test_demonstrations_are_shown_and_not_trained() -> None:
    template = make_template(SHOTS, inputs=LABELLED["inputs"], header=LABELLED["header"] + "shots: 2\n")
    shots = [{"text": "a", "label": "n", "other": 1}, {"text": 5, "label": "p"}]
    rendered = template.render({"text": "x", "label": "p", "shots": shots})
    assert [one["content"] for one in rendered.messages or []] == ["a", "bad", "5", "good", "x", "good"]
    assert json.loads(rendered.extras or "") == {"messages": [None, {"weight": 0}, None, {"weight": 0}, None, None]}
    assert (template.shots, template.input_fields, template.label_field) == (2, ["text"], "label")
    assert template.render({"text": "x", "label": "p", "shots": json.dumps(shots)}) == rendered


@pytest.mark.parametrize(
    ("shots", "error"),
    [
        (None, "field 'shots' is missing"),
        ([{"text": "a"}], "shot 1: field 'label' is missing"),
        ([{"text": "a", "label": "p"}, "b"], 'shot 2 is "b", which is no object'),
        ("{}", "field 'shots' is '{}', which is no list"),
    ],
)
def test_demonstrations_that_are_none_are_an_error_of_the_row(shots: Any, error: str) -> None:
    template = make_template(SHOTS, inputs=LABELLED["inputs"], header=LABELLED["header"] + "shots: 2\n")
    with pytest.raises(FieldError, match=error):
        template.render({"text": "x", "label": "p", "shots": shots})


def test_only_the_label_of_a_demonstration_is_verbalized() -> None:
    for wrong in ("shot.text", "shot.label.x", "shots[0].label"):
        with pytest.raises(UserError, match="'verbalize' stands after something that is no plain input"):
            make_template(SHOTS.replace("shot.label", wrong), inputs=LABELLED["inputs"], header=LABELLED["header"] + "shots: 2\n")


def test_a_loop_over_an_input_called_shots_is_no_demonstration() -> None:
    body = '{% for shot in shots %}{% message "assistant" %}{{ shot }}{% endmessage %}{% endfor %}'
    assert make_template(body, inputs="{shots: list}").render({"shots": ["a"]}).extras is None


def test_tool_calls_keep_what_stands_beside_role_and_content() -> None:
    template = make_template(TOOLS, inputs="{turns: turns, tools: list}", header="optional: [tools]\n")
    turns = [
        {"from": "human", "value": "Time?"},
        {"from": "function_call", "value": '{"name": "clock", "arguments": {"zone": "Zürich"}}'},
        {"from": "observation", "value": "9:00"},
        {"from": "gpt", "value": "Nine.", "weight": 0},
    ]
    rendered = template.render({"turns": json.dumps(turns), "tools": '[{"name": "clock", "parameters": {"b": 1, "a": "<"}}]'})
    assert rendered.messages == [
        {"role": "user", "content": "Time?"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "9:00"},
        {"role": "assistant", "content": "Nine."},
    ]
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "Zürich"}'}}
    assert json.loads(rendered.extras or "") == {
        "tools": [{"type": "function", "function": {"name": "clock", "parameters": {"b": 1, "a": "<"}}}],
        "messages": [None, {"tool_calls": [call]}, {"tool_call_id": "call_1"}, {"weight": 0}],
    }
    assert template.render({"turns": turns[:1], "tools": " "}).extras is None


def test_calls_without_ids_are_numbered_past_those_that_are_taken() -> None:
    def call(name: str, **more: Any) -> dict[str, Any]:
        return {"function": {"name": name, "arguments": "{}"}, **more}

    turns = coerce(
        [
            {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b", id="call_1")]},
            {"role": "tool", "content": "of a"},
            {"role": "tool", "content": "of b"},
            {"role": "tool", "content": "of nothing"},
            {"role": "assistant", "content": "x", "function_call": {"name": "c", "arguments": "{}"}},
            {"role": "function", "name": "c", "content": "of c"},
        ],
        "turns",
        "turns",
    )
    assert [one["id"] for turn in turns for one in turn.get("tool_calls", ())] == ["call_2", "call_1", "call_3"]
    assert [turn.get("tool_call_id") for turn in turns] == [None, "call_2", "call_1", None, None, "call_3"]
    assert turns[5]["role"].extras == {"tool_call_id": "call_3", "name": "c"}


@pytest.mark.parametrize(
    "turn",
    [
        {"from": "function_call", "value": "let me look"},
        {"from": "function_call", "value": '{"name": "two words"}'},
        {"role": "assistant", "tool_calls": [3]},
        {"role": "assistant", "content": "x", "weight": 0.5},
        {"role": "assistant", "content": "x", "weight": True},
        {"role": "user", "content": [{"type": "image_url"}]},
    ],
)
def test_a_turn_that_is_none_is_an_error_of_the_row(turn: dict[str, Any]) -> None:
    with pytest.raises(FieldError, match="field 'turns' is"):
        make_template(TURNS, inputs="{turns: turns}").render({"turns": [turn]})


@pytest.mark.parametrize("tools", ["{}", "[3]", '[{"type": "function"}]', "not JSON"])
def test_tools_that_are_none_are_an_error_of_the_row(tools: str) -> None:
    template = make_template("{% tools %}{{ tools }}{% endtools %}" + message("x"), inputs="{tools: str}")
    with pytest.raises(RenderError, match="the tag 'tools' holds no list of tools"):
        template.render({"tools": tools})


def test_a_content_in_parts_is_its_texts() -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert make_template(TURNS, inputs="{turns: turns}").render({"turns": turns}).messages == [{"role": "user", "content": "a\nb"}]


@pytest.mark.parametrize("fields", [{"text": "t"}, {"text": "t", "more": None}, {"text": "t", "more": " \n"}])
def test_an_optional_input_that_is_missing_or_blank_is_empty(fields: dict[str, Any]) -> None:
    template = make_template(
        message("{{ text }}{% if more %}, {{ more }}{% endif %}"), inputs="{text: str, more: str}", header="optional: [more]\n"
    )
    assert template.render(fields).messages == [{"role": "user", "content": "t"}]
    assert template.render({"text": "t", "more": " m"}).messages == [{"role": "user", "content": "t,  m"}]
    assert template.required_fields == ["text"]


def test_a_choice_depends_on_the_row_and_on_nothing_else() -> None:
    template = make_template("{% text %}{{ ['a', 'b', 'c'] | choice }}{{ choice(['a', 'b', 'c']) }}{% endtext %}", inputs="{}")
    drawn = [template.render({}, row_id=str(number)).text for number in range(100)]
    assert drawn == [template.render({}, row_id=str(number)).text for number in range(100)]
    assert set(drawn) == {one + other for one in "abc" for other in "abc"}
    with pytest.raises(RenderError, match="nothing to choose from"):
        make_template("{% text %}{{ [] | choice }}{% endtext %}", inputs="{}").render({})


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("dict", '{"a": [1]}', {"a": [1]}),
        ("json", "3", 3),
        ("json", "three", "three"),
        ("json", {"a": None}, {"a": None}),
    ],
)
def test_an_object_and_any_json_are_types_too(kind: Any, raw: object, value: object) -> None:
    assert coerce(raw, kind, "f") == value
    for wrong in ("[1]", "x", 3):
        with pytest.raises(ValueError, match="which is no dict"):
            coerce(wrong, "dict", "f")


def test_json_is_written_as_it_is() -> None:
    template = make_template("{% text %}{{ value | tojson }}{% endtext %}", inputs="{value: dict}")
    assert template.render({"value": {"b": "<'&>é", "a": 1}}).text == '{"b": "<\'&>é", "a": 1}'
