"""Speakers whose roles the config says."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from prep.sources.files import find_files
from prep.sources.rows import ROW_ID, iter_rows
from prep.sources.source_config import SourceConfig
from tests.prep.helpers import Project

TALK = [{"from": "human", "value": "hi"}, {"from": "Butler_2", "value": "ho"}]


def read(path: Path, **options: Any) -> tuple[pl.DataFrame, list[str], list[str]]:
    """Returns the rows, why others were rejected, and the notices."""
    files = find_files((SourceConfig.model_validate({"path": path.name, "name": "same", **options}),), path.parent, "c")
    batches = list(iter_rows(files))
    rows = pl.concat([batch.frame for batch in batches], how="diagonal")
    return rows, [row.detail for batch in batches for _, row in batch.rejected], files[0].notices


def roles(text: str) -> list[str]:
    return [turn.get("role") for turn in json.loads(text)]


def write(path: Path, record: dict[str, Any]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame([record]).write_parquet(path)
    elif path.suffix == ".csv":
        pl.DataFrame([{key: json.dumps(value) for key, value in record.items()}]).write_csv(path)
    else:
        path.write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.csv"])
@pytest.mark.parametrize("options", [{}, {"format": "sharegpt"}])
@pytest.mark.parametrize("key", ["butler", "BUTLER_2", "*"])
def test_a_speaker_has_the_role_that_the_config_says(tmp_path: Path, name: str, options: dict[str, Any], key: str) -> None:
    path = write(tmp_path / name, {"conversations": TALK})
    rows, rejected, _ = read(path, speakers={"human": "user", key: "assistant"}, **options)
    assert (roles(rows["turns"][0]), rejected) == (["user", "assistant"], [])


def test_columns_and_preference_pairs_have_speakers_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"talk": [{"speaker": "Butler", "text": "ho"}]})
    rows, _, _ = read(path, speakers={"butler": "assistant"})
    assert json.loads(rows["talk"][0]) == [{"speaker": "Butler", "text": "ho", "role": "assistant"}]
    answers = {name: [{"role": "butler", "content": name}] for name in ("chosen", "rejected")}
    rows, rejected, _ = read(write(path, {"prompt": "hi", **answers}), speakers={"butler": "assistant"})
    assert (rows["chosen"][0], rejected) == ("chosen", [])


def test_a_transcript_has_them_where_its_own_roles_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "Butler: ho\nCook: hi\n"}), encoding="utf-8")
    rows, _, _ = read(path, turns={"roles": {"Cook": "user"}}, speakers={"butler": "assistant", "cook": "tool"})
    assert roles(rows["turns"][0]) == ["assistant", "user"]
    caption = tmp_path / "a.srt"
    caption.write_text("1\n00:00:01,000 --> 00:00:02,000\nButler: ho\n", encoding="utf-8")
    assert roles(read(caption, speakers={"butler": "user"})[0]["turns"][0]) == ["user"]


def test_roles_change_no_id_and_a_name_that_nobody_has_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"conversations": [TALK[0], {"from": "gpt", "value": "ho"}]})
    before, _, _ = read(path)
    after, _, notices = read(path, speakers={"gpt": "user", "butler": "assistant"})
    assert before[ROW_ID].to_list() == after[ROW_ID].to_list()
    assert roles(after["turns"][0]) == ["human", "user"]
    assert "no message of 'a.jsonl' is by a speaker 'butler', as 'speakers:' calls them." in notices


def test_what_is_said_of_an_unknown_role_can_be_followed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write_rows([{"conversations": [{"from": "human", "value": "hi"}, {"from": 'the "old" butler', "value": "ho"}]}] * 4)
    project.configure(templates=[{"name": "general/chat"}])
    with pytest.raises(UserError) as caught:
        project.build()
    told = str(caught.value).partition("'speakers: ")[2].partition("}'")[0] + "}"
    project.write("mine.yaml", project.config.read_text().replace("- path: rows.jsonl", f"- path: rows.jsonl\n  speakers: {told}"))
    assert project.build().manifest.rows.kept == 4


def test_a_role_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.configure(sources=[{"path": "rows.jsonl", "speakers": {"butler": "assistent"}}])
    with pytest.raises(UserError, match="speakers"):
        project.build()
