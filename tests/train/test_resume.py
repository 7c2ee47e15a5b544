"""Killed in the middle of an epoch, a run goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from loopwright.config import load_section, overlay
from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train.conftest import reviews
from train.config import TrainConfig
from train.run import train

# Batches of 2 out of 11 examples: 6 steps an epoch; checkpoints after steps 4, 6, 8, 12 ... Step 10 (from 0) dies, so 9 and 10 are lost.
_DIES = """
import os, signal
from train import cli, loop
step = loop.Trainer._step
def dying(self, number, *rest):
    if number == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, *rest)
loop.Trainer._step = dying
cli.main()
"""


def test_killed_run_resumes_to_the_same_bytes(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> None:
    config_path = tmp_path / "config.yaml"
    section = {"model": str(tiny_model_dir), "batch_size": 2, "epochs": 3, "checkpoint_every": 4, "learning_rate": 0.01, "dtype": "float32"}
    config_path.write_text(json.dumps({"train": {**section, "lora": {"dropout": 0.2}}}), encoding="utf-8")
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", _DIES, "run", str(dataset_dir), "--out", str(killed), "--config", str(config_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr
    state = json.loads((killed / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    assert state["progress"]["num_steps"] == 8
    assert not (killed / "run.json").exists()

    config = load_section(config_path, "train", TrainConfig)
    with pytest.raises(UserError, match="holds an unfinished run"):
        train(dataset_dir, killed, config)
    with pytest.raises(UserError, match=r"another run: config.seed was 17, is 3"):
        train(dataset_dir, killed, overlay(config, {"seed": 3}, "train options"), resume=True)
    with pytest.raises(UserError, match="another run: dataset_key was"):
        train(_other_dataset(tmp_path), killed, config, resume=True)

    unbroken = train(dataset_dir, tmp_path / "unbroken", config)
    resumed = train(dataset_dir, killed, config, resume=True)
    times = {"seconds", "tokens_per_second"}
    assert resumed.model_dump(exclude=times) == unbroken.model_dump(exclude=times)
    for name in ("ledger.parquet", "adapter_model.safetensors"):
        assert (killed / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name
    assert not (killed / "checkpoint").exists()


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

    monkeypatch.setattr("train.checkpoint.save_file", full)
    config = TrainConfig(model=str(tiny_model_dir), max_steps=1, dtype="float32")
    with pytest.raises(UserError, match=r"cannot write: .*No space left on device"):
        train(dataset_dir, tmp_path / "run", config)
    assert not list((tmp_path / "run").iterdir())
