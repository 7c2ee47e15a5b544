"""A round of version 0.1.0 is the round before the next one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evals.data.saved import load_predictions
from loop.cli import app
from loop.record import finished_rounds
from loop.run import run_round
from tests.helpers import copy_before


@pytest.fixture
def folder(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copy_before(tmp_path / "before", tiny_model_dir)
    monkeypatch.chdir(folder)
    return folder


def test_its_record_and_predictions_are_read(folder: Path) -> None:
    (record,) = finished_rounds(folder / "rounds")
    assert (record.number, record.comparison) == (1, None)
    predictions = load_predictions(folder / "rounds" / "round-001" / "evals" / "predictions.parquet")
    assert {one.text for one in predictions.values()} <= {"bad", "good"}
    assert len(predictions) == record.splits["validation"] == 9
    result = CliRunner().invoke(app, ["status", "loop.yaml", "--json"])
    assert [one["key"] for one in json.loads(result.stdout)] == [record.key]


def test_nothing_has_changed_since_it(folder: Path) -> None:
    outcome = run_round(folder / "loop.yaml")
    assert (outcome.done, outcome.record.number) == (False, 1)


def test_the_next_round_is_compared_with_it(folder: Path) -> None:
    config = folder / "loop.yaml"  # its validation rows repeat those of train
    config.write_text(config.read_text(encoding="utf-8").replace("train:\n", "train:\n  leaks: allow\n"), encoding="utf-8")
    outcome = run_round(folder / "loop.yaml", force=True)
    assert outcome.record.number == 2
    comparison = outcome.record.comparison
    assert comparison is not None
    assert (comparison.before, comparison.num_common) == (1, 9)
    assert set(comparison.values) == {"adapter:round-001", "adapter:round-002"}
