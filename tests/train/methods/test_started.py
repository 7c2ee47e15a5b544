"""A run that begins with another's weights: exactly those, and only where they fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.train.conftest import Command
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.engine.loop import Trainer
from train.methods.base import METHODS, trainable
from train.methods.started import find_start, open_start
from train.models.load import load_model
from train.objectives.base import OBJECTIVES
from train.runs.record import RunRecord, StartRecord

Options = Callable[..., TrainConfig]


def begin(config: TrainConfig, data: TrainingData, start: Path | None = None) -> Trainer:
    objective, method = OBJECTIVES.get(config.objective)(config), METHODS.get(config.method)(config)
    return Trainer.begin(load_model(config.model, config.dtype), objective, method, data, start=start)


@pytest.fixture
def data(dataset_dir: Path, options: Options) -> TrainingData:
    config = options()
    return load_examples(Dataset.open(dataset_dir), OBJECTIVES.get("chat")(config), load_tokenizer(config.model), config, 512)


@pytest.mark.parametrize(
    "changes", [{}, {"lora": {"dora": True, "rslora": True}}, {"method": "full"}, {"method": "freeze", "freeze": {"layers": 1}}], ids=str
)
def test_a_run_begins_with_the_very_weights_that_another_saved(
    changes: dict[str, Any], options: Options, data: TrainingData, tmp_path: Path
) -> None:
    config = options(**changes)
    before = begin(config, data)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in trainable(before.model).values():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)
    tmp_path.joinpath("run").mkdir()
    METHODS.get(config.method)(config).save(before.model, tmp_path / "run")
    after = begin(config, data, tmp_path / "run")
    weights = trainable(after.model)
    assert weights.keys() == trainable(before.model).keys()
    assert all(torch.equal(weights[name], weight) for name, weight in trainable(before.model).items())
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    assert after.passes.mean_loss(data.train) == before.passes.mean_loss(data.train) != begin(config, data).passes.mean_loss(data.train)


def test_a_run_of_another_shape_base_or_method_is_not_started_from(
    finished_run: tuple[Path, RunRecord], options: Options, tmp_path: Path
) -> None:
    run_dir, record = finished_run
    model = Path(record.model_path)

    def start(base: Path = model, auto_class: str = record.auto_class, out: Path = tmp_path / "out", **changes: Any) -> None:
        open_start(options(start=str(run_dir), **changes), out, base, auto_class)

    start()
    start(lora={"dropout": 0.5, "plus_ratio": 16})
    for changes, told in (
        ({"lora": {"rank": 4}}, "lora.rank was 16, is 4"),
        ({"lora": {"alpha": 4, "targets": ["q_proj"]}}, r"lora.alpha was 32.0, is 4.0; lora.targets was all-linear, is \('q_proj',\)"),
        ({"method": "full"}, "method was lora, is full"),
        ({"auto_class": "AutoModelForSequenceClassification"}, "trains another kind of model"),
        ({"out": run_dir}, "cannot start from itself"),
        ({"out": run_dir / "next"}, "cannot start from itself"),
        ({"out": run_dir.parent}, "cannot start from itself"),
    ):
        with pytest.raises(UserError, match=told):
            start(**changes)
    other = tmp_path / "other"
    other.mkdir()
    for path in model.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    content = bytearray((other / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "model.safetensors").write_bytes(bytes(content))
    with pytest.raises(UserError, match="has other weights"):
        start(base=other)
    assert open_start(options(), tmp_path / "out", model, record.auto_class) is None


def test_what_a_run_started_from_is_found_again_or_said_to_be_gone(
    finished_run: tuple[Path, RunRecord], options: Options, tmp_path: Path
) -> None:
    run_dir, record = finished_run
    started = open_start(options(start=str(run_dir)), tmp_path, Path(record.model_path), record.auto_class)
    assert started is not None
    assert find_start(record.model_copy(update={"start": started.record()})) == started
    gone = record.model_copy(update={"start": StartRecord(run=str(tmp_path / "gone"), sha256=started.sha256)})
    assert "is not there any more" in str(find_start(gone))
    changed = record.model_copy(update={"start": StartRecord(run=str(run_dir), sha256="0" * 32)})
    assert "has other weights by now" in str(find_start(changed))
    assert find_start(record) is None


def test_a_start_that_is_not_fit_is_said_before_anything_is_written(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, command: Command
) -> None:
    given = ["run", dataset_dir, "--out", tmp_path / "out", "--model", tiny_model_dir, "--leaks", "allow"]
    code, _, err = command(*given, "--start", tmp_path / "nowhere")
    assert code == 2 and "no such run folder" in err
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_bytes((finished_run[0] / "run.json").read_bytes())
    code, _, err = command(*given, "--start", broken)
    assert code == 2 and "there is no adapter_config.json in it" in err
    config = tmp_path / "below" / "train.yaml"
    config.parent.mkdir()
    config.write_text(json.dumps({"train": {"start": "../broken"}}), encoding="utf-8")
    code, _, err = command(*given, "--config", config)
    assert code == 2 and "there is no adapter_config.json in it" in err, "relative to the config"
    (broken / "adapter_config.json").write_text("{}", encoding="utf-8")
    (broken / "adapter_model.safetensors").write_bytes(b"broken")
    code, _, err = command(*given, "--start", broken, "--dtype", "float32")
    assert code == 2 and "its adapter cannot be read" in err
    assert not (tmp_path / "out").exists()
