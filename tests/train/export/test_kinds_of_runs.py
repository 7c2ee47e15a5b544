"""Each kind of run, exported: all objectives' models, all methods, all seeds, and what bfloat16 loses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train.masked import cloze_rows
from train.api import export_run
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
IDS = torch.arange(3, 23)[None]


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Preference pairs, two of them of the validation split."""
    rows = [
        {
            "messages": [{"role": "user", "content": f"The soup was {word}"}],
            "chosen": [{"role": "assistant", "content": "positive"}],
            "rejected": [{"role": "assistant", "content": "negative"}],
            "split": "train" if index < 5 else "validation",
        }
        for index, word in enumerate(("great", "slow", "wrong", "fine", "cold", "late", "good"))
    ]
    return write_dataset(tmp_path_factory.mktemp("pairs") / "data", rows)


def test_weights_are_put_in_place(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(method="full", learning_rate=3e-3, epochs=1))
    found = export_run(tmp_path / "run", tmp_path / "out").record
    assert found.loss_before == pytest.approx(record.validation_loss, abs=1e-5)
    assert found.loss_after == pytest.approx(record.validation_loss, abs=1e-5)
    assert found.loaded.passed is True


def test_the_median_seed_is_exported_unless_another_is_named(finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    run = tmp_path / "run"
    for seed in (17, 18):
        shutil.copytree(finished_run[0], run / f"seed-{seed}")
    record = json.loads((finished_run[0] / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "seed": 18, "seeds": [17, 18]}))
    assert export_run(run, tmp_path / "median", "adapter").record.run == "run/seed-18"
    weights = run / "seed-17" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert export_run(run, tmp_path / "named", "adapter", seed=17).record.run == "run/seed-17"
    assert (tmp_path / "named" / "adapter_model.safetensors").read_bytes() == weights.read_bytes()
    with pytest.raises(UserError, match=r"the run has no seed 99.*Its seeds are 17, 18; without --seed it is 18"):
        export_run(run, tmp_path / "none", seed=99)


def test_bfloat16_loses_something_and_it_is_measured(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(dtype="bfloat16", epochs=1))
    found = export_run(tmp_path / "run", tmp_path / "out").record
    assert found.dtype == record.dtype == "bfloat16"
    assert found.loss_before == pytest.approx(record.validation_loss, abs=0.02)
    assert found.difference is not None
    assert 0 < abs(found.difference.value) < 0.05
    assert found.loss_after == pytest.approx((found.loss_before or 0) + found.difference.value)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_a_masked_model_is_merged(masked_dirs: dict[str, Path], tmp_path: Path, options: Options) -> None:
    rows = [{**row, "split": "train" if index < 4 else "validation"} for index, row in enumerate(cloze_rows())]
    dataset = write_dataset(tmp_path / "data", rows)
    record = train(dataset, tmp_path / "run", options(model=str(masked_dirs["bert"]), objective="cloze", max_steps=2))
    found = export_run(tmp_path / "run", tmp_path / "out").record
    assert (found.auto_class, found.loaded.passed) == ("AutoModelForMaskedLM", True)
    assert found.num_validation_examples == record.num_validation_examples
    assert found.loss_after == pytest.approx(record.validation_loss, abs=1e-5)
    assert type(transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out")).__name__ == "BertForMaskedLM"


def test_a_reward_model_is_merged_with_its_head(pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(pairs_dir, tmp_path / "run", options(objective="reward", max_steps=2))
    found = export_run(tmp_path / "run", tmp_path / "out").record
    assert found.loss_before == pytest.approx(record.validation_loss, abs=1e-4)
    assert found.loss_after == pytest.approx(record.validation_loss, abs=1e-4)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert model.config.num_labels == 1
    assert model.config.pad_token_id is not None
    assert model(input_ids=IDS).logits.shape == (1, 1)


def test_a_loss_that_compares_with_the_base_goes_on_doing_so(pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(pairs_dir, tmp_path / "run", options(objective="preference", max_steps=3))
    found = export_run(tmp_path / "run", tmp_path / "out").record
    assert record.validation_loss != pytest.approx(0.6931, abs=1e-3)
    assert found.loss_before == pytest.approx(record.validation_loss, abs=1e-4)
    assert found.loss_after == pytest.approx(record.validation_loss, abs=1e-4)
