"""The tour of the README on the embedded model, and the base installation alone. Minutes, not seconds: run by `make test-slow`."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import polars as pl
import pytest

from loopwright.models import is_ready, model_dir

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parents[1]
_SAMPLES = _ROOT / "sample_data"
_BIN = Path(sys.executable).parent


def run(*command: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a command as a user would, and shows what it said where it ends otherwise than expected."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{command} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module", autouse=True)
def _embedded_model() -> None:
    if not is_ready(model_dir("embedded")):
        run(_BIN / "train", "models", "fetch", "embedded")


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample reviews, built."""
    folder = tmp_path_factory.mktemp("reviews")
    built = run(_BIN / "prep", "build", _SAMPLES / "reviews" / "reviews.yaml", "--out", folder / "dataset", "--json")
    counts = json.loads(built.stdout)
    assert counts["read"] == counts["kept"] + sum(counts["dropped"].values())
    return folder


@pytest.fixture(scope="module")
def tuned(reviews: Path) -> Path:
    """A short run on them."""
    options = ("--model", "embedded", "--max-steps", "40", "--leaks", "allow", "--json")
    trained = run(_BIN / "train", "run", reviews / "dataset", "--out", reviews / "run", *options)
    record = json.loads(trained.stdout)
    assert record["num_steps"] == 40
    assert record["final_train_loss"] < 1.0, "the answer is one word out of two: a loss above 1 nat has learnt nothing"
    return reviews / "run"


def test_tuned_beats_base_and_majority(reviews: Path, tuned: Path) -> None:
    options = ("--model", "embedded", "--adapter", tuned, "--out", reviews / "evals", "--limit", "60", "--json")
    report = json.loads(run(_BIN / "evals", "run", reviews / "dataset", *options).stdout)
    accuracy = {name: system["metrics"]["accuracy"] for name, system in report["systems"].items()}
    adapter = accuracy[f"adapter:{tuned}"]
    assert adapter["value"] > max(accuracy["base"]["value"], accuracy["constant"]["value"])
    assert adapter["low"] < adapter["value"] < adapter["high"]
    assert report["verdict"].startswith("better")
    predictions = pl.read_parquet(reviews / "evals" / "predictions.parquet")
    assert predictions.group_by("system").len()["len"].to_list() == [60] * 4


def test_chat_answers_side_by_side(tuned: Path) -> None:
    asked = run(_BIN / "train", "chat", "--adapter", tuned, "--ask", "The soup was cold and nobody came.", "--json")
    answers = json.loads(asked.stdout)
    assert answers["tuned"].strip() in {"negative", "positive"}
    assert answers["base"] != answers["tuned"]


def test_summaries_are_generated_and_measured(tmp_path: Path) -> None:
    run(_BIN / "prep", "build", _SAMPLES / "calls" / "calls.yaml", "--out", tmp_path / "dataset")
    run(
        _BIN / "train",
        "run",
        tmp_path / "dataset",
        "--model",
        "embedded",
        "--out",
        tmp_path / "run",
        "--max-steps",
        "2",
        "--batch-size",
        "2",
        "--leaks",
        "allow",
    )
    options = ("--adapter", tmp_path / "run", "--out", tmp_path / "evals", "--limit", "2", "--max-new-tokens", "24", "--json")
    report = json.loads(run(_BIN / "evals", "run", tmp_path / "dataset", *options).stdout)
    assert set(report["systems"]) == {"base", f"adapter:{tmp_path / 'run'}"}
    assert set(report["systems"]["base"]["metrics"]) == {"rouge1", "rougeL", "fact_recall", "answer_nll"}


def test_fixes_go_round(tmp_path: Path) -> None:
    shutil.copytree(_SAMPLES / "reviews", tmp_path / "reviews")
    config = tmp_path / "reviews" / "reviews.yaml"
    dataset, drafts = tmp_path / "dataset", tmp_path / "drafts.jsonl"
    first = json.loads(run(_BIN / "prep", "build", config, "--out", dataset, "--json").stdout)
    run(_BIN / "prep", "fix", "propose", dataset, "--out", drafts)
    applied = json.loads(run(_BIN / "prep", "fix", "apply", drafts, config, "--safe", "--json").stdout)
    assert applied["applied"] > 0
    second = json.loads(run(_BIN / "prep", "build", config, "--out", dataset, "--json").stdout)
    assert second["fixes"]["applied"] == applied["applied"]
    assert second["kept"] < first["kept"], "exact copies are dropped, which is safe"
    assert second["read"] == first["read"]


def test_base_installation_lints_without_torch(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    source = tmp_path / "source"
    left_out = shutil.ignore_patterns(".venv", ".git", "out", "*.egg-info")
    # At the top alone: prep/build is a package.
    shutil.copytree(_ROOT, source, ignore=lambda folder, names: {*left_out(folder, names), *({"build"} if Path(folder) == _ROOT else ())})
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source)
    missing = "import importlib.util as u; raise SystemExit(any(map(u.find_spec, ('torch', 'peft', 'datasets', 'sklearn'))))"
    run(python, "-c", missing)
    prep = tmp_path / "venv" / "bin" / "prep"
    foreign = _SAMPLES / "foreign"
    found = run(prep, "lint", foreign / "train.jsonl", "--test", foreign / "test.jsonl", "--format", "json", expect=1)
    diagnostics = json.loads(found.stdout)["diagnostics"]
    assert {"FMT001", "FMT003", "LEK401", "LEN603", "GRM955"} <= {one["code"] for one in diagnostics}
    assert all(one["line"] for one in diagnostics if one["code"] == "FMT003")
    help_text = subprocess.run(
        [str(prep), "--help"], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "120"}
    ).stdout
    assert "lint" in help_text
