"""Inputs made to hurt: each ends in bounded time, with a clear error or with every row accounted for."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import prep.sources.raw_file
import templates.worker
from loopwright.errors import UserError
from prep.sources.raw_file import Block, RejectedRow
from tests.prep.helpers import make_project

ENDLESS = """---
name: mine/endless
inputs: {text: str}
---
{% message "user" %}{{ text }}{% endmessage %}
{% message "assistant" %}{% for a in range(99999) %}{% for b in range(99999) %}{{ text }}{% endfor %}{% endfor %}{% endmessage %}
"""


@pytest.mark.parametrize("num_rows", [300, 2500])  # in this process, and in workers
def test_a_template_that_loops_for_ever_in_each_row_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_rows: int) -> None:
    monkeypatch.setattr(templates.worker, "_PATIENCE_SECONDS", 0.5)
    if num_rows > 2000:  # the workers are processes of their own
        command = "import templates.worker; templates.worker._PATIENCE_SECONDS = 0.5; templates.worker.serve()"
        monkeypatch.setattr("templates.fallback._SERVE", command)
    project = make_project(tmp_path, [{"text": f"row {index}"} for index in range(num_rows)])
    project.write("mine.jinja", ENDLESS)
    with pytest.raises(UserError, match=r"'mine/endless' is given up: .* of the first .* rows went past its limits"):
        project.build()
    assert not project.out.exists()
    assert not list(tmp_path.glob(".out*"))


def test_a_few_slow_rows_past_the_limits_are_dropped_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates.worker, "_PATIENCE_SECONDS", 0.0)
    rows = [{"text": "good"}] * 30 + [{"text": "bad"}] + [{"text": "good"}] * 30
    project = make_project(tmp_path, rows)
    project.write("mine.jinja", ENDLESS.replace("range(99999)", "range(99999 if text == 'bad' else 2)"))
    manifest = project.build().manifest
    assert (manifest.rows.kept, manifest.rows.dropped) == (60, {"template_error": 1})


@pytest.mark.parametrize("before", [0, 1, 2, 3])  # so that pieces of the file end within an escape, too
def test_rows_of_an_array_that_are_too_long_are_rejected_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", 64)
    monkeypatch.setattr("prep.sources.json_text.MAX_LINE_BYTES", 256)
    long = {"text": '}]"\\[{,' * 100, "more": [{"text": "forged"}]}
    rows = [{"text": "a" * (1 + before)}, long, {"text": "good"}, {"text": "\\" * 2000}, {"text": "last"}]
    project = make_project(tmp_path, [], sources=[{"path": "rows.json"}])
    project.write("mine.jinja", ENDLESS.replace("range(99999)", "range(1)"))
    project.write("rows.json", json.dumps(rows, indent=1))
    assert project.build().manifest.rows.dropped == {"too_long": 2}
    assert [row["line"] for row in project.dropped()] == [5, 16]


def test_a_mistake_in_a_long_file_is_named_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", 64)
    monkeypatch.setattr("prep.sources.json_text.MAX_LINE_BYTES", 256)
    project = make_project(tmp_path, [], sources=[{"path": "rows.json"}])
    project.write("rows.json", '[{"text": "a"},\n{"text" "b"},\n' + '{"text": "c"},\n' * 200 + '{"text": "d"}]')
    with pytest.raises(UserError, match="Expecting ':' delimiter") as caught:
        project.build()
    assert str(caught.value.location).endswith("rows.json:2")


def test_a_number_that_is_no_row_takes_no_row_with_it(tmp_path: Path) -> None:
    project = make_project(tmp_path, [], sources=[{"path": "rows.json"}])
    project.write("mine.jinja", ENDLESS.replace("range(99999)", "range(1)"))
    project.write("rows.json", '[{"text": "a"}, ' + "9" * 5000 + ', {"text": "b"}, ' + "9" * 5000 + "]")
    manifest = project.build().manifest
    assert (manifest.rows.kept, manifest.rows.dropped) == (2, {"bad_json": 2})


@pytest.mark.parametrize("depth", [10_000, 1_100_000])
def test_brackets_without_end_are_refused_and_not_counted(tmp_path: Path, depth: int) -> None:
    project = make_project(tmp_path, [], sources=[{"path": "rows.json"}])
    project.write("rows.json", "[" * depth + ("]" * depth if depth > 1_000_000 else ""))
    with pytest.raises(UserError, match="not valid JSON: nested too deeply"):
        project.build()


def test_millions_of_blank_lines_are_passed_over_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", 1 << 10)
    split: list[int] = []
    lines = prep.sources.raw_file.block_lines

    def counted(block: Block, encoding: str) -> Iterator[tuple[int, str | RejectedRow]]:
        split.append(block.first_line)
        return lines(block, encoding)

    monkeypatch.setattr("prep.sources.containers.jsonl.block_lines", counted)
    project = make_project(tmp_path, [])
    project.write("mine.jinja", ENDLESS.replace("range(99999)", "range(1)"))
    project.write("rows.jsonl", "\n" * 100_000 + '{"text": "a"}\n' + " \r\n" * 50_000)
    project.build()
    assert [row["line"] for row in project.examples()] == [100_001]
    assert len(split) <= 2


@pytest.mark.parametrize("name", ["mine.jinja", "mine.fixes.jsonl", "fixes.jsonl"])
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path, name: str) -> None:
    project = make_project(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="is a pipe or a device"):
        project.build()


def test_a_table_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"text": "a", **{f"c{index}": index for index in range(10_000)}}])
    with pytest.raises(UserError, match=r"'rows\.jsonl' has 10,001 columns"):
        project.build()
