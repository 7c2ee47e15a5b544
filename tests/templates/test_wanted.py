"""Answers that are judged by themselves: the form `unpaired`, in Jinja and compiled."""

import polars as pl
import pytest

from loopwright.errors import UserError
from templates.compile import plan
from templates.fallback import RENDERED_SCHEMA, render_frame
from templates.form import Form
from templates.template import RenderError, Template
from tests.templates.compiled import assert_same, evaluate
from tests.templates.helpers import make_template, message

INPUTS = "{text: str, answer: str, label: bool}"
ANSWER = '{% message "assistant" %}{{ answer }}{% endmessage %}'
ROWS = [{"text": "When?", "answer": "Now.", "label": label} for label in ("true", "No", "1", "false", "perhaps", None)]


def judged(body: str = message("{{ text }}") + ANSWER, inputs: str = INPUTS) -> Template:
    return make_template(body, inputs=inputs, header="wanted: label\n")


def test_a_chat_with_wanted_is_no_chat_to_train_on() -> None:
    template = judged()
    assert template.forms == [Form.UNPAIRED]
    assert judged(message("{{ text }}") + ANSWER + "{% text %}{{ text }}{% endtext %}").forms == [Form.COMPLETION, Form.UNPAIRED]
    rendered = template.render({"text": "When?", "answer": "Now.", "label": "no"})
    assert (rendered.wanted, rendered.messages) == (False, [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "Now."}])


def test_compiled_and_fallback_say_the_same() -> None:
    template = judged()
    frame = pl.DataFrame(ROWS, schema={"text": pl.String, "answer": pl.String, "label": pl.String})
    chosen = plan(template)
    assert assert_same(template, chosen, frame) == 4
    assert evaluate(chosen, frame)["#wanted"].to_list()[:4] == [True, False, True, False]
    slow = render_frame(template, frame)
    assert slow.schema == RENDERED_SCHEMA
    assert slow["wanted"].to_list() == [True, False, True, False, None, None]
    assert slow["#reason"].to_list() == [None] * 4 + ["bad_value"] * 2


def test_a_chat_that_is_there_for_some_rows_is_judged_in_those() -> None:
    body = "{% if label %}" + message("{{ text }}") + ANSWER + "{% endif %}{% text %}{{ text }}{% endtext %}"
    template = judged(body)
    frame = pl.DataFrame(ROWS[:4], schema={"text": pl.String, "answer": pl.String, "label": pl.String})
    chosen = plan(template)
    assert assert_same(template, chosen, frame) == 4
    assert evaluate(chosen, frame)["#wanted"].to_list() == [True, None, True, None]


def test_a_chat_that_ends_on_a_question_is_an_error_of_its_row() -> None:
    template = judged(ANSWER + message("{{ text }}"))
    with pytest.raises(RenderError, match="its chat does not end on an answer that 'wanted' could speak of"):
        template.render({"text": "When?", "answer": "Now.", "label": "no"})
    frame = pl.DataFrame(ROWS[:1], schema={"text": pl.String, "answer": pl.String, "label": pl.String})
    assert evaluate(plan(template), frame)["fallback_mask"].to_list() == [True]


@pytest.mark.parametrize(
    ("body", "inputs", "words"),
    [
        (ANSWER, "{answer: str}", "'wanted' names 'label', which is no input"),
        (ANSWER, "{answer: str, label: str}", "'wanted' names 'label', which is of type str. Declare it: inputs: {label: bool}"),
        ("{% text %}{{ answer }}{% endtext %}", "{answer: str, label: bool}", "has 'wanted' without 'message'"),
        (
            ANSWER + "{% chosen %}a{% endchosen %}{% rejected %}b{% endrejected %}",
            "{answer: str, label: bool}",
            "has both 'wanted' and 'chosen'",
        ),
    ],
)
def test_a_judgement_of_nothing_is_refused(body: str, inputs: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        judged(body, inputs)
