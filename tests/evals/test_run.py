"""An evaluation from end to end, through the library's door and the command's: what it writes, and that it agrees with itself."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from evals.cli import app
from evals.data.contract import Report
from evals.run import evaluate_dataset
from loopwright.files import read_json_lines
from tests.evals.conftest import make_run, options


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, reviews: Path, adapter_dir: Path) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("evaluated") / "out"
    return out, evaluate_dataset(reviews, out, options(adapter=str(adapter_dir), metrics=("accuracy", "macro_f1", "nll")))


def test_the_report_keeps_its_contract(evaluated: tuple[Path, Report], adapter_dir: Path) -> None:
    out, _ = evaluated
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    tuned = f"adapter:{adapter_dir}"
    assert list(report["systems"]) == ["base", tuned, "constant", "linear"]
    assert [system["role"] for system in report["systems"].values()] == ["base", "tuned", "baseline", "baseline"]
    for system in report["systems"].values():
        assert system["n_total"] == system["n_scored"] == 24
        assert set(system["metrics"]) == {"accuracy", "macro_f1", "nll"}
        for value in system["metrics"].values():
            assert set(value) == {"value", "low", "high"}
            assert value["low"] <= value["value"] <= value["high"]
    pairs = {(pair["a"], pair["b"], pair["metric"]): pair for pair in report["pairs"]}
    for other in ("base", "constant", "linear"):
        pair = pairs[tuned, other, "accuracy"]
        a, b = (report["systems"][name]["metrics"]["accuracy"]["value"] for name in (tuned, other))
        assert pair["difference"] == pytest.approx(a - b)
        assert pair["low"] <= pair["difference"] <= pair["high"]
        assert 0 < pair["p"] <= pair["p_holm"] <= 1
    assert isinstance(report["verdict"], str) and report["verdict"].startswith(report["verdict_detail"]["outcome"])
    assert report["split"] == "validation" and report["form"] == "chat" and report["dtype"] == "float32"


def test_predictions_agree_with_the_report(evaluated: tuple[Path, Report], reviews: Path) -> None:
    out, report = evaluated
    predictions = pl.read_parquet(out / "predictions.parquet")
    assert stat.S_IMODE((out / "predictions.parquet").stat().st_mode) == 0o600
    assert {"id", "system", "reference", "prediction", "choice_loglikelihoods", "scores", "state"} <= set(predictions.columns)
    examples = pl.read_parquet(reviews / "examples.parquet")
    joined = predictions.join(examples.select("id", "label", "choices", split_here="split"), on="id", how="left")
    assert set(joined["split_here"]) == {"validation"}
    for record in joined.iter_rows(named=True):
        assert record["reference"] == record["choices"][record["label"]]
        best = max(range(2), key=record["choice_loglikelihoods"].__getitem__)
        assert record["prediction"] == record["choices"][best]
        assert record["scores"]["accuracy"] == float(record["prediction"] == record["reference"])
    for system, rows in predictions.group_by("system"):
        assert set(rows["role"]) == {report.systems[str(system[0])].role.value}
        value = report.systems[str(system[0])].metrics["accuracy"].value
        assert rows["scores"].struct.field("accuracy").mean() == pytest.approx(value)


def test_failures_name_their_row_causes_and_neighbours(evaluated: tuple[Path, Report], adapter_dir: Path) -> None:
    out, _ = evaluated
    failures = read_json_lines(out / "failures.jsonl")
    assert stat.S_IMODE((out / "failures.jsonl").stat().st_mode) == 0o600
    predictions = pl.read_parquet(out / "predictions.parquet").filter(system=f"adapter:{adapter_dir}")
    wrong = predictions.filter(pl.col("prediction") != pl.col("reference"))
    assert failures and {failure["id"] for failure in failures} == set(wrong["id"])
    for failure in failures:
        assert failure["id"] == f"{failure['row_id']}/{failure['template']}/0"
        assert failure["system"] == f"adapter:{adapter_dir}"
        assert failure["split"] == "validation" and failure["prediction"] != failure["reference"]
        lifts = [cause["lift"] for cause in failure["causes"]]
        assert lifts == sorted(lifts, reverse=True)
        assert len(failure["neighbours"]) == 5
        similarities = [neighbour["similarity"] for neighbour in failure["neighbours"]]
        assert similarities == sorted(similarities, reverse=True) and all(0 <= one <= 1 for one in similarities)
        for neighbour in failure["neighbours"]:
            assert int(neighbour["row_id"].removeprefix("r")) < 60, "a neighbour is from train"
            assert neighbour["same_answer"] == (neighbour["answer"] == failure["reference"])


def test_linear_learns_what_words_tell_and_constant_is_the_majority(evaluated: tuple[Path, Report]) -> None:
    out, report = evaluated
    assert report.systems["linear"].metrics["accuracy"].value == 1.0
    predictions = pl.read_parquet(out / "predictions.parquet").filter(system="constant")
    assert set(predictions["prediction"]) == {"positive"}


def test_two_evaluations_give_the_same_numbers(tmp_path: Path, evaluated: tuple[Path, Report], reviews: Path, adapter_dir: Path) -> None:
    again = evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(adapter_dir), metrics=("accuracy", "macro_f1", "nll")))
    first = evaluated[1]
    assert again.pairs == first.pairs
    assert {name: system.metrics for name, system in again.systems.items()} == {
        name: system.metrics for name, system in first.systems.items()
    }


def test_an_adapter_without_effect_is_a_loud_warning(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, evaluated: tuple[Path, Report]
) -> None:
    idle = make_run(tmp_path / "idle", tiny_model_dir, scale=0.0)
    report = evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(idle), limit=5))
    assert any("the adapter has no effect" in text for text in report.warnings)
    assert not any("the adapter has no effect" in text for text in evaluated[1].warnings)


def test_the_command_prints_the_report_and_reads_its_section(
    tmp_path: Path, reviews: Path, tiny_model_dir: Path, write: Callable[[str, str], Path]
) -> None:
    config = write("config.yaml", "name: x\nevals:\n  systems: [base, constant]\n  num_resamples: 200\n  dtype: float32\n")
    arguments = ["run", str(reviews), "--model", str(tiny_model_dir), "--config", str(config), "--limit", "6"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert list(report["systems"]) == ["base", "constant"] and report["num_examples"] == 6
    assert "accuracy" in result.stderr and "report.html" in result.stderr and report["verdict"][:11] in result.stderr


def test_the_command_fails_with_2_and_says_why(tmp_path: Path) -> None:
    program = "from evals.cli import main; main()"
    command = [sys.executable, "-c", program, "run", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no such dataset folder" in done.stderr and "prep build" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []
