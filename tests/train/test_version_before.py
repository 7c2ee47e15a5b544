"""Datasets, runs and checkpoints of version 0.1.0: they are trained on, loaded and gone on with."""

from pathlib import Path

import pytest

from loopwright.config import load_section
from prep.build.run import build
from templates.form import Form
from tests.helpers import copy_before
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.run import train
from train.runs.record import RunRecord

_TIMES = {"seconds", "tokens_per_second", "dataset", "peak_memory_bytes", "product_rate", "share_of_peak"}
_ROUND = Path("rounds") / "round-001"


@pytest.fixture
def folder(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the version before wrote, as the current folder: its paths are relative."""
    folder = copy_before(tmp_path / "before", tiny_model_dir)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def options(folder: Path) -> TrainConfig:
    return load_section(folder / "loop.yaml", "train", TrainConfig)


def test_its_dataset_trains_as_a_build_of_now(folder: Path, options: TrainConfig) -> None:
    rebuilt = build(folder / "loop.yaml", folder / "rebuilt").out
    options = options.model_copy(update={"leaks": "allow"})  # its validation rows repeat those of train
    old = train(_ROUND / "dataset", folder / "old", options)
    new = train(rebuilt, folder / "new", options)
    assert old.model_dump(exclude=_TIMES) == new.model_dump(exclude=_TIMES)
    for name in ("ledger.parquet", "adapter_model.safetensors"):
        assert (folder / "old" / name).read_bytes() == (folder / "new" / name).read_bytes(), name


@pytest.mark.parametrize("is_rebuilt", [False, True], ids=["its own dataset", "that dataset built again"])
def test_its_checkpoint_is_gone_on_with(folder: Path, options: TrainConfig, is_rebuilt: bool) -> None:
    dataset = build(folder / "loop.yaml", folder / "rebuilt").out if is_rebuilt else folder / _ROUND / "dataset"
    resumed = train(dataset, folder / "interrupted", options, resume=True)
    assert (resumed.num_steps, resumed.form, resumed.dropped_other_form) == (4, Form.CHAT, [])
    assert not (folder / "interrupted" / "checkpoint").exists()


def test_its_run_is_read_and_answers(folder: Path, options: TrainConfig) -> None:
    record = RunRecord.load(_ROUND / "run")
    assert (record.form, record.objective, record.loopwright_version) == (Form.CHAT, "chat", "0.1.0")
    assert train(_ROUND / "dataset", _ROUND / "run", options, resume=True) == record, "a finished run is returned as it is"
    assert Comparison.load(_ROUND / "run", max_new_tokens=3).ask("The soup was lovely.").question == "The soup was lovely."


@pytest.mark.parametrize("is_rebuilt", [False, True])
def test_what_a_pair_answers_is_not_trained_as_a_chat(folder: Path, options: TrainConfig, is_rebuilt: bool) -> None:
    dataset = build(folder / "forms.yaml", folder / "rebuilt").out if is_rebuilt else folder / "dataset"
    record = train(dataset, folder / "run", options)
    left_out = {example_id.split("/", 1)[1] for example_id in record.dropped_other_form}
    assert left_out == {f"mine/{name}/0" for name in ("cloze", "note", "pair", "story", "maybe")}
    assert record.num_examples == 10 + 3 + 1  # reviews, conversations, and the one row of mine/maybe that is no pair
