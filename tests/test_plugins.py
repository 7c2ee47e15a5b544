"""Code of a user's own in evals, train and loop: a metric, a system, an objective, a method and a tracker that a config names."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import evals.cli
import train.cli.app
from evals.config import EvalsConfig
from evals.run import evaluate_dataset
from loop.run import run_round
from loopwright.errors import UserError
from prep.build.run import build
from tests.prep.helpers import Project, make_project
from train.config import TrainConfig
from train.run import train as train_run
from train.runs.record import RunRecord

METRIC = '''
from evals.data.rows import Task
from evals.metrics.base import RowMetric


class Letters(RowMetric):
    """Letters of the answer."""

    name = "letters"
    tasks = frozenset(Task)

    def score(self, row, prediction):
        return float(len(prediction.answer))
'''
SYSTEM = '''
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.systems.base import System
from evals.systems.spec import SystemForm


class Always(System):
    """Says one word."""

    name = "always"
    forms = (SystemForm("always:WORD", Role.BASELINE, "says a word"),)

    def answer(self, context, advance):
        advance(len(context.rows))
        return [Prediction(row.id, PredictionState.OK, self.spec.argument) for row in context.rows]
'''
OBJECTIVE = '''
from train.objectives.chat import Chat


class Twice(Chat):
    """Twice the loss.

    ## What it trains
    The same.
    """

    name = "twice"

    def row_losses(self, scores):
        return 2 * super().row_losses(scores)

    def loss(self, scores):
        return 2 * super().loss(scores)
'''
METHOD = '''
from train.methods.lora import Lora


class Mine(Lora):
    """Lora under another name.

    ## What it trains
    The same.

    ## What it saves
    The same.
    """

    name = "mine"
'''
TRACKER = '''
from train.trackers.base import Tracker


class Diary(Tracker):
    """Lines in a file."""

    name = "diary"

    def begin(self, run):
        run.folder.mkdir(parents=True)
        self.file = run.folder / "diary.txt"
        return None

    def log(self, step, values):
        with self.file.open("a", encoding="utf-8") as diary:
            diary.write(f"{step} {sorted(values)}\\n")

    def end(self, status, outcome):
        with self.file.open("a", encoding="utf-8") as diary:
            diary.write(f"{status} {sorted(outcome)}\\n")
'''
FILES = {"metrics": METRIC, "systems": SYSTEM, "objectives": OBJECTIVE, "methods": METHOD, "trackers": TRACKER}


@pytest.fixture
def project(tmp_path: Path, tiny_model_dir: Path) -> Project:
    """A built dataset beside a config with one plug-in of each kind."""
    sections: dict[str, Any] = {
        "train": {"model": str(tiny_model_dir), "dtype": "float32", "max_steps": 1, "leaks": "allow", "objective": "twice"}
        | {"method": "mine", "track": ["diary"]},
        "evals": {"systems": ["always:good", "constant"], "metrics": ["letters"], "num_resamples": 100},
    }
    made = make_project(tmp_path / "project", plugins={kind: [f"{kind}.py"] for kind in FILES}, **sections)
    for kind, text in FILES.items():
        made.write(f"{kind}.py", text)
    made.build()
    return made


def options(project: Project, section: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(project.config.read_text(encoding="utf-8"))[section]
    return found


def test_a_metric_and_a_system_are_named_on_the_command_line_and_in_the_config(project: Project, tmp_path: Path) -> None:
    arguments = ["run", str(project.out), "--out", str(tmp_path / "a"), "--metrics", "letters", "--systems", "always:good,constant"]
    result = CliRunner().invoke(evals.cli.app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))
    assert report["systems"]["always:good"]["metrics"]["letters"]["value"] == 4
    assert report["systems"]["always:good"]["role"] == "baseline"
    of_parts = [one["score"] for one in report["slices"] if one["metric"] == "letters"]
    assert of_parts and all(score["low"] <= score["value"] <= score["high"] and score["value"] >= 3 for score in of_parts)
    moved = tmp_path / "moved"
    shutil.move(project.out, moved)
    config = EvalsConfig.model_validate(options(project, "evals"))
    assert "always:good" in evaluate_dataset(moved, tmp_path / "b", config, config_path=project.config).systems
    with pytest.raises(UserError, match="always"):
        evaluate_dataset(moved, tmp_path / "c", config)
    with pytest.raises(UserError, match=r"unknown metric 'leters'\. Did you mean 'letters'"):
        evaluate_dataset(moved, tmp_path / "c", config.model_copy(update={"metrics": ("leters",)}), config_path=project.config)


def test_an_objective_and_a_method_train_resume_with_their_own_code_alone_and_are_evaluated(project: Project, tmp_path: Path) -> None:
    config = TrainConfig.model_validate(options(project, "train"))
    result = CliRunner().invoke(
        train.cli.app.app, ["run", str(project.out), "--out", str(tmp_path / "run"), "--config", str(project.config)]
    )
    assert result.exit_code == 0, result.output
    record = RunRecord.load(tmp_path / "run")
    assert (record.objective, record.method) == ("twice", "mine") and record.plugins is not None
    step, end = next((tmp_path / "run").rglob("diary.txt")).read_text(encoding="utf-8").splitlines()
    assert step.startswith("1 ") and "'loss'" in step and end.startswith("finished ") and "'validation_loss'" in end
    plain = train_run(project.out, tmp_path / "plain", config.model_copy(update={"objective": "chat", "method": "lora"}))
    assert plain.plugins is not None, "what could have come from a plug-in is told by all of them"
    assert record.validation_loss == pytest.approx(2 * (plain.validation_loss or 0), rel=0.2)
    assert train_run(project.out, tmp_path / "run", config, resume=True).plugins == record.plugins
    project.write("objectives.py", OBJECTIVE + "#")
    with pytest.raises(UserError, match="would be another run: plugins was"):
        train_run(project.out, tmp_path / "run", config, resume=True)
    project.write("objectives.py", OBJECTIVE)
    with pytest.raises(UserError, match=r"unknown objective 'twise'\. Did you mean 'twice'"):
        train_run(project.out, tmp_path / "no", config.model_copy(update={"objective": "twise"}))
    asked = ["chat", "--adapter", str(tmp_path / "run"), "--ask", "Soup?", "--json"]
    assert isinstance(CliRunner().invoke(train.cli.app.app, asked).exception, UserError)
    assert CliRunner().invoke(train.cli.app.app, [*asked, "--config", str(project.config)]).exit_code == 0
    evaluation = EvalsConfig(adapter=str(tmp_path / "run"), systems=("base", "adapter"), limit=4, num_resamples=100, max_new_tokens=2)
    assert len(evaluate_dataset(project.out, tmp_path / "evals", evaluation).systems) == 2
    scored = ["score", str(project.out), "--adapter", str(tmp_path / "run"), "--out", str(tmp_path / "scores.parquet")]
    assert CliRunner().invoke(evals.cli.app, scored).exit_code == 0


def test_a_run_without_plugins_is_recorded_as_before(tmp_path: Path, tiny_model_dir: Path) -> None:
    project = make_project(tmp_path / "project")
    project.build()
    config = TrainConfig.model_validate({"model": str(tiny_model_dir), "dtype": "float32", "max_steps": 1, "leaks": "allow"})
    record = train_run(project.out, tmp_path / "run", config)
    assert "plugins" not in json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert "plugins" not in record.model_dump(mode="json")


def test_a_round_is_run_with_all_of_them_and_again_when_any_has_changed(project: Project) -> None:
    first = run_round(project.config)
    assert first.report is not None and "always:good" in first.report.systems
    assert RunRecord.load(first.folder / "run").objective == "twice"
    assert not run_round(project.config).done
    project.write("metrics.py", METRIC + "#")
    again = run_round(project.config)
    assert again.done and again.record.dataset_key == first.record.dataset_key and again.record.key != first.record.key


def test_a_plugin_of_one_command_is_not_run_by_another(tmp_path: Path) -> None:
    project = make_project(tmp_path, plugins={"metrics": ["metrics.py"], "objectives": ["metrics.py"]})
    project.write("metrics.py", "raise SystemExit('run')\n")
    build(project.config, project.out)
