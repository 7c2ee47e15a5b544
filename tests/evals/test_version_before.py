"""Datasets and adapters of version 0.1.0 are evaluated as those of now are."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.data.rows import Task, load_rows
from evals.run import evaluate_dataset
from loopwright.config import load_section
from prep.build.run import build
from prep.dataset.manifest import Dataset
from templates.form import Form
from tests.helpers import copy_before

_ROUND = Path("rounds") / "round-001"


@pytest.fixture
def folder(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_before(tmp_path / "before", tiny_model_dir)
    monkeypatch.chdir(folder)
    return folder


def test_its_adapter_is_evaluated_on_its_dataset_and_on_that_built_again(folder: Path) -> None:
    config = load_section(folder / "loop.yaml", "evals", EvalsConfig).model_copy(update={"adapter": str(_ROUND / "run")})
    rebuilt = build(folder / "loop.yaml", folder / "rebuilt").out
    old, new = (evaluate_dataset(path, folder / f"{path.name}-evals", config) for path in (_ROUND / "dataset", rebuilt))
    assert old.form == Form.CHAT
    assert (old.warnings, new.warnings) == ([], []), "both are the build that the adapter was trained on"
    predictions = [pl.read_parquet(folder / name / "predictions.parquet") for name in ("dataset-evals", "rebuilt-evals")]
    assert predictions[0].equals(predictions[1])
    before = pl.read_parquet(_ROUND / "evals" / "predictions.parquet")
    assert set(before.columns) <= set(predictions[0].columns)
    assert before.select("id", "system", "reference").equals(predictions[0].select("id", "system", "reference"))


def test_its_pairs_and_texts_are_read_as_those_of_now_are(folder: Path) -> None:
    rebuilt = build(folder / "forms.yaml", folder / "rebuilt").out
    counts = []
    for path in (folder / "dataset", rebuilt):
        rows, num_other = load_rows(Dataset.open(path), "train")
        counts.append((Counter((row.template, row.task) for row in rows), num_other))
    assert counts[0] == counts[1]
    found, _ = counts[0]
    tasks = {template: {task for name, task in found if name == template} for template, _ in found}
    assert (tasks["mine/note"], tasks["mine/pair"], tasks["mine/talk"]) == ({Task.TEXT}, {Task.PREFERENCE}, {Task.GENERATION})
