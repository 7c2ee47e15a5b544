"""Killed in the middle of an epoch, a run goes on as if nothing had happened."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from loopwright.config import load_section, overlay
from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train import several
from tests.train.conftest import reviews
from tests.train.masked import cloze_rows
from tests.train.objectives.judged import write_judged
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.engine.passes import Passes, with_baselines
from train.methods.base import METHODS
from train.run import train

# Batches of 2 out of 11 examples: 6 steps an epoch; checkpoints after steps 4, 6, 8, 9 (half of all), 12 ... Step 11 (from 0) dies, so
# that 9 and 10 are lost.
_DIES = """
import os, signal
from tests.train import several
from train.cli.app import main
from train.engine import loop
several.register()
step = loop.Trainer._step
def dying(self, number, *rest):
    if number == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, *rest)
loop.Trainer._step = dying
main()
"""


@pytest.fixture
def killed(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Starts a run of some objective that dies in step 11; returns its folder and its config file."""

    def start(objective: str = "chat", dataset: Path = dataset_dir, **changes: Any) -> tuple[Path, Path]:
        config_path = tmp_path / "config.yaml"
        section = {"model": str(tiny_model_dir), "batch_size": 2, "epochs": 3, "checkpoint_every": 4, "learning_rate": 0.01}
        section |= {"dtype": "float32", "objective": objective, "lora": {"dropout": 0.2}, "leaks": "allow", **changes}
        config_path.write_text(json.dumps({"train": section}), encoding="utf-8")
        run_dir = tmp_path / "killed"
        command = [sys.executable, "-c", _DIES, "run", str(dataset), "--out", str(run_dir), "--config", str(config_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
        assert result.returncode == -signal.SIGKILL, result.stderr
        state = json.loads((run_dir / "checkpoint" / "state.json").read_text(encoding="utf-8"))
        assert state["progress"]["num_steps"] == 9
        assert not (run_dir / "run.json").exists()
        with (run_dir / "metrics.jsonl").open("a", encoding="utf-8") as file:  # as where the kill cuts a line
            file.write('{"step": 12, "ep')
        return run_dir, config_path

    return start


def goes_on_as_unbroken(dataset: Path, killed_dir: Path, unbroken_dir: Path, config: TrainConfig) -> None:
    unbroken = train(dataset, unbroken_dir, config)
    resumed = train(dataset, killed_dir, config, resume=True)
    of_the_machine = {"seconds", "tokens_per_second", "peak_memory_bytes", "product_rate", "share_of_peak"}
    assert resumed.model_dump(exclude=of_the_machine) == unbroken.model_dump(exclude=of_the_machine)
    names = sorted(path.name for path in unbroken_dir.iterdir())
    assert names == sorted(path.name for path in killed_dir.iterdir())
    assert {"ledger.parquet", *METHODS.get(config.method).file_names} <= set(names)
    for name in {*names} - {"run.json", "metrics.jsonl", "report.html", "checkpoints"}:
        assert (killed_dir / name).read_bytes() == (unbroken_dir / name).read_bytes(), name
    assert metrics(killed_dir) == metrics(unbroken_dir)
    kept = [path.name for path in sorted((unbroken_dir / "checkpoints").iterdir())]
    assert f"step-{unbroken.best_step}" in kept
    for name in kept:
        for file in ("tensors.safetensors", "ledger.parquet"):
            found, expected = (folder / "checkpoints" / name / file for folder in (killed_dir, unbroken_dir))
            assert found.read_bytes() == expected.read_bytes(), (name, file)


def metrics(run_dir: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "full"},
        {"method": "full", "optimizer": "adafactor", "schedule": "wsd", "weight_decay": 0.1},
        {"method": "freeze", "freeze": {"layers": 1}, "normalize": "example"},
        {"lora": {"dropout": 0.2, "dora": True, "rslora": True, "plus_ratio": 8.0}, "early_stopping": 2},
        pytest.param({"compile": True}, marks=pytest.mark.slow),
    ],
    ids=["full", "adafactor", "freeze", "lora", "compiled"],
)
def test_killed_run_of_each_method_and_optimizer_resumes_to_the_same_bytes(
    changes: dict[str, Any], dataset_dir: Path, tmp_path: Path, killed: Callable[..., tuple[Path, Path]]
) -> None:
    run_dir, config_path = killed(**changes)
    goes_on_as_unbroken(dataset_dir, run_dir, tmp_path / "unbroken", load_section(config_path, "train", TrainConfig))


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


