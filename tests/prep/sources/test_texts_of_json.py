"""A text is a text, whatever JSON it holds: only what is a list or an object in the file is read as one."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.lint.frame.examples import load_files
from prep.sources.files import find_files
from prep.sources.rows import Rows, iter_rows
from prep.sources.source_config import SourceConfig
from tests.prep.helpers import Project

POST = '{"name": "Ann Lee", "role": "CEO"}'
TURN = '{"speaker": "agent", "text": "Order 7 ships Monday."}'
MAIL = '{"from": "Ann Lee", "value": "50 EUR"}'
LIST = '[{"role": "user", "content": "hi"}]'
CHAT = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "At the depot."}]
TALK = [{"role": "user", "text": "Where is it?"}, {"role": "assistant", "text": "At the depot."}]


def read(folder: Path, name: str = "rows.jsonl", **options: Any) -> Rows:
    (rows,) = iter_rows(find_files((SourceConfig.model_validate({"path": name, **options}),), folder, "mine.yaml"))
    return rows


def write(folder: Path, records: list[dict[str, Any]], name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pl.DataFrame(records).write_parquet(path)
    elif name.endswith(".csv"):
        pl.DataFrame(records).write_csv(path)
    elif name.endswith(".json"):
        path.write_text(json.dumps(records), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [POST, TURN, MAIL, LIST, f"  {POST}", f"\n{LIST}"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet", "rows.csv"])
def test_a_prompt_and_a_completion_stay_texts(tmp_path: Path, name: str, text: str) -> None:
    # A number beside them sends the file the slow way, where values are read one by one.
    records = [{"prompt": f"Write {number}.", "completion": text, "score": number / 2} for number in range(3)]
    write(tmp_path, [*records, {"prompt": text, "completion": "transfer", "score": 0.5}], name)
    rows = read(tmp_path, name)
    turns = [json.loads(turns) for turns in rows.frame["turns"]]
    assert turns[0] == [{"role": "user", "text": "Write 0."}, {"role": "assistant", "text": text}]
    assert turns[3] == [{"role": "user", "text": text}, {"role": "assistant", "text": "transfer"}]
    assert not rows.rejected
    answers = load_files([(tmp_path / name, "train")], tmp_path).frame.sort("position").collect()["answer"].to_list()
    assert answers == [text, text, text, "transfer"]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet", "rows.csv"])
def test_the_two_answers_of_a_pair_stay_texts(tmp_path: Path, name: str) -> None:
    write(tmp_path, [{"prompt": "Write it.", "chosen": '{"role": "admin", "content": "x"}', "rejected": LIST}], name)
    row = read(tmp_path, name).frame.row(0, named=True)
    assert (row["chosen"], row["rejected"]) == ('{"role": "admin", "content": "x"}', LIST)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.parquet"])
def test_a_text_is_no_list_of_messages_where_the_file_has_lists(tmp_path: Path, name: str) -> None:
    write(tmp_path, [{"messages": json.dumps(CHAT)}], name)
    assert "turns" not in read(tmp_path, name).field_names
    # Both in one file: what is a list is read, and the text is no list.
    if name != "rows.parquet":
        write(tmp_path, [{"messages": CHAT}, {"messages": json.dumps(CHAT)}], name)
        rows = read(tmp_path, name, format="openai")
        assert [json.loads(turns) for turns in rows.frame["turns"]] == [TALK]
        assert [row.detail for _, row in rows.rejected] == ["the record is not of the format openai: it has no list of messages"]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet", "rows.csv"])
def test_a_text_that_the_config_maps_to_turns_is_read_as_messages(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path)
    write(tmp_path, [{"said": json.dumps(CHAT)} for _ in range(3)], name)
    source = {"path": name, "split": "train", "fields": {"turns": "said"}}
    project.configure(sources=[source], templates=[{"name": "general/chat"}], outputs=["chat"])
    project.build()
    assert [(one["role"], one["content"]) for one in project.examples()[0]["messages"]] == [(one["role"], one["content"]) for one in CHAT]


@pytest.mark.parametrize(
    ("record", "shape"),
    [
        ({"messages": json.dumps(CHAT)}, "openai"),
        ({"messages": json.dumps(CHAT, indent=1)}, "openai"),
        ({"conversations": json.dumps([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}])}, "sharegpt"),
        (
            {
                "input": json.dumps({"messages": CHAT[:1]}),
                "preferred_output": json.dumps(CHAT[1:]),
                "non_preferred_output": json.dumps([{"role": "assistant", "content": "n"}]),
            },
            "openai-preference",
        ),
    ],
)
def test_a_table_has_no_lists_and_their_json_is_read_in_columns_called_as_theirs(
    tmp_path: Path, record: dict[str, str], shape: str
) -> None:
    write(tmp_path, [record, record], "rows.csv")
    for options in ({}, {"format": shape}):
        rows = read(tmp_path, "rows.csv", **options)
        assert not rows.rejected
        assert len(json.loads(rows.frame["turns"][0])) >= 1
    data = load_files([(tmp_path / "rows.csv", "train")], tmp_path)
    assert not data.defects


def test_tools_may_be_a_text_in_any_file(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
    write(tmp_path, [{"messages": CHAT, "tools": json.dumps([tool])}], "rows.jsonl")
    assert json.loads(read(tmp_path).frame["tools"][0]) == [tool]


@pytest.mark.parametrize("quotes", ['"', ""])
def test_a_tab_separated_file_of_texts_that_read_like_json(tmp_path: Path, quotes: str) -> None:
    texts = ["[1] is a source", POST.replace('"', '""') if quotes else POST, "{see, note}"]
    lines = ["prompt\tcompletion", *(f"{quotes}{text}{quotes}\t{quotes}yes, {number}{quotes}" for number, text in enumerate(texts))]
    (tmp_path / "rows.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = read(tmp_path, "rows.tsv")
    assert [json.loads(turns)[0] for turns in rows.frame["turns"]] == [
        {"role": "user", "text": text} for text in ("[1] is a source", POST, "{see, note}")
    ]
    assert not load_files([(tmp_path / "rows.tsv", "train")], tmp_path).defects
