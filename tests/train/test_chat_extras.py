"""What a chat has beside role and content reaches training: weights, calls and tools."""

import json
from pathlib import Path

import pytest

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import write_dataset
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.objectives.base import OBJECTIVES

CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}


def load(folder: Path, model: Path, extras: dict[str, object]) -> TrainingData:
    messages = [
        {"role": "user" if index % 2 == 0 else "assistant", "content": text} for index, text in enumerate(("a", "bad", "x", "good"))
    ]
    dataset = Dataset.open(write_dataset(folder / "data", [{"messages": messages, "extras": json.dumps(extras)}]))
    config = TrainConfig()
    return load_examples(dataset, OBJECTIVES.get("chat")(config), load_tokenizer(str(model)), config, 512)


def test_a_turn_of_weight_0_is_not_trained(tmp_path: Path, tiny_model_dir: Path) -> None:
    [example] = load(tmp_path, tiny_model_dir, {"messages": [None, {"weight": 0}, None, None]}).train
    assert [piece.text for piece in example.sequences[0].encoded.pieces() if piece.trained] == ["good<|im_end|>"]


def test_calls_that_the_chat_template_leaves_out_are_an_error_of_their_row(tmp_path: Path, tiny_model_dir: Path) -> None:
    with pytest.raises(UserError, match=r"data\.jsonl:1: row row0 cannot be trained on: the chat template leaves out the call"):
        load(tmp_path, tiny_model_dir, {"messages": [None, None, None, {"tool_calls": [CALL]}]})
