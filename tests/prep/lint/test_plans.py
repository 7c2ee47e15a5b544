"""Findings about the whole of a dataset: what they say to put into the config does what they say, and mends them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from prep.build import build
from prep.lint.run import LintOptions, lint

TEMPLATE = """\
---
name: case
inputs: {text: str, label: str}
verbalizer: {good: [good], bad: [bad]}
---
{% message "user" %}{{ text }}{% endmessage %}{% message "assistant" %}{{ label | verbalize }}{% endmessage %}
"""
CONFIG: dict[str, Any] = {
    "name": "case",
    "sources": [{"path": "rows.jsonl"}],
    "templates": [{"path": "case.jinja"}],
    "split": {"train": 1, "validation": 0, "test": 0},
}


def make(folder: Path, rows: dict[str, list[dict[str, Any]]], config: dict[str, Any], template: str = TEMPLATE) -> Path:
    for name, of_file in rows.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in of_file), encoding="utf-8")
    (folder / "case.jinja").write_text(template, encoding="utf-8")
    (folder / "case.yaml").write_text(yaml.safe_dump({**CONFIG, **config}, sort_keys=False), encoding="utf-8")
    build(folder / "case.yaml", folder / "out")
    return folder / "out"


def reviews(good: int, bad: int) -> list[dict[str, Any]]:
    return [{"text": f"Soup number {index}", "label": "good" if index < good else "bad"} for index in range(good + bad)]


@pytest.mark.parametrize("template", [TEMPLATE, "---\nname: case\ninputs: {text: str}\n---\n{% text %}{{ text }}{% endtext %}\n"])
def test_a_row_that_is_rendered_more_than_once_is_no_copy_of_itself(tmp_path: Path, template: str) -> None:
    rows = [{**row, "text": f"{row['text']} {'x' * place} tasted of very little"} for place, row in enumerate(reviews(20, 6))]
    out = make(tmp_path, {"rows.jsonl": rows}, {"resample": {"by": "label", "how": "over"}}, template)
    report = lint(out, options=LintOptions(select=("DUP301", "DUP302", "CON2")))
    assert report.num_examples == 40
    assert report.summary == {}
    assert report.drafts() == []
