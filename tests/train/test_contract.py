"""The contracts of objectives and methods as functions: ours and those of the tests keep them, and each way to break one is told."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.masked import cloze_rows, wordpiece_tokenizer
from tests.train.methods.test_methods import LastLayer
from tests.train.several import Choice, Pair, Turns, rows
from train.config import TrainConfig
from train.methods.base import METHODS, Method
from train.methods.lora import Lora
from train.models.load import load_model
from train.objectives.base import OBJECTIVES, Objective, TokenScores
from train.objectives.chat import Chat
from train.testing import check_method, check_objective

CHATS = [{**row, "messages": [*row["messages"], *row["chosen"]], "chosen": None} for row in rows(3, 0)]
JUDGED = [{**row, "wanted": place != 1} for place, row in enumerate(CHATS)]
TOLD = "What.\n\n## What it trains\nThis.\n\n## What it saves\nThat."


@pytest.mark.parametrize("objective", [*OBJECTIVES.entries.values(), Turns, Pair, Choice], ids=lambda one: one.name)
def test_every_objective_keeps_the_contract(objective: type[Objective], tokenizer: Any) -> None:
    told = (
        type(objective.__name__, (objective,), {"__doc__": f"{objective.__doc__}\n{TOLD}"})
        if objective in {Turns, Pair, Choice}
        else objective
    )
    examples = {
        "chat": CHATS,
        "turns": CHATS,
        "completion": [{"text": "The soup was great. " * 30}, {"text": "The waiter was slow."}],
        "cloze": cloze_rows(3, 0),
        "unpaired": JUDGED,
    }
    used = wordpiece_tokenizer() if objective.name == "cloze" else tokenizer
    for options in ({}, {"max_length": 32}, {"verbalizer_loss": "target"}):
        check_objective(told, used, examples.get(objective.name, rows(3, 0)), TrainConfig.model_validate(options))


def mean_of_batch(self: Chat, scores: TokenScores) -> torch.Tensor:
    return scores.by_row(-scores.sequence_logprobs()) / scores.num_rows


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"__doc__": "Nothing."}, "does not say in its docstring what it trains"),
        ({"row_losses": mean_of_batch, "loss": Objective.loss}, "a row's loss depends on the rows beside it"),
        ({"row_losses": mean_of_batch}, "not the sum of its rows' losses"),
        ({"row_losses": lambda _, scores: -scores.sequence_logprobs().sum()}, "one a row"),
        ({"row_losses": lambda _, scores: scores.by_row(scores.sequence_logprobs() * float("nan"))}, "a loss that is no number"),
        ({"normalizer": lambda *_: 0.0}, "example 1 counts for nothing"),
        ({"encode": lambda *_: ()}, "example 1 becomes no sequence"),
    ],
)
def test_each_way_to_break_an_objective_is_told(changes: dict[str, Any], cause: str, tokenizer: Any) -> None:
    broken = type("Broken", (Chat,), {"__doc__": Chat.__doc__, **changes})
    with pytest.raises(AssertionError, match=cause):
        check_objective(broken, tokenizer, CHATS)


def test_sequences_that_cannot_go_apart_are_told(tokenizer: Any) -> None:
    broken = type("Broken", (Choice,), {"__doc__": TOLD, "independent": True})
    with pytest.raises(AssertionError, match="is independent, and its sequences do not add up"):
        check_objective(broken, tokenizer, rows(3, 0))


@pytest.mark.parametrize("method", [*METHODS.entries.values(), LastLayer], ids=lambda one: one.name)
def test_every_method_keeps_the_contract(method: type[Method], tiny_model_dir: Path, tmp_path: Path) -> None:
    told = type("LastLayer", (LastLayer,), {"__doc__": TOLD}) if method is LastLayer else method
    check(told, tiny_model_dir, tmp_path)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"file_names": ("adapter_model.safetensors",)}, "writes .*adapter_config"),
        ({"fresh": lambda _, model: model.requires_grad_(False)}, "trains nothing"),
        ({"fresh": lambda _, model: model.to(torch.bfloat16)}, "small updates are lost"),
        ({"require_saved": classmethod(lambda *_: None)}, "takes an empty folder"),
        ({"using": classmethod(lambda cls, model, _: Lora.using(model, "tuned"))}, "switched off"),
    ],
)
def test_each_way_to_break_a_method_is_told(changes: dict[str, Any], cause: str, tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=cause):
        check(type("Broken", (Lora,), {"__doc__": Lora.__doc__, **changes}), tiny_model_dir, tmp_path)


def check(method: type[Method], model_dir: Path, folder: Path) -> None:
    (folder / "run").mkdir()
    check_method(method, lambda: load_model(str(model_dir), "float32"), torch.arange(3, 23)[None], folder / "run", TrainConfig())
