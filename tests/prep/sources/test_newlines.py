"""Line ends within texts: made one kind at reading on request, without a change of any id."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.sources.files import find_files
from prep.sources.rows import ROW_ID, Rows, iter_rows
from prep.sources.source_config import SourceConfig

CHAT = [{"role": "user", "content": "one\r\ntwo\rthree\r\r\nfour"}, {"role": "assistant", "content": "a \\r stays\r\n"}]


def read(path: Path, **options: Any) -> Rows:
    (rows,) = iter_rows(find_files((SourceConfig.model_validate({"path": path.name, **options}),), path.parent, "mine.yaml"))
    return rows


def both(path: Path, **options: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the rows as they are and normalised, and makes sure that the ids are the same."""
    kept, normalised = read(path, **options).frame, read(path, newlines="normalise", **options).frame
    assert kept[ROW_ID].to_list() == normalised[ROW_ID].to_list()
    return kept, normalised


def test_columns_of_text_are_normalised(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'text,label\r\n"It came.\r\nIt broke.",bad\r\nfine,"go\rod"\r\nplain,good\r\n')
    kept, normalised = both(path)
    assert kept["text"].to_list() == ["It came.\r\nIt broke.", "fine", "plain"]
    assert normalised["text"].to_list() == ["It came.\nIt broke.", "fine", "plain"]
    assert normalised["label"].to_list() == ["bad", "go\nod", "good"]


@pytest.mark.parametrize("options", [{}, {"format": "openai"}, {"format": "jsonl"}])
def test_messages_are_normalised(tmp_path: Path, options: dict[str, str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ({"messages": CHAT}, {"messages": [CHAT[1]]})), encoding="utf-8")
    kept, normalised = both(path, **options)
    name, key = ("messages", "content") if options.get("format") == "jsonl" else ("turns", "text")
    assert json.loads(kept[name][0])[0][key] == "one\r\ntwo\rthree\r\r\nfour"
    assert json.loads(normalised[name][0])[0][key] == "one\ntwo\nthree\n\nfour"
    assert json.loads(normalised[name][0])[1][key] == "a \\r stays\n"


def test_a_text_that_reads_like_json_keeps_its_escapes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": '{"a": "x\\r\\ny"}', "completion": "b\r\nc"}) + "\n", encoding="utf-8")
    _, normalised = both(path)
    assert [turn["text"] for turn in json.loads(normalised["turns"][0])] == ['{"a": "x\\r\\ny"}', "b\nc"]


def test_a_transcript_is_normalised_before_its_turns_are_made(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(json.dumps({"text": "Doctor: Hello.<BR>Patient: It\r\nhurts."}) + "\n", encoding="utf-8")
    _, normalised = both(path, turns={"field": "text"})
    assert [turn["text"] for turn in json.loads(normalised["turns"][0])] == ["Hello.", "It\nhurts."]
