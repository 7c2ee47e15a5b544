"""Metrics of one's own, named by their file."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import evals
from evals.cli import app
from evals.metrics.files import metric_files, metric_ids
from loopwright.errors import UserError
from loopwright.plugins import use_also, use_plugins

_FILE = '''
from evals.data.rows import Task
from evals.metrics.base import RowMetric


class Cost(RowMetric):
    """Mean cost of an answer: a wrong one costs 5."""

    name = "cost_of_an_answer"
    tasks = frozenset(Task)
    higher_is_better = False

    def score(self, row, prediction):
        return 5.0 * (prediction.text != row.reference)


class Second(Cost):
    """The same once more."""

    name = "second"
'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_metrics.py").write_text(_FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_metric_is_named_by_its_file_on_the_command_line(own: Path, reviews: Path) -> None:
    named = "mine/my_metrics.py:Cost,accuracy,mine/my_metrics.py:second"
    done = CliRunner().invoke(app, ["run", str(reviews), "--out", "out", "--systems", "constant,linear", "--metrics", named])
    assert done.exit_code == 0, done.output
    report = evals.evaluate(reviews, own / "again", systems=["constant"], metrics=["mine/my_metrics.py:Cost"]).report
    value = report.systems["constant"].metrics["cost_of_an_answer"].value
    assert value is not None and 0 < value < 5
    assert report.settings["metrics"] == ["cost_of_an_answer"]
    text = (own / "out" / "report.json").read_text(encoding="utf-8")
    assert '"cost_of_an_answer"' in text and '"second"' in text and '"accuracy"' in text


def test_it_stands_beside_the_plug_ins_of_a_config(own: Path, reviews: Path) -> None:
    (own / "mine" / "config.yaml").write_text(yaml.safe_dump({"plugins": {"metrics": ["my_metrics.py"]}, "evals": {"metrics": ["second"]}}))
    config = own / "mine" / "config.yaml"
    given: dict[str, Any] = {"systems": ["constant"], "num_resamples": 100}
    report = evals.evaluate(reviews, own / "out", config, **given).report
    assert list(report.systems["constant"].metrics) == ["second"]
    report = evals.evaluate(reviews, own / "out", config, metrics=["mine/my_metrics.py:Cost", "second"], **given).report
    assert list(report.systems["constant"].metrics) == ["cost_of_an_answer", "second"], "a file that both name is loaded once"


def test_a_config_does_not_name_files_by_their_path(own: Path, reviews: Path) -> None:
    config = own / "config.yaml"
    config.write_text(yaml.safe_dump({"evals": {"metrics": ["mine/my_metrics.py:Cost"], "systems": ["constant"]}}), encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot name a metric by its file.*plugins: metrics:"):
        evals.evaluate(reviews, own / "out", config)
    assert not (own / "out").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("mine/other.py:Cost", r"'mine/other\.py' is not there"),
        ("mine/my_metrics.py:Price", r"has no metric 'Price'\. Known: Cost, Second"),
        ("mine/my_metrics.py:Costs", "Did you mean 'Cost'"),
    ],
)
def test_what_is_not_there_is_told(own: Path, reviews: Path, name: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        evals.evaluate(reviews, own / "out", systems=["constant"], metrics=[name])


def test_ids_name_no_file(own: Path) -> None:
    assert metric_files(["accuracy", "cost.py"]) == () and metric_ids(["accuracy"], ()) == ("accuracy",)
    with use_plugins(()), use_also(()):
        assert metric_ids(["accuracy", "mcc"], ()) == ("accuracy", "mcc")
