"""Runs of several architectures, on the fast path and on the plain one, and the proofs of each: at its end, and once more by verify."""

from pathlib import Path
from typing import Any

import pytest

from tests.helpers import write_dataset
from tests.train import several
from tests.train.conftest import reviews
from tests.train.fast.test_llama import write_model
from train.config import TrainConfig
from train.proofs.verify import verify_run
from train.run import train
from train.runs.proof import failed_proofs


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "gemma3"])
@pytest.mark.parametrize("options", [{}, {"objective": "preference"}, {"dtype": "bfloat16", "lora": {"dropout": 0.1}}])
def test_its_runs_prove_what_they_are(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", kind)
    write = several.write_rows if "objective" in options else lambda folder: write_dataset(folder, reviews())
    dataset = write(tmp_path / "rows")
    shared = {"model": str(model), "dtype": "float32", "batch_size": 4, "learning_rate": 1e-3, "epochs": 1, "leaks": "allow"}
    record = train(dataset, tmp_path / "run", TrainConfig.model_validate({**shared, **options}))
    assert record.proofs and not failed_proofs(record.proofs)
    again = verify_run(tmp_path / "run", [dataset])
    assert not failed_proofs(again)
    assert sum(proof.passed is True for proof in again.values()) >= 6
