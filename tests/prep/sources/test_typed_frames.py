"""Nulls that only a columnar format put into messages and tools: read without them, and a row's id is that of what stands in the file."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.lint.frame.examples import load_files
from prep.lint.options import LintOptions
from prep.lint.run import lint
from prep.sources.files import find_files
from prep.sources.rows import ROW_ID, iter_rows
from prep.sources.source_config import SourceConfig


def say(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def called(arguments: Any) -> list[dict[str, Any]]:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": arguments}}
    return [
        say("user", "Find it."),
        say("assistant", None, tool_calls=[call]),
        say("tool", "ok", tool_call_id="c"),
        say("assistant", "Done."),
    ]


def tools(**properties: dict[str, str]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": properties}}}]


CHATS = [
    {"id": "a", "messages": called({"city": "Oslo"}), "tools": tools(city={"type": "string"})},
    {
        "id": "b",
        "messages": called({"nights": 2, "near": {"name": "sea"}}),
        "tools": tools(nights={"type": "integer"}, near={"type": "object"}),
    },
]


def write(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_ipc_stream(path) if path.suffix == ".arrow" else frame.write_parquet(path)
    return path


def rows_of(path: Path, **options: Any) -> pl.DataFrame:
    source = SourceConfig.model_validate({"path": path.name, "name": "same", **options})
    return pl.concat([rows.frame for rows in iter_rows(find_files((source,), path.parent, "c"))], how="diagonal")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("options", [{}, {"format": "openai"}, {"fields": {"turns": "messages"}}])
def test_a_null_that_the_format_put_there_is_no_argument(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = write(pl.DataFrame(CHATS, infer_schema_length=None), tmp_path / name)
    if "fields" in options:
        options = {"format": path.suffix[1:], **options}
    rows = rows_of(path, **options).to_dicts()
    arguments = [json.loads(row["turns"])[1]["tool_calls"][0]["function"]["arguments"] for row in rows]
    assert arguments == [{"city": "Oslo"}, {"nights": 2, "near": {"name": "sea"}}]
    properties = [json.loads(row["tools"])[0]["function"]["parameters"]["properties"] for row in rows]
    assert [sorted(one) for one in properties] == [["city"], ["near", "nights"]]


def test_the_id_is_of_the_record_as_it_stands(tmp_path: Path) -> None:
    frame = pl.DataFrame(CHATS, infer_schema_length=None)
    raw = frame.select(
        "id", pl.col("messages", "tools").map_elements(lambda value: json.dumps(value.to_list(), separators=(",", ":")), pl.String)
    )
    ids = [rows_of(write(one, tmp_path / f"{number}.parquet"))[ROW_ID].to_list() for number, one in enumerate((frame, raw))]
    assert ids[0] == ids[1]
    # In lint, too: the same nulls stand in these lines of JSON.
    (tmp_path / "0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()), encoding="utf-8")
    linted = []
    for kind in ("parquet", "jsonl"):
        (folder := tmp_path / f"read-{kind}").mkdir()
        read = load_files([(tmp_path / f"0.{kind}", "train")], folder)
        linted.append(read.frame.sort("position").select("row_id").collect().to_series().to_list())
    assert len(linted[0]) == 2 and linted[0] == linted[1]


def test_a_null_that_somebody_wrote_stays(tmp_path: Path) -> None:
    # As the text of arguments; in a column that holds no messages; in JSON Lines.
    chats = [
        {"messages": called('{"city":null}'), "meta": {"by": None, "at": 1}},
        {"messages": called('{"city":"Oslo"}'), "meta": {"by": "a", "at": 2}},
    ]
    first = rows_of(write(pl.DataFrame(chats), tmp_path / "a.parquet")).to_dicts()[0]
    assert json.loads(first["turns"])[1]["tool_calls"][0]["function"]["arguments"] == '{"city":null}'
    assert json.loads(first["meta"]) == {"by": None, "at": 1}
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(chat) + "\n" for chat in [{"messages": called({"city": None})}, CHATS[1]]), encoding="utf-8")
    assert json.loads(rows_of(path).to_dicts()[0]["turns"])[1]["tool_calls"][0]["function"]["arguments"] == {"city": None}


def test_a_null_weight_of_a_columnar_file_is_no_weight(tmp_path: Path) -> None:
    def weights(*values: float | None) -> Path:
        rows = [
            {"messages": [say("user", f"Which {n}?", weight=None), say("assistant", f"Number {n}.", weight=value)]}
            for n, value in enumerate(values)
        ]
        return write(pl.DataFrame(rows, infer_schema_length=None), tmp_path / "a.parquet")

    def lines(path: Path) -> list[int | None]:
        return [one.line for one in lint(path, options=LintOptions(select=("FMT",))).diagnostics]

    assert lines(weights(None, 1, 1, None)) == []
    assert lines(weights(None, 3, 1, None)) == [2]
