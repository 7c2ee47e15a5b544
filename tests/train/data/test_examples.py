from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import UserError, UserErrors
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import review, write_dataset
from tests.train.conftest import reviews
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.data.order import epoch_order
from train.objectives.base import OBJECTIVES
from train.runs.record import mask_proof

Load = Callable[..., TrainingData]


@pytest.fixture
def load(tmp_path: Path, tiny_model_dir: Path) -> Load:
    def load_rows(rows: list[dict[str, Any]], length_limit: int = 512, **changes: Any) -> TrainingData:
        dataset = Dataset.open(write_dataset(tmp_path / "data", rows))
        config = TrainConfig.model_validate(changes)
        return load_examples(dataset, OBJECTIVES.get("chat")(config), load_tokenizer(str(tiny_model_dir)), config, length_limit)

    return load_rows


def test_trained_tokens_are_exactly_the_answer_and_its_end(load: Load, tiny_model_dir: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_model_dir))
    for example in load(reviews()).train:
        [sequence] = example.sequences
        trained = [token for token, weight in zip(sequence.encoded.input_ids, sequence.encoded.loss_weights, strict=True) if weight]
        assert sequence.targets == trained
        assert tokenizer.decode(trained) in {"positive<|im_end|>", "negative<|im_end|>"}


def test_mask_proof_covers_the_text_and_marks_the_answer(load: Load) -> None:
    example = load(reviews()).train[0]
    [sequence] = example.sequences
    sample = mask_proof(example.id, [("", sequence.encoded)])
    assert "".join(span.text for span in sample.spans) == sequence.encoded.text
    assert [span.text for span in sample.spans if span.trained] == ["positive<|im_end|>"]


def test_every_bad_row_is_named_with_its_place(load: Load) -> None:
    untrained = {"messages": [{"role": "user", "content": "no answer"}]}
    empty_role = review("fine", 1, messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "  "}])
    rows = [review("fine", 1), untrained, review("long " * 400, 1), empty_role]
    with pytest.raises(UserErrors) as caught:
        load(rows, length_limit=200)
    text = str(caught.value)
    assert "data.jsonl:2: row row1 has no trained token" in text
    assert "data.jsonl:3: row row2 has" in text
    assert "where the limit is 200" in text
    assert "row0" not in text


def test_too_long_rows_are_left_out_by_id_where_asked(load: Load) -> None:
    data = load([review("fine", 1), review("long " * 400, 1)], length_limit=200, truncation="drop")
    assert [example.row_id for example in data.train] == ["row0"]
    assert data.too_long == ["row1/reviews/sentiment/0"]


def test_rows_of_another_form_are_listed(load: Load) -> None:
    data = load([review("fine", 1), review("fine too", 1, messages=None)])
    assert data.other_form == ["row1/reviews/sentiment/0"]


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([review("fine", 1, split="test")], "the train split is empty"),
        ([review("fine", 1, messages=None)], "no training example has the chat form"),
    ],
)
def test_nothing_to_train_on_is_said(load: Load, rows: list[dict[str, Any]], cause: str) -> None:
    with pytest.raises(UserError, match=cause):
        load(rows)


def test_what_a_pair_answers_is_no_chat(load: Load) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    answers = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    data = load([*reviews(), {"row_id": "pair", "messages": turns, **answers}])
    assert [example_id.split("/")[0] for example_id in data.other_form] == ["pair"]
    assert "pair" not in {example.row_id for example in data.train}


def test_all_rows_too_long_is_said(load: Load) -> None:
    with pytest.raises(UserError, match="all 1 training examples exceed"):
        load([review("long " * 400, 1)], length_limit=200, truncation="drop")


def test_system_prompt_is_kept_where_it_is_one(load: Load) -> None:
    assert load(reviews()).system_prompt == "You sort restaurant reviews."
    other = review("fine", 1, messages=[{"role": "user", "content": "fine"}, {"role": "assistant", "content": "positive"}])
    assert load([*reviews(), other]).system_prompt is None


def test_order_follows_from_seed_and_epoch_alone(load: Load) -> None:
    examples = load(reviews()).train
    assert sorted(epoch_order(examples, 1, 0)) == list(range(len(examples)))
    assert epoch_order(examples, 1, 0) == epoch_order(examples, 1, 0)
    assert epoch_order(examples, 1, 0) != epoch_order(examples, 1, 1)
    assert epoch_order(examples, 1, 0) != epoch_order(examples, 2, 0)
    # A row that is added moves no other past another.
    fewer = epoch_order(examples[:-1], 1, 0)
    assert fewer == [index for index in epoch_order(examples, 1, 0) if index < len(fewer)]


def test_every_objective_is_documented() -> None:
    for name, objective in OBJECTIVES.entries.items():
        assert name == objective.name
        assert "## What it trains" in (objective.__doc__ or "")
