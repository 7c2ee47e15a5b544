"""Killed in the middle of an epoch, a run goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from loopwright.config import load_section, overlay
from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train import several
from tests.train.conftest import reviews
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.engine.loop import Trainer
from train.engine.reference import Reference
from train.run import train

# Batches of 2 out of 11 examples: 6 steps an epoch; checkpoints after steps 4, 6, 8, 12 ... Step 10 (from 0) dies, so 9 and 10 are lost.
_DIES = """
import os, signal
from tests.train import several
from train import cli
from train.engine import loop
several.register()
step = loop.Trainer._step
def dying(self, number, *rest):
    if number == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, *rest)
loop.Trainer._step = dying
cli.main()
"""


@pytest.fixture
def killed(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Starts a run of some objective that dies in step 10; returns its folder and its config file."""

    def start(objective: str = "chat", dataset: Path = dataset_dir) -> tuple[Path, Path]:
        config_path = tmp_path / "config.yaml"
        section = {"model": str(tiny_model_dir), "batch_size": 2, "epochs": 3, "checkpoint_every": 4, "learning_rate": 0.01}
        section |= {"dtype": "float32", "objective": objective, "lora": {"dropout": 0.2}}
        config_path.write_text(json.dumps({"train": section}), encoding="utf-8")
        run_dir = tmp_path / "killed"
        command = [sys.executable, "-c", _DIES, "run", str(dataset), "--out", str(run_dir), "--config", str(config_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
        assert result.returncode == -signal.SIGKILL, result.stderr
        state = json.loads((run_dir / "checkpoint" / "state.json").read_text(encoding="utf-8"))
        assert state["progress"]["num_steps"] == 8
        assert not (run_dir / "run.json").exists()
        return run_dir, config_path

    return start


def goes_on_as_unbroken(dataset: Path, killed_dir: Path, unbroken_dir: Path, config: TrainConfig) -> None:
    unbroken = train(dataset, unbroken_dir, config)
    resumed = train(dataset, killed_dir, config, resume=True)
    times = {"seconds", "tokens_per_second"}
    assert resumed.model_dump(exclude=times) == unbroken.model_dump(exclude=times)
    for name in ("ledger.parquet", "adapter_model.safetensors"):
        assert (killed_dir / name).read_bytes() == (unbroken_dir / name).read_bytes(), name
    assert not (killed_dir / "checkpoint").exists()


def test_killed_run_resumes_to_the_same_bytes(dataset_dir: Path, tmp_path: Path, killed: Callable[..., tuple[Path, Path]]) -> None:
    run_dir, config_path = killed()
    config = load_section(config_path, "train", TrainConfig)
    with pytest.raises(UserError, match="holds an unfinished run"):
        train(dataset_dir, run_dir, config)
    with pytest.raises(UserError, match=r"another run: config.seed was 17, is 3"):
        train(dataset_dir, run_dir, overlay(config, {"seed": 3}, "train options"), resume=True)
    with pytest.raises(UserError, match="another run: dataset_key was"):
        train(_other_dataset(tmp_path), run_dir, config, resume=True)
    _forget_method(run_dir / "checkpoint" / "state.json")
    goes_on_as_unbroken(dataset_dir, run_dir, tmp_path / "unbroken", config)


@pytest.mark.parametrize("objective", ["pair", "choice"])
def test_killed_run_of_several_sequences_a_row_resumes_to_the_same_bytes(
    objective: str, tmp_path: Path, killed: Callable[..., tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = several.write_rows(tmp_path / "several")
    run_dir, config_path = killed(objective, dataset)
    asked: list[int] = []
    ask = Trainer._ask_reference

    def counting(self: Trainer, examples: list[TrainingExample]) -> Reference:
        asked.append(len(examples))
        return ask(self, examples)

    monkeypatch.setattr(Trainer, "_ask_reference", counting)
    several.register()
    try:
        goes_on_as_unbroken(dataset, run_dir, tmp_path / "unbroken", load_section(config_path, "train", TrainConfig))
    finally:
        several.unregister()
    # Of the model that the run began with, once: by the unbroken run, and never again by the one that goes on. Proofs ask of fewer rows.
    assert asked.count(14) == (objective == "pair")
    assert max(asked, default=14) == 14


def _forget_method(path: Path) -> None:
    """Makes a checkpoint one of a version that had no choice of methods."""
    state = json.loads(path.read_text(encoding="utf-8"))
    assert state["identity"]["config"].pop("method") == "lora"
    path.write_text(json.dumps(state), encoding="utf-8")


def test_resume_without_a_checkpoint_starts_from_the_beginning(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(model=str(tiny_model_dir), max_steps=1, dtype="float32")
    assert train(dataset_dir, tmp_path / "run", config, resume=True).num_steps == 1


def test_damaged_checkpoint_is_an_error(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoint").mkdir(parents=True)
    (tmp_path / "run" / "checkpoint" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="the checkpoint cannot be read"):
        train(dataset_dir, tmp_path / "run", TrainConfig(model=str(tiny_model_dir)), resume=True)


def _other_dataset(tmp_path: Path) -> Path:
    folder = write_dataset(tmp_path / "other", reviews())
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("0" * 32, "1" * 32), encoding="utf-8")
    return folder


def test_a_full_disk_is_an_error_and_leaves_no_half_checkpoint(
    tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("train.engine.checkpoint.save_file", full)
    config = TrainConfig(model=str(tiny_model_dir), max_steps=1, dtype="float32")
    with pytest.raises(UserError, match=r"cannot write: .*No space left on device"):
        train(dataset_dir, tmp_path / "run", config)
    assert not list((tmp_path / "run").iterdir())
