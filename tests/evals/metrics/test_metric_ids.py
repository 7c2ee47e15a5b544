"""The ids that templates may name are those that the registry has, and no build begins with another."""

from pathlib import Path

import pytest

from evals.metrics.base import METRICS
from loopwright.errors import UserError, UserErrors
from prep.api import build_dataset
from templates.check import check_template_file
from templates.metric_ids import METRIC_IDS

_TEMPLATE = """---
name: mine/test
task: t
description: d
language: en
inputs: {{text: str, label: str}}
metrics: {metrics}
example: {{fields: {{text: a, label: b}}, renders: {{messages: [{{role: user, content: a}}, {{role: assistant, content: b}}]}}}}
---
{{% message "user" %}}{{{{ text }}}}{{% endmessage %}}{{% message "assistant" %}}{{{{ label }}}}{{% endmessage %}}
"""
_CONFIG = "name: mine\nsources: [{path: rows.jsonl}]\ntemplates: [{path: mine.jinja}]\n"
_PLUGIN = """
from evals.data.rows import Task
from evals.metrics.base import RowMetric


class Words(RowMetric):
    name = "words"
    tasks = frozenset({Task.GENERATION})

    def score(self, row, prediction):
        return 1.0
"""


def write(folder: Path, metrics: str) -> Path:
    (folder / "mine.jinja").write_text(_TEMPLATE.format(metrics=metrics), encoding="utf-8")
    (folder / "rows.jsonl").write_text("".join(f'{{"text": "t{one}", "label": "b"}}\n' for one in range(20)), encoding="utf-8")
    (folder / "mine.yaml").write_text(_CONFIG, encoding="utf-8")
    return folder / "mine.yaml"


def test_the_list_is_that_of_the_registry() -> None:
    assert set(METRICS.entries) == METRIC_IDS


def test_a_build_refuses_a_metric_that_does_not_exist(tmp_path: Path) -> None:
    config = write(tmp_path, "[acuracy, rougeL, wrong]")
    with pytest.raises(UserErrors) as error:
        build_dataset(config, tmp_path / "out")
    first, second = map(str, error.value.errors)
    assert "there is no metric 'acuracy'. Did you mean 'accuracy'?" in first
    assert "there is no metric 'wrong'. Known: acc_bytes, " in second
    assert not (tmp_path / "out").exists()


def test_the_check_of_a_template_refuses_it(tmp_path: Path) -> None:
    write(tmp_path, "[rogueL]")
    (problem,) = check_template_file(str(tmp_path / "mine.jinja")).problems
    assert problem.level == "error" and "there is no metric 'rogueL'. Did you mean 'rougeL'?" in problem.message


def test_metrics_that_exist_are_fine(tmp_path: Path) -> None:
    config = write(tmp_path, f"[{', '.join(sorted(METRIC_IDS))}]")
    assert check_template_file(str(tmp_path / "mine.jinja")).problems == []
    assert build_dataset(config, tmp_path / "out").manifest.rows.kept == 20


def test_where_the_config_brings_metrics_unknown_ids_are_left_to_them(tmp_path: Path) -> None:
    config = write(tmp_path, "[words]")
    with pytest.raises(UserError, match="no metric 'words'"):
        build_dataset(config, tmp_path / "out")
    (tmp_path / "words.py").write_text(_PLUGIN, encoding="utf-8")
    config.write_text(_CONFIG + "plugins: {metrics: [words.py]}\n", encoding="utf-8")
    assert build_dataset(config, tmp_path / "out").manifest.templates[0].metrics == ["words"]
