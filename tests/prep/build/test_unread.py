"""What nobody reads of the records is counted, kept in the manifest and said once."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from prep.cli.app import app
from prep.dataset.manifest import UnreadInfo
from prep.sources.files import find_files
from prep.sources.rows import iter_rows
from prep.sources.source_config import SourceConfig
from prep.sources.unread import describe_unread
from tests.prep.helpers import Project

ASKED = {"role": "user", "content": "2 + 2?"}
ANSWER = {"role": "assistant", "content": "4"}


def chats(folder: Path, rows: list[dict[str, Any]]) -> Project:
    project = Project(folder)
    project.write_rows(rows)
    project.configure(sources=[{"path": "rows.jsonl", "split": "train"}], templates=[{"name": "general/chat"}], outputs=["chat"])
    return project


def test_each_key_is_said_once_with_its_count_and_first_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [ASKED, ANSWER], "lang": "de"},
        *[{"messages": [ASKED, {**ANSWER, "annotator": "north"}], "lang": "en"} for _ in range(5)],
    ]
    project = chats(tmp_path, rows)
    result = CliRunner().invoke(app, ["build", str(project.config), "--out", str(project.out)])
    assert result.exit_code == 0
    told = [line for line in result.stderr.splitlines() if "annotator" in line]
    assert [line.strip() for line in told] == ["messages[].annotator: 5 rows, first at rows.jsonl:2"]
    assert "lang: 6 rows, first at rows.jsonl:1" in result.stderr
    manifest = json.loads((project.out / "manifest.json").read_text(encoding="utf-8"))
    counted = {"messages[].annotator": {"rows": 5, "first": "rows.jsonl:2"}, "lang": {"rows": 6, "first": "rows.jsonl:1"}}
    assert manifest["unread"] == counted
    # A build that has nothing to do says it again, and so does --json.
    again = CliRunner().invoke(app, ["build", str(project.config), "--out", str(project.out), "--json"])
    assert json.loads(again.stdout)["unread"] == manifest["unread"]


def test_nothing_is_said_where_all_is_read(tmp_path: Path) -> None:
    project = chats(tmp_path, [{"messages": [ASKED, ANSWER], "system": ""}, {"messages": [ASKED, ANSWER], "tools": []}])
    result = CliRunner().invoke(app, ["build", str(project.config), "--out", str(project.out)])
    assert "not read" not in result.stderr
    assert json.loads((project.out / "manifest.json").read_text(encoding="utf-8"))["unread"] == {}


def turns_of(folder: Path, record: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    (folder / "rows.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    (rows,) = iter_rows(find_files((SourceConfig(path="rows.jsonl"),), folder, "mine.yaml"))
    return json.loads(rows.frame["turns"][0]), rows.unread.without({"turns"}).counts


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_beside_the_content_is_kept_apart(tmp_path: Path, key: str) -> None:
    turns, unread = turns_of(tmp_path, {"messages": [ASKED, {**ANSWER, key: "I add."}]})
    assert turns[1] == {"role": "assistant", "text": "4", "reasoning": "I add."}
    assert unread == {}


def test_reasoning_under_two_names_is_read_once_and_another_is_counted(tmp_path: Path) -> None:
    twice = {**ANSWER, "reasoning": "I add.", "reasoning_content": "I add.", "thinking": ""}
    assert turns_of(tmp_path, {"messages": [ASKED, twice]})[1] == {}
    other = {**ANSWER, "reasoning": "I add.", "thinking": "Or not.", "reasoning_details": [{"text": "x"}]}
    assert turns_of(tmp_path, {"messages": [ASKED, other]})[1] == {"messages[].thinking": 1, "messages[].reasoning_details": 1}


SHAREGPT = [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]


@pytest.mark.parametrize("key", ["system", "system_prompt", "system_message"])
@pytest.mark.parametrize(
    "record",
    [
        {"messages": [ASKED, ANSWER]},
        {"conversations": SHAREGPT},
        {"prompt": "2 + 2?", "completion": "4"},
        {"instruction": "2 + 2?", "output": "4"},
    ],
)
def test_a_system_text_beside_the_messages_reaches_the_chat(tmp_path: Path, key: str, record: dict[str, Any]) -> None:
    turns, unread = turns_of(tmp_path, {key: "Be short.", **record})
    assert [turn["text"] for turn in turns] == ["Be short.", "2 + 2?", "4"]
    assert unread == {}


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_lists_own_system_message_stays_and_the_other_is_counted(tmp_path: Path, role: str) -> None:
    own = {"role": role, "content": "Be kind."}
    turns, unread = turns_of(tmp_path, {"system_prompt": "Be short.", "messages": [own, ASKED, ANSWER]})
    assert [turn["text"] for turn in turns] == ["Be kind.", "2 + 2?", "4"]
    assert unread == {"system_prompt": 1}
    assert turns_of(tmp_path, {"system": "Be kind.", "messages": [own, ASKED, ANSWER]})[1] == {}


def test_what_only_the_turns_say_is_not_read_where_the_template_takes_the_columns(tmp_path: Path) -> None:
    record = {"instruction": "2 + 2?", "input": "", "output": "4"}
    rows: list[dict[str, Any]] = [{**record, "system": "Be short.", "history": []}, {**record, "system": " ", "history": [["1 + 1?", "2"]]}]
    for template, unread in (("general/instruct", {"system": 1, "history": 1}), ("general/chat", {})):
        project = chats(tmp_path, rows)
        project.configure(sources=[{"path": "rows.jsonl", "split": "train"}], templates=[{"name": template}], outputs=["chat"])
        project.build()
        manifest = json.loads((project.out / "manifest.json").read_text(encoding="utf-8"))
        assert {path: one["rows"] for path, one in manifest["unread"].items()} == unread


def test_keys_of_the_same_rows_share_a_line_and_many_lines_are_cut() -> None:
    unread = {name: UnreadInfo(rows=3, first="a.csv:2") for name in ("date", "stars")} | {"note": UnreadInfo(rows=1, first="a.csv:4")}
    assert describe_unread(unread, 5) == ["date, stars: 3 rows, first at a.csv:2", "note: 1 row, first at a.csv:4"]
    assert describe_unread(unread, 1) == ["date, stars: 3 rows, first at a.csv:2", "and 1 more keys"]


def test_a_build_says_how_its_files_were_read_and_that_they_hold_reasoning(tmp_path: Path) -> None:
    project = chats(tmp_path, [{"messages": [ASKED, {**ANSWER, "thinking": "I add."}]}, {"messages": [ASKED, ANSWER]}])
    result = CliRunner().invoke(app, ["build", str(project.config), "--out", str(project.out)])
    assert "is read as openai" in result.stderr
    assert "1 rows of 'rows.jsonl' hold reasoning" in result.stderr
