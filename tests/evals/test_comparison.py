"""Two evaluations joined by row id."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import evals
from evals.cli import app
from evals.run import evaluate_dataset
from loopwright.errors import UserError
from tests.evals.conftest import make_run, options, review_rows
from tests.helpers import write_dataset


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """A dataset and two evaluations of it: of an adapter on all rows, and of another on some."""
    folder = tmp_path_factory.mktemp("compared")
    dataset = write_dataset(folder / "data", review_rows(20, 16))
    for name, scale, limit in (("a", 1.0, None), ("b", 0.5, 12)):
        run = make_run(folder / f"run-{name}", tiny_model_dir, scale=scale)
        evaluate_dataset(dataset, folder / name, options(adapter=str(run), systems=("base", "adapter"), limit=limit))
    return folder


def test_the_command_compares_on_common_rows(folders: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(folders / "a"), str(folders / "b"), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["num_common"], found["num_only_a"], found["num_only_b"], found["num_changed"]) == (12, 4, 0, 0)
    assert found["a"] == f"adapter:{folders / 'run-a'}" and found["b"] == f"adapter:{folders / 'run-b'}"
    pair = next(pair for pair in found["pairs"] if pair["metric"] == "accuracy")
    assert pair["n"] == 12 and pair["difference"] == pytest.approx((len(found["fixed"]) - len(found["broken"])) / 12)
    assert "12 common examples" in result.stderr and found["verdict"].split(":")[0] in result.stderr


def test_systems_can_be_named_and_equal_names_are_told_apart(folders: Path) -> None:
    found = evals.compare_evaluations(folders / "a", folders / "b", systems=("base", "base"))
    assert found.a == f"{folders / 'a'}: base" and all(pair.difference == 0 for pair in found.pairs if pair.difference is not None)
    assert found.fixed == found.broken == []
    with pytest.raises(UserError, match="no system 'bas'"):
        evals.compare_evaluations(folders / "a", folders / "b", systems=("bas", "base"))
    with pytest.raises(UserError, match="1 systems are named"):
        evals.compare_evaluations(folders / "a", folders / "b", systems=("base",))


def test_what_cannot_be_compared_says_why(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no evaluation"):
        evals.compare_evaluations(folders / "a", tmp_path)
    for name, change, words in (
        ("split", {"split": "test"}, "one evaluation is of the test split, the other of validation"),
        ("moved", {"dataset": str(tmp_path / "gone")}, "Say where it is: --dataset"),
    ):
        shutil.copytree(folders / "a", tmp_path / name)
        report = json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8"))
        (tmp_path / name / "report.json").write_text(json.dumps(report | change), encoding="utf-8")
        with pytest.raises(UserError, match=words):
            evals.compare_evaluations(tmp_path / name, folders / "b")
    moved = evals.compare_evaluations(tmp_path / "moved", folders / "b", dataset=folders / "data")
    assert moved.num_common == 12


def test_a_reference_that_was_corrected_counts_for_both(folders: Path, tmp_path: Path) -> None:
    rows = review_rows(20, 16)
    dataset = write_dataset(tmp_path / "data", [row | {"label": 1 - row["label"]} for row in rows])
    found = evals.compare_evaluations(folders / "a", folders / "b", dataset=dataset)
    before = evals.compare_evaluations(folders / "a", folders / "b")
    assert (found.num_changed, before.num_changed) == (12, 0)
    for name in (found.a, found.b):
        now, then = (one.values[name]["accuracy"].value for one in (found, before))
        assert now is not None and then is not None and now == pytest.approx(1 - then)
    assert found.fixed == before.broken and found.broken == before.fixed


def test_a_gate_that_fails_is_exit_1(folders: Path, tmp_path: Path, tiny_model_dir: Path) -> None:
    config = tmp_path / "config.yaml"
    for limit, code in ((0.0, 0), (1.01, 1)):
        config.write_text(f"name: x\nevals:\n  gates: {{accuracy: {{min: {limit}}}}}\n", encoding="utf-8")
        arguments = ["run", str(folders / "data"), "--config", str(config), "--model", str(tiny_model_dir), "--systems", "base,constant"]
        result = CliRunner().invoke(app, [*arguments, "--limit", "8", "--out", str(tmp_path / "out")])
        assert result.exit_code == code, result.output
        assert ("1 of 1 gates failed: accuracy: min 1.01" in result.stderr) == bool(code)
        report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
        assert report["gates"] == [{"name": "accuracy: min", "passed": not code, "value": report["headline"]["after"], "limit": limit}]
