"""The contract of systems as a function: those that need no model keep it, and each way to break it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.config import EvalsConfig
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import load_rows
from evals.systems.base import EvalContext, System
from evals.systems.constant import Constant
from evals.systems.linear import Linear
from evals.systems.spec import SystemSpec
from evals.testing import check_system
from prep.dataset.manifest import Dataset
from templates.chat import Message
from templates.form import Form


@pytest.fixture
def context(reviews: Path) -> EvalContext:
    dataset = Dataset.open(reviews)
    return EvalContext(load_rows(dataset, "validation")[0], load_rows(dataset, "train")[0], Form.VERBALIZER, EvalsConfig())


@pytest.mark.parametrize("system", [Constant, Linear])
def test_a_baseline_keeps_the_contract(system: type[System], context: EvalContext) -> None:
    check_system(system, system.name, context)


@pytest.mark.parametrize(
    ("texts", "state"), [(("😀 👍", "😡 👎"), PredictionState.OK), (("", " "), PredictionState.ERROR)], ids=["marks alone", "blank"]
)
def test_the_linear_baseline_takes_texts_without_words(texts: tuple[str, str], state: PredictionState, context: EvalContext) -> None:
    rows = context.train_rows[:8]
    choices = rows[0].choices
    assert choices is not None
    made = []
    for place, row in enumerate(rows):
        label = place % 2
        messages: list[Message] = [{"role": "user", "content": texts[label]}, {"role": "assistant", "content": choices[label]}]
        made.append(replace(row, label=label, messages=messages))
    system = Linear(SystemSpec.parse("linear", list(Linear.forms)))
    found = system.answer(EvalContext(made, made, Form.CHAT, EvalsConfig()), lambda _: None)
    assert {one.state for one in found} == {state}
    if state is PredictionState.OK:
        assert [one.text for one in found] == [row.reference for row in made]


def one_less(self: Constant, context: EvalContext, advance: Any) -> list[Prediction]:
    return Constant.answer(self, context, advance)[1:]


def silent(self: Constant, context: EvalContext, _: Any) -> list[Prediction]:
    return Constant.answer(self, context, lambda _: None)


def other_words(self: Constant, context: EvalContext, advance: Any) -> list[Prediction]:
    return [Prediction(one.id, PredictionState.OK, "perhaps") for one in Constant.answer(self, context, advance)]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(one_less, "answer each of its examples once"), (silent, "says that 0 of 24"), (other_words, "no choice: 'perhaps'")],
)
def test_each_way_to_break_it_is_told(answer: Any, cause: str, context: EvalContext) -> None:
    broken = type("Broken", (Constant,), {"__doc__": Constant.__doc__, "answer": answer})
    with pytest.raises(AssertionError, match=cause):
        check_system(broken, "constant", context)