@pytest.mark.parametrize("objective", ["pair", "choice", "preference", "reward", "unpaired"])
def test_killed_run_of_several_sequences_a_row_resumes_to_the_same_bytes(
    objective: str, tmp_path: Path, killed: Callable[..., tuple[Path, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = (write_judged if objective == "unpaired" else several.write_rows)(tmp_path / "several")
    run_dir, config_path = killed(objective, dataset)
    asked: list[int] = []
    ask = Passes.ask_reference

    def counting(self: Passes, examples: list[TrainingExample]) -> None:
        asked.append(len(with_baselines(examples)))
        ask(self, examples)

    monkeypatch.setattr(Passes, "ask_reference", counting)
    several.register()
    try:
        goes_on_as_unbroken(dataset, run_dir, tmp_path / "unbroken", load_section(config_path, "train", TrainConfig))
    finally:
        several.unregister()
    # Of the model that the run began with, once: by the unbroken run, and never again by the one that goes on. Proofs ask of fewer rows.
    number = {"pair": 14, "preference": 14, "unpaired": 28}.get(objective)  # each row's, and its other answer's
    assert asked.count(number or 0) == (number is not None)
    assert max(asked, default=0) == (number or 0)


@pytest.mark.parametrize("objective", ["verbalizer", "cloze", "completion"])
def test_killed_runs_of_choices_and_of_documents_resume_to_the_same_bytes(
    objective: str, tmp_path: Path, killed: Callable[..., tuple[Path, Path]], masked_dirs: dict[str, Path]
) -> None:
    texts = [{"text": f"The soup of order {index} was slow. " * (index + 1), "split": "train"} for index in range(11)]
    texts += [{"text": "The waiter was great. " * 20, "split": "validation"}]
    rows = {"verbalizer": [*reviews(), *cloze_rows()], "cloze": [*cloze_rows(), *reviews()], "completion": texts}
    more: dict[str, dict[str, Any]] = {"cloze": {"model": str(masked_dirs["roberta"])}, "completion": {"max_length": 16}}
    dataset = write_dataset(tmp_path / "data", rows[objective])
    # The documents' windows go through many forward passes, some of them with windows of several documents.
    run_dir, config_path = killed(objective, dataset, micro_batch_tokens=60, **more.get(objective, {}))
    goes_on_as_unbroken(dataset, run_dir, tmp_path / "unbroken", load_section(config_path, "train", TrainConfig))


def _forget_method(path: Path) -> None:
    """Makes a checkpoint one of a version that had no choice of methods, nor the options that came after it."""
    state = json.loads(path.read_text(encoding="utf-8"))
    assert state["identity"]["config"].pop("method") == "lora"
    for name in (
        "seeds",
        "optimizer",
        "normalize",
        "freeze",
        "quantize",
        "best",
        "early_stopping",
        "keep_checkpoints",
        "verbalizer_loss",
        "stride",
    ):
        del state["identity"]["config"][name]
    for name in ("rslora", "dora", "plus_ratio"):
        del state["identity"]["config"]["lora"][name]
    path.write_text(json.dumps(state), encoding="utf-8")


def test_resume_without_a_checkpoint_starts_from_the_beginning(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> None:
    config = TrainConfig(model=str(tiny_model_dir), max_steps=1, dtype="float32", leaks="allow")
    assert train(dataset_dir, tmp_path / "run", config, resume=True).num_steps == 1


def test_damaged_checkpoint_is_an_error(tiny_model_dir: Path, dataset_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoint").mkdir(parents=True)
    (tmp_path / "run" / "checkpoint" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="the checkpoint cannot be read"):
        train(dataset_dir, tmp_path / "run", TrainConfig(model=str(tiny_model_dir), leaks="allow"), resume=True)


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
    config = TrainConfig(model=str(tiny_model_dir), max_steps=1, dtype="float32", leaks="allow")
    with pytest.raises(UserError, match=r"cannot write: .*No space left on device"):
        train(dataset_dir, tmp_path / "run", config)
    assert [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()] == ["metrics.jsonl"]
