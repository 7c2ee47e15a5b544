"""Demonstrations stand before what is asked, come from train alone, and are never the answer itself."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.data.rows import EvalRow, load_rows
from evals.run import evaluate_dataset
from evals.systems.added import with_added
from evals.systems.base import EvalContext
from evals.systems.demonstrations import Demonstrations
from evals.systems.fewshot import FewShot
from evals.systems.nearest import Nearest
from evals.systems.spec import SystemSpec
from evals.testing import chats, check_system
from prep.dataset.manifest import Dataset
from templates.chat import Message
from templates.form import Form
from tests.evals.conftest import make_run, options
from train.inference.language_model import LanguageModel


@pytest.fixture
def context(reviews: Path) -> EvalContext:
    dataset = Dataset.open(reviews)
    return EvalContext(load_rows(dataset, "validation")[0], load_rows(dataset, "train")[0], Form.VERBALIZER, EvalsConfig())


def test_they_are_the_same_for_all_rows_and_take_the_labels_in_turns(context: EvalContext) -> None:
    demonstrations = Demonstrations.of(context, 4)
    shown = [demonstrations.before(row) for row in context.rows]
    assert all(len(rows) == 4 and {row.split for row in rows} == {"train"} for rows in shown)
    assert all(len({row.reference for row in rows[:2]}) == 2 for rows in shown)
    assert len({tuple(row.id for row in rows) for rows in shown}) <= 3  # but for what is near one of them
    other = replace(context, config=EvalsConfig(seed=3))
    assert [row.id for row in Demonstrations.of(other, 4).before(context.rows[0])] != [row.id for row in shown[0]]


def test_a_row_never_gets_itself_its_group_or_what_is_nearly_it(context: EvalContext) -> None:
    train = context.train_rows
    first = Demonstrations.of(context, 1).before(context.rows[0])[0]
    text = first.messages[0]["content"] if first.messages else first.prompt
    twin = replace(context.rows[0], prompt=first.prompt, messages=first.messages)
    grouped = [replace(row, group="one") for row in train[:3]]
    for asked, known in ((twin, train), (first, train), (replace(context.rows[0], group="one"), [*grouped, *train[3:]])):
        made = Demonstrations.of(replace(context, rows=[asked], train_rows=known), len(known))
        got = made.before(asked)
        assert (got and first.id not in {row.id for row in got}) or asked.group == "one"
        assert not {row.id for row in grouped} & {row.id for row in got} or asked.group is None
        assert text


def test_a_chat_has_them_as_earlier_turns_behind_its_system_message_and_raw_text_before_it() -> None:
    train, _ = chats(["", ""], ["Paris", "Rome"], ["Capital of France?", "And Italy, what is its seat of government?"])
    system: list[Message] = [{"role": "system", "content": "Be short."}]
    train = [replace(row, split="train", messages=[*system, *(row.messages or [])]) for row in train]
    asked = replace(
        train[0], id="x", row_id="x", messages=[*system, {"role": "user", "content": "Spain?"}, {"role": "assistant", "content": "Madrid"}]
    )
    context = EvalContext([asked], train, Form.CHAT, EvalsConfig())
    [row] = with_added(context, [SystemSpec("fewshot", "2")]).rows
    assert row.messages is not None
    assert [message["role"] for message in row.messages] == ["system", *["user", "assistant"] * 3]
    assert row.messages[-2:] == asked.messages[-2:] if asked.messages else False
    assert not context.notes
    raw = EvalRow(
        **{
            **{name: getattr(asked, name) for name in EvalRow.__slots__},
            "messages": None,
            "prompt": "Spain:",
            "target": " Madrid",
            "choices": [" Madrid"],
            "label": 0,
        }
    )
    known = [
        replace(raw, id=str(index), row_id=str(index), prompt=f"{place}:", target=" Here", choices=[" Here"])
        for index, place in enumerate(("France", "Italy"))
    ]
    context = EvalContext([raw], known, Form.VERBALIZER, EvalsConfig())
    [row] = with_added(context, [SystemSpec("fewshot", "3")]).rows
    assert row.prompt is not None and row.prompt.endswith(": Here\n\nSpain:") and row.prompt.count(" Here\n\n") == 2
    assert "fewshot:3: the train split has 2 fit demonstrations" in context.notes[0]


def test_they_keep_the_contract_of_systems(context: EvalContext, tiny_model_dir: Path) -> None:
    context.model = LanguageModel(str(tiny_model_dir), "float32", {})
    check_system(FewShot, "fewshot:2", context)
    rows, _ = chats([""] * 3, ["a b", "c d", "e f"], ["red green blue", "one two three", "spring summer autumn"])
    asked, _ = chats([""], ["?"], ["one two four"])
    written = EvalContext(asked, [replace(row, split="train") for row in rows], Form.CHAT, EvalsConfig())
    check_system(Nearest, "nearest", written)
    assert [one.text for one in Nearest(SystemSpec("nearest")).answer(written, lambda _: None)] == ["c d"]


def test_other_base_models_and_demonstrations_before_an_adapter_are_systems_of_one_evaluation(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path
) -> None:
    run = make_run(tmp_path / "run", tiny_model_dir)
    systems = ("base", f"base:{tiny_model_dir}", "fewshot:2", f"adapter:{run}", f"adapter:{run}+fewshot:2", "constant")
    report = evaluate_dataset(reviews, tmp_path / "out", options(model=str(tiny_model_dir), systems=systems))
    assert list(report.systems) == list(systems)
    table = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    scores = {name: table.filter(system=name)["choice_loglikelihoods"].to_list() for name in systems}
    assert scores["base"] == scores[f"base:{tiny_model_dir}"]
    assert len({str(scores[name]) for name in systems}) == len(systems) - 1
    alone = evaluate_dataset(reviews, tmp_path / "alone", options(systems=(f"base:{tiny_model_dir}", "constant"), form="chat"))
    assert alone.model is None and alone.systems[f"base:{tiny_model_dir}"].metrics == report.systems["base"].metrics
