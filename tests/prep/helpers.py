"""What the tests of the build share: a folder with a config, a template and rows, built in one call."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from prep.build.run import BuildResult, build

TEMPLATE = """---
name: mine/sentiment
task: sentiment
inputs: {text: str, label: str}
verbalizer: {negative: bad, positive: good}
metrics: [accuracy]
---
{% message "user" %}{{ text | trim }}{% endmessage %}
{% message "assistant" %}{{ label | verbalize }}{% endmessage %}
{% prompt %}Review: {{ text | trim }}
Opinion:{% endprompt %}
{% target %} {{ label | verbalize }}{% endtarget %}
"""


@dataclass(frozen=True)
class Project:
    """A folder with a config, and what it builds to."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "mine.yaml"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def configure(self, **changes: Any) -> None:
        """Writes the config: `rows.jsonl` through the template above, but for what is changed."""
        config = {"name": "mine", "sources": [{"path": "rows.jsonl"}], "templates": [{"path": "mine.jinja"}], **changes}
        self.write("mine.yaml", yaml.safe_dump({key: value for key, value in config.items() if value is not None}))

    def write_rows(self, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> None:
        self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def build(self, out: Path | None = None, *, strict: bool = False) -> BuildResult:
        return build(self.config, out or self.out, strict=strict)

    def examples(self, out: Path | None = None) -> list[dict[str, Any]]:
        return pl.read_parquet((out or self.out) / "examples.parquet").to_dicts()

    def dropped(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "dropped.jsonl").read_text(encoding="utf-8").splitlines()]


def make_project(folder: Path, rows: list[dict[str, Any]] | None = None, **config: Any) -> Project:
    project = Project(folder)
    project.write("mine.jinja", TEMPLATE)
    project.configure(**config)
    project.write_rows(rows if rows is not None else reviews(40))
    return project


def reviews(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [
        {"text": f"The soup number {index} was {'cold' if index % 2 else 'hot'}.", "label": "negative" if index % 2 else "positive"}
        for index in range(first, first + number)
    ]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a dataset, without the one that differs between two builds of the same inputs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "build.log"
    }
