"""The policy step: a start that says two words, a reward model that likes one of them, and what becomes of the other."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from loopwright.errors import ExitCode, UserError
from prep.dataset.manifest import Dataset
from templates.chat import Message
from tests.helpers import write_dataset
from tests.train.conftest import Command
from train.api import export_run, report_run, verify_run
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.policy.config import RlhfConfig
from train.policy.prompts import read_prompts, require_prompts
from train.policy.reward_model import RewardModel
from train.policy.run import train_policy
from train.run import train
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_LIKED, _DISLIKED = "great", "slow"
_OTHERS = (_DISLIKED, "soup", "at", "The waiter and the bill", "wrong wrong wrong", "greatat", "again")  # what the start may say, too
_THINGS = ("soup", "bill", "waiter", "order", "replacement")


class Runs(NamedTuple):
    """What a policy step takes."""

    chats: Path
    pairs: Path
    start: Path
    reward: Path


def asked(index: int) -> list[Message]:
    return [{"role": "user", "content": f"Say of the {_THINGS[index % 5]} number {index} how it was."}]


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


def split_of(index: int) -> str:
    return "validation" if index % 4 == 3 else "train"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Runs:
    """A start that says the disliked word of two more often, and a reward model that has seen what it says against the liked one."""
    folder = tmp_path_factory.mktemp("rlhf")
    chats = [
        {"split": split_of(index), "messages": [*asked(index), said((_DISLIKED, _LIKED)[index // 2 % 2])], "label": None}
        for index in range(64)
    ]
    pairs = [
        {"split": split_of(index), "messages": asked(index), "chosen": [said(_LIKED)], "rejected": [said(_OTHERS[index % 7])]}
        for index in range(140)
    ]
    made = Runs(
        write_dataset(folder / "chats", chats), write_dataset(folder / "pairs", pairs, key="1" * 32), folder / "start", folder / "reward"
    )
    shared: dict[str, Any] = {"dtype": "float32", "leaks": "allow", "best": "last", "validation": False, "batch_size": 8}
    taught = {**shared, "model": str(tiny_model_dir), "method": "full", "learning_rate": 5e-3, "epochs": 40}  # no adapter teaches it words
    train(made.chats, folder / "taught", TrainConfig.model_validate(taught))
    export_run(folder / "taught", folder / "base", "merged")
    shared["model"] = str(folder / "base")
    train(made.chats, made.start, TrainConfig.model_validate({**shared, "learning_rate": 1e-3, "max_steps": 2}))
    train(made.pairs, made.reward, TrainConfig.model_validate({**shared, "objective": "reward", "learning_rate": 1e-2, "epochs": 6}))
    return made


def options(runs: Runs, **more: Any) -> RlhfConfig:
    return RlhfConfig.model_validate({"start": str(runs.start), "reward": str(runs.reward), "max_new_tokens": 6, **more})


@pytest.mark.slow
def test_the_planted_reward_rises_and_the_liked_word_is_said(runs: Runs, tmp_path: Path) -> None:
    liked, disliked = RewardModel.load(runs.reward).score([asked(3)] * 2, [_LIKED, _DISLIKED])
    assert liked is not None and disliked is not None and liked > disliked + 1
    record = train_policy(runs.chats, tmp_path / "run", options(runs, max_steps=60, learning_rate=2e-3, beta=0.5))
    assert record.rlhf is not None and record.rlhf.validation is not None
    change = record.rlhf.validation
    gap = liked - disliked
    assert change.before < disliked + 0.6 * gap, "the start says both"
    assert change.low is not None and change.low > 0.2 * gap and change.after > liked - 0.2 * gap
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 61)) and lines[-1]["kl"] > 0 and lines[0]["kl"] == pytest.approx(0, abs=1e-4)
    saved = RunRecord.load(tmp_path / "run")
    assert saved == record and saved.start is not None and saved.start.run == str(runs.start)
    answers = [Comparison.load([run]).ask(str(asked(1)[0]["content"])).tuned.strip() for run in (runs.start, tmp_path / "run")]
    assert answers == [_DISLIKED, _LIKED]
    for refused in (verify_run, report_run):
        with pytest.raises(UserError, match="it drew itself"):
            refused(tmp_path / "run")


@pytest.mark.slow
def test_the_command_says_what_came_of_it(runs: Runs, tmp_path: Path, command: Command) -> None:
    named = ["rlhf", runs.chats, "--out", tmp_path / "run", "--start", runs.start, "--reward", runs.reward]
    small = ["--batch-size", "2", "--max-new-tokens", "4"]
    code, out, _ = command(*named, *small, "--max-steps", "2", "--json")
    printed = json.loads(out)
    assert code == ExitCode.FINE and printed["num_steps"] == 2 and printed["rlhf"]["options"]["batch_size"] == 2
    code, out, err = command(*named, *small, "--max-steps", "1", "--overwrite")
    assert (code, out) == (ExitCode.FINE, "") and "Mean reward on 16 validation prompts:" in err


def test_prompts_are_what_comes_before_the_last_answer_and_each_once(tmp_path: Path, tokenizer: "PreTrainedTokenizerFast") -> None:
    turns = [*asked(1), said("great"), *asked(2)]
    rows: list[dict[str, Any]] = [
        {"messages": [*asked(0), said("great")]},
        {"messages": [*asked(0), said("slow")]},
        {"messages": [*turns, said("slow")]},
        {"messages": turns, "chosen": [said("great")], "rejected": [said("slow")]},
        {"messages": [{"role": "user", "content": "soup " * 300}, said("slow")]},
        {"messages": [*asked(4), said("great")], "split": "validation"},
    ]
    dataset = Dataset.open(write_dataset(tmp_path / "data", rows))
    found = read_prompts(dataset, "train", tokenizer, 200)
    require_prompts(dataset, "train", found, 2)
    with pytest.raises(UserError, match="a step takes 3 different prompts, and the train split has 2"):
        require_prompts(dataset, "train", found, 3)
    with pytest.raises(UserError, match="no prompts to draw answers for"):
        require_prompts(dataset, "train", read_prompts(dataset, "train", tokenizer, 2), 1)
    assert [[message["content"] for message in prompt] for prompt in found.messages] == [
        [asked(0)[0]["content"]],
        [asked(1)[0]["content"], "great", asked(2)[0]["content"]],
    ]
    assert found.num_left_out == 1


def test_what_does_not_fit_is_said_before_a_model_is_loaded(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = finished_run[0]
    code, _, err = command("rlhf", dataset_dir, "--out", tmp_path / "run", "--start", chat, "--reward", chat)
    assert code == ExitCode.COULD_NOT_RUN and "trained no reward model, but the objective 'chat'" in err
    assert command("rlhf", dataset_dir, "--out", tmp_path / "run", "--reward", chat)[0] == ExitCode.COULD_NOT_RUN
    monkeypatch.setattr("train.policy.run.importlib.util.find_spec", lambda _: None)
    code, _, err = command("rlhf", dataset_dir, "--out", tmp_path / "run", "--start", chat, "--reward", chat)
    assert code == ExitCode.COULD_NOT_RUN and "pip install 'loopwright[rlhf]'" in err
    assert not (tmp_path / "run").exists()
