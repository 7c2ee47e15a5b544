"""Train rows that are also in an evaluation split: they stop a run, unless its config allows them."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from tests.helpers import review, write_dataset
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
_DISHES = ("soup", "bread", "coffee", "cake", "fish", "pasta", "salad", "curry", "stew", "rice")
_WORDS = ("We waited an hour for the {} and nobody came to say sorry", "Never had a better {} in this town, and I have had a few of them")


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Twenty reviews, of which the third stands in validation too, and the fifth in test but for a word."""
    rows = [review(_WORDS[index % 2].format(_DISHES[index // 2]), index % 2) for index in range(20)]
    rows += [review(rows[2]["messages"][1]["content"], 0, split="validation"), review("The waiter forgot us twice.", 0, split="validation")]
    rows += [review(rows[4]["messages"][1]["content"] + " again", 0, split="test")]
    return write_dataset(tmp_path / "data", rows)


def test_rows_that_are_also_in_an_evaluation_split_stop_a_run_and_are_named(leaking: Path, tmp_path: Path, options: Options) -> None:
    with pytest.raises(UserError, match="2 train rows also appear in validation or test") as raised:
        train(leaking, tmp_path / "run", options(leaks="refuse"))
    assert "row2 (data.jsonl:3), row4 (data.jsonl:5)" in raised.value.cause
    assert "--leaks allow" in (raised.value.remedy or "")
    assert not (tmp_path / "run").exists()


def test_leaks_that_are_allowed_stand_in_the_record_and_in_the_evaluation(leaking: Path, tmp_path: Path, options: Options) -> None:
    record = train(leaking, tmp_path / "run", options(max_steps=1))
    assert [one.split("/")[0] for one in RunRecord.load(tmp_path / "run").leaks] == ["row2", "row4"]
    assert record.config["leaks"] == "allow"
    report = evaluate_dataset(leaking, tmp_path / "evals", EvalsConfig(adapter=str(tmp_path / "run"), systems=("base",), max_new_tokens=2))
    assert any("trained on 2 rows that are also in validation or test: row2" in warning for warning in report.warnings)


def test_a_finding_that_the_config_suppresses_stops_nothing(leaking: Path, tmp_path: Path, options: Options) -> None:
    manifest = json.loads((leaking / "manifest.json").read_text())
    row = pl.read_parquet(leaking / "examples.parquet").filter(pl.col("split") == "validation")["id"][0]
    manifest["config"]["lint"] = {"suppress": [{"code": "LEK401", "id": row, "reason": "asked twice"}], "ignore": ["LEK402"]}
    (leaking / "manifest.json").write_text(json.dumps(manifest))
    assert train(leaking, tmp_path / "run", options(leaks="refuse", max_steps=1)).leaks == []


def test_what_leaks_are_allowed_makes_no_other_run(leaking: Path, tmp_path: Path, options: Options) -> None:
    record = train(leaking, tmp_path / "run", options(max_steps=1))
    assert train(leaking, tmp_path / "run", options(max_steps=1, leaks="refuse"), resume=True) == record


def test_a_file_that_the_config_names_for_both_splits_is_meant(
    tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [review(_WORDS[index % 2].format(_DISHES[index // 2]), index % 2) | {"line": index + 1} for index in range(6)]
    twice = [{**row, "row_id": f"again{index}", "split": "validation"} for index, row in enumerate(rows)]
    data = write_dataset(tmp_path / "data", [*rows, *twice])
    record = train(data, tmp_path / "run", options(leaks="refuse", max_steps=1))
    assert len(record.leaks) == 6
    assert "The config gives 6 rows to train and to validation or test" in " ".join(capsys.readouterr().err.split())
