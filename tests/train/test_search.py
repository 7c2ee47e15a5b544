"""A sweep: one run a choice of options, each trained once, and a winner only where the validation split can tell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train.conftest import Command, reviews
from train.api import sweep_runs
from train.config import SweepConfig
from train.search import _choices


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("sweep") / "reviews", reviews(12, 8))


@pytest.fixture
def section(tiny_model_dir: Path) -> Callable[..., dict[str, Any]]:
    def make(options: dict[str, Any], **more: Any) -> dict[str, Any]:
        train = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "epochs": 3, "leaks": "allow"}
        return {"train": train, "sweep": {"options": options, **more}}

    return make


def test_a_grid_is_trained_once_and_its_winner_is_beyond_the_noise(
    dataset: Path, section: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = section({"learning_rate": [1e-9, 2e-2], "lora.rank": [2]})
    result = sweep_runs(dataset, tmp_path / "out", config)
    assert [run.options for run in result.runs] == [{"learning_rate": 1e-9, "lora.rank": 2}, {"learning_rate": 2e-2, "lora.rank": 2}]
    assert result.winner == {"learning_rate": 2e-2, "lora.rank": 2}
    assert json.loads((tmp_path / "out" / "sweep.json").read_text(encoding="utf-8")) == result.as_json()
    for run in result.runs:
        assert run.validation_loss is not None and run.metric is not None
        assert run.metric.value == pytest.approx(run.validation_loss)
        assert run.metric.low is not None and run.metric.low < run.metric.value
        assert json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["config"]["lora"]["rank"] == 2
        assert not (run.folder / "checkpoints").exists()
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("a run was trained again"))
    assert sweep_runs(dataset, tmp_path / "out", config) == result
    # Two that are the same but for what changes nothing here: no winner is made up.
    monkeypatch.undo()
    level = sweep_runs(dataset, tmp_path / "level", section({"checkpoint_every": [3, 50]}))
    assert level.winner is None
    assert result.to_polars()["value"].to_list() == [run.validation_loss for run in result.runs]
    assert "0.02" in result.verdict and "No run" in level.verdict


def test_runs_are_compared_by_a_metric(dataset: Path, section: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    result = sweep_runs(dataset, tmp_path / "out", section({"learning_rate": [1e-9, 2e-2]}), best="nll")
    assert result.by == "nll"
    for run in result.runs:
        assert run.metric is not None and run.metric.value != pytest.approx(run.validation_loss)


def test_a_run_that_fails_leaves_the_others(
    dataset: Path, section: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.run import train as real

    def failing(*given: Any, **named: Any) -> Any:
        if given[2].learning_rate == 2e-2:
            raise UserError("the loss is nan in step 1")
        return real(*given, **named)

    monkeypatch.setattr("train.search.train", failing)
    result = sweep_runs(dataset, tmp_path / "out", section({"learning_rate": [2e-2, 1e-3]}))
    failed = {"options": {"learning_rate": 2e-2}, "validation_loss": None, "metric": {"value": None, "low": None, "high": None}}
    assert result.as_json()["runs"][0] == failed
    assert result.runs[1].validation_loss is not None and result.winner is None
    with pytest.raises(UserError, match="no run of the sweep could be trained"):
        sweep_runs(dataset, tmp_path / "none", section({"learning_rate": [2e-2]}))


def test_random_draws_are_the_same_each_time_and_lie_in_their_range() -> None:
    asked = SweepConfig.model_validate(
        {"search": "random", "num_runs": 20, "options": {"learning_rate": {"low": 1e-5, "high": 1e-2}, "epochs": [1, 2]}}
    )
    drawn = list(_choices(asked))
    assert drawn == list(_choices(asked)) and len(drawn) == 20
    rates = sorted(one["learning_rate"] for one in drawn)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-2
    assert rates[10] < 1e-3  # by orders of magnitude: half of them lie below the geometric mean, not the arithmetic one
    assert {one["epochs"] for one in drawn} == {1, 2}
    few = SweepConfig.model_validate({"search": "random", "num_runs": 20, "options": {"epochs": [1, 2]}})
    assert sorted(one["epochs"] for one in _choices(few)) == [1, 2]


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        ({"options": {"learning_rat": [1]}}, "unknown key 'learning_rat'.*Did you mean 'learning_rate'"),
        ({"options": {"lora.rang": [1]}}, "unknown key 'lora.rang'.*Did you mean 'rank'"),
        ({"options": {"epochs.many": [1]}}, "'epochs.many' is no option of training"),
        ({"options": {"lora.rank": [0]}}, "'lora.rank' is 0"),
        ({"options": {"epochs": {"low": 1, "high": 2}}}, "a grid takes values, not a range"),
        ({"options": {"epochs": {"low": 2, "high": 1}}}, "a range whose low is below its high"),
        ({"options": {}}, "options"),
        ({}, "the key 'options' is missing"),
    ],
)
def test_what_cannot_be_swept_is_refused(
    asked: dict[str, Any], cause: str, dataset: Path, section: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=cause):
        sweep_runs(dataset, tmp_path / "out", {**section({}), "sweep": asked})
    assert not (tmp_path / "out").exists()


def test_a_sweep_needs_validation_rows_and_a_folder_of_its_own(
    dataset: Path, section: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = section({"epochs": [1]})
    with pytest.raises(UserError, match="compares runs on the validation split, and there is none"):
        sweep_runs(write_dataset(tmp_path / "data", reviews(4, 0)), tmp_path / "out", config)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds 'thesis.tex', which is no part of a sweep"):
        sweep_runs(dataset, tmp_path / "out", config)


def test_the_command_prints_one_table_or_the_contract(
    command: Command,
    dataset: Path,
    section: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps(section({"learning_rate": [1e-9, 2e-2]})), encoding="utf-8")
    code, out, err = command("sweep", dataset, "--out", tmp_path / "out", "--config", tmp_path / "c.yaml", "--max-steps", "6")
    assert code == 0
    assert "validation loss" in out and "1e-09" in out and "0.02" in out
    assert "run 2 of 2: learning_rate 0.02" in err
    code, out, err = command("sweep", dataset, "--out", tmp_path / "out", "--config", tmp_path / "c.yaml", "--max-steps", "6", "--json")
    found = json.loads(out)
    assert set(found) == {"runs", "winner"}
    assert [set(run) for run in found["runs"]] == [{"options", "validation_loss", "metric"}] * 2
    assert "The run is finished already" in err
