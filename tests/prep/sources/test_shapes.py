"""Records of the common training formats: found by their keys, read into fields of known names."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.sources.files import SOURCE_FORMATS, Shape, find_files
from prep.sources.raw_file import RejectedRow
from prep.sources.rows import META_COLUMNS, iter_rows
from prep.sources.shapes.base import RecordShape
from prep.sources.shapes.table import SHAPES as SAMPLE_SHAPES
from prep.sources.source_config import SourceConfig
from prep.sources.testing import check_record_shape, check_sample_shape


def read(
    folder: Path, records: list[Any], name: str = "rows.jsonl", **options: Any
) -> tuple[list[dict[str, Any]], list[RejectedRow], list[str]]:
    """Returns the fields of each row, JSON as what it stands for, with the rejected rows and the notices."""
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    files = find_files((SourceConfig.model_validate({"path": name, **options}),), folder, "mine.yaml")
    batches = list(iter_rows(files))
    frame = pl.concat([batch.frame for batch in batches], how="diagonal").drop(META_COLUMNS)
    rows = [{key: parsed(key, value) for key, value in row.items() if value is not None} for row in frame.to_dicts()]
    return rows, [row for batch in batches for _, row in batch.rejected], files[0].notices


def parsed(key: str, value: str) -> Any:
    return json.loads(value) if key in {"turns", "tools"} else value


def say(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


def turn(role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "text": text, **more}


TOOL = {"type": "function", "function": {"name": "find", "parameters": {}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
TALK = [turn("user", "hi"), turn("assistant", "hello")]
MESSAGES = [say("user", "hi"), say("assistant", "hello")]

# Shape -> (a record, the fields that it gives).
CASES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "alpaca": [
        (
            {"instruction": "Add.", "input": "1 2", "output": "3"},
            {"instruction": "Add.", "input": "1 2", "output": "3", "turns": [turn("user", "Add.\n1 2"), turn("assistant", "3")]},
        ),
        (
            {"instruction": "Hi", "input": "", "output": '{"a": 1}'},
            {"input": "", "turns": [turn("user", "Hi"), turn("assistant", '{"a": 1}')]},
        ),
        (
            {"instruction": "c", "output": "d", "system": "s", "history": [["a", "b"]]},
            {"turns": [turn("system", "s"), turn("user", "a"), turn("assistant", "b"), turn("user", "c"), turn("assistant", "d")]},
        ),
        ({"instruction": "Sum up.", "context": "x", "response": "y"}, {"input": "x", "output": "y"}),
    ],
    "sharegpt": [
        (
            {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}], "system": "Be kind.", "tools": "[]"},
            {"turns": [turn("system", "Be kind."), turn("human", "hi"), turn("gpt", "hello")]},
        ),
        (
            {
                "conversations": [{"from": "function_call", "value": "{}"}, {"from": "observation", "value": "1"}],
                "tools": json.dumps([TOOL]),
            },
            {"turns": [turn("function_call", "{}"), turn("observation", "1")], "tools": [TOOL]},
        ),
    ],
    "openai": [
        ({"messages": MESSAGES, "tools": [TOOL]}, {"turns": TALK, "tools": [TOOL]}),
        (
            {
                "messages": [
                    say("user", "a"),
                    {"role": "assistant", "content": None, "tool_calls": [CALL]},
                    say("tool", "1", tool_call_id="c1"),
                ]
            },
            {"turns": [turn("user", "a"), {"role": "assistant", "tool_calls": [CALL]}, turn("tool", "1", tool_call_id="c1")]},
        ),
        (
            {"messages": [say("user", "a", loss_weight=0.0), say("assistant", "b", weight=1), say("assistant", "c", train=False)]},
            {"turns": [turn("user", "a", weight=0), turn("assistant", "b", weight=1), turn("assistant", "c", weight=0)]},
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]},
                    {
                        "role": "assistant",
                        "content": [{"type": "reasoning", "value": "hm"}, {"type": "tool_call", "value": '{"name": "find"}'}],
                    },
                    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
                ]
            },
            {
                "turns": [
                    turn("user", "a\nb"),
                    {"role": "assistant", "reasoning": "hm", "tool_calls": [{"name": "find"}]},
                    {"role": "assistant", "refusal": "No."},
                ]
            },
        ),
    ],
    "prompt-completion": [
        ({"prompt": "hi", "completion": "hello"}, {"turns": TALK}),
        ({"prompt": [MESSAGES[0]], "completion": [MESSAGES[1]]}, {"turns": TALK}),
    ],
    "dpo": [
        (
            {"prompt": "hi", "chosen": "good", "rejected": "bad", "system": "s"},
            {"turns": [turn("system", "s"), TALK[0]], "chosen": "good", "rejected": "bad"},
        ),
        (
            {
                "conversations": [{"from": "human", "value": "hi"}],
                "chosen": {"from": "gpt", "value": "y"},
                "rejected": {"from": "gpt", "value": "n"},
            },
            {"turns": [turn("human", "hi")], "chosen": "y", "rejected": "n"},
        ),
        (
            {"chosen": MESSAGES, "rejected": [MESSAGES[0], say("assistant", "bye")], "prompt": "other"},
            {"turns": [TALK[0]], "chosen": "hello", "rejected": "bye"},
        ),
        (
            {"chosen_messages": MESSAGES, "rejected_messages": [MESSAGES[0], say("assistant", "bye")]},
            {"turns": [TALK[0]], "chosen": "hello", "rejected": "bye"},
        ),
        (
            {"instruction": "Fix.", "input": "teh", "output": "the", "chosen": "the", "rejected": '{"no": "the"}'},
            {"turns": [turn("user", "Fix.\nteh")], "chosen": "the", "rejected": '{"no": "the"}'},
        ),
    ],
    "kto": [
        ({"messages": MESSAGES, "label": True}, {"turns": TALK, "label": "true"}),
        ({"prompt": "hi", "completion": "hello", "kto_tag": "False"}, {"turns": TALK, "label": "false"}),
    ],
    "openai-preference": [
        (
            {
                "input": {"messages": MESSAGES[:1], "tools": [TOOL]},
                "preferred_output": [say("assistant", "y")],
                "non_preferred_output": [say("assistant", "n")],
            },
            {"turns": TALK[:1], "tools": [TOOL], "chosen": "y", "rejected": "n"},
        ),
        (
            {
                "input": {"messages": MESSAGES[:1]},
                "preferred_completion": [say("assistant", "y")],
                "non_preferred_completion": [say("assistant", "n")],
            },
            {"turns": TALK[:1], "chosen": "y", "rejected": "n"},
        ),
    ],
}
SHAPES = [(name, record, fields) for name, cases in CASES.items() for record, fields in cases]


@pytest.mark.parametrize(("name", "record", "fields"), SHAPES)
def test_a_record_is_known_by_its_keys_and_gives_its_fields(
    tmp_path: Path, name: str, record: dict[str, Any], fields: dict[str, Any]
) -> None:
    rows, rejected, notices = read(tmp_path, [record])
    assert not rejected
    assert {key: rows[0].get(key) for key in fields} == fields
    assert f"is read as {name}" in notices[0]
    assert "or jsonl for its columns alone" in notices[0]


@pytest.mark.parametrize(("name", "record", "fields"), SHAPES)
def test_a_shape_keeps_the_contract(name: str, record: dict[str, Any], fields: dict[str, Any]) -> None:
    shape = SOURCE_FORMATS.get(name)
    assert issubclass(shape, RecordShape)
    added = {key: value for key, value in fields.items() if key in shape.makes}
    check_record_shape(shape, record, added)
    with pytest.raises(AssertionError, match="does not know a record"):
        check_record_shape(shape, {"other": 1}, added)
    with pytest.raises(AssertionError, match="and not 'something else'"):
        check_record_shape(shape, record, {shape.makes[0]: "something else"})


@pytest.mark.parametrize(
    ("name", "record", "answer"),
    [
        ("alpaca", {"instruction": "Hi", "output": "x"}, "x"),
        ("openai", {"messages": MESSAGES}, "hello"),
        ("sharegpt", CASES["sharegpt"][0][0], "hello"),
    ],
)
def test_a_shape_of_lint_keeps_the_contract(name: str, record: dict[str, Any], answer: str) -> None:
    check_sample_shape(SAMPLE_SHAPES.get(name), record, answer=answer)
    with pytest.raises(AssertionError, match="reads the answer"):
        check_sample_shape(SAMPLE_SHAPES.get(name), record, answer="other")


def test_every_shape_has_a_case() -> None:
    assert {name for name, one in SOURCE_FORMATS.entries.items() if issubclass(one, Shape)} == {*CASES, "oasst", "oasst-preference"}


def test_other_columns_stay_beside_the_fields(tmp_path: Path) -> None:
    rows, _, _ = read(tmp_path, [{"messages": MESSAGES, "id": 7}])
    assert rows == [{"messages": json.dumps(MESSAGES, separators=(",", ":")), "id": "7", "turns": TALK}]


def test_a_named_container_leaves_the_columns_as_they_are(tmp_path: Path) -> None:
    rows, _, notices = read(tmp_path, [{"messages": MESSAGES}], format="jsonl")
    assert list(rows[0]) == ["messages"]
    assert not notices


def test_what_else_would_fit_is_named(tmp_path: Path) -> None:
    _, _, notices = read(tmp_path, [{"messages": MESSAGES, "label": False}])
    assert "is read as kto (openai would fit too)" in notices[0]
    rows, _, notices = read(tmp_path, [{"messages": MESSAGES, "label": False}], format="openai")
    assert rows[0]["turns"] == TALK
    assert not notices


@pytest.mark.parametrize(
    "empty", [{}, {"id": 1}, {"messages": []}, {"messages": None}, {"id": 1, "messages": [{}]}, {"messages": "", "why": "timeout"}]
)
def test_an_empty_record_does_not_decide_what_the_others_are(tmp_path: Path, empty: dict[str, Any]) -> None:
    rows, rejected, notices = read(tmp_path, [empty, *({"id": number, "messages": MESSAGES} for number in range(3)), empty])
    assert [row["turns"] for row in rows] == [TALK] * 3
    assert [(row.line, row.reason) for row in rejected] == [(1, "bad_record"), (5, "bad_record")]
    assert "is read as openai" in notices[0]


@pytest.mark.parametrize("other", [{"text": "A text.", "label": "x"}, {"messages": "a text"}])
def test_a_record_of_another_shape_does_decide(tmp_path: Path, other: dict[str, Any]) -> None:
    rows, rejected, notices = read(tmp_path, [other, {"messages": MESSAGES}])
    assert (len(rows), rejected, notices) == (2, [], [])


def test_ids_do_not_depend_on_the_shape_that_rows_are_read_by(tmp_path: Path) -> None:
    record = {"instruction": "Fix.", "input": "teh", "output": "the", "chosen": "the", "rejected": "no"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(record), encoding="utf-8")
    ids = set()
    for name in ("jsonl", "dpo", "alpaca", "auto"):
        files = find_files((SourceConfig(path="rows.jsonl", format=name),), tmp_path, "mine.yaml")
        ids |= {row for batch in iter_rows(files) for row in batch.frame["#row_id"]}
    assert len(ids) == 1


def test_a_shape_is_read_from_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("instruction,input,output\nAdd.,1 2,3\n", encoding="utf-8")
    pl.DataFrame({"messages": [MESSAGES]}).write_parquet(tmp_path / "b.parquet")
    for path, expected in (("a.csv", [turn("user", "Add.\n1 2"), turn("assistant", "3")]), ("b.parquet", TALK)):
        files = find_files((SourceConfig(path=path),), tmp_path, "mine.yaml")
        (batch,) = iter_rows(files)
        assert json.loads(batch.frame["turns"][0]) == expected


@pytest.mark.parametrize(
    ("name", "record", "why"),
    [
        ("openai", {"messages": []}, "it has no messages"),
        ("openai", {"messages": "hello"}, "it has no list of messages"),
        ("openai", {"other": 1}, "it has no list of messages"),
        ("openai", {"messages": ["hello"]}, "message 1 is str, not an object"),
        ("openai", {"messages": [{"content": "a"}]}, "message 1 has no role"),
        ("openai", {"messages": [say("user", "a"), {"role": "assistant", "content": None}]}, "message 2 has no text"),
        ("openai", {"messages": [say("assistant", "a", weight=0.5)]}, "message 1 has the weight 0.5, which is neither 0 nor 1"),
        (
            "openai",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "a part of the type 'image_url', which is no text",
        ),
        ("openai", {"messages": MESSAGES, "tools": "search"}, "its tools are no JSON list"),
        ("openai", {"messages": MESSAGES, "tools": '["\\ud83d"]'}, "JSON within it holds half a character"),
        ("alpaca", {"instruction": " ", "output": "x"}, "it has no instruction"),
        ("alpaca", {"instruction": "x"}, "it has no output"),
        ("alpaca", {"instruction": "x", "output": "y", "history": [["a"]]}, "its history is no list of pairs"),
        ("dpo", {"prompt": "a", "chosen": "b"}, "it has no text of the assistant"),
        ("dpo", {"chosen": "a", "rejected": "b"}, "it has no instruction"),
        ("dpo", {"chosen": MESSAGES, "rejected": [say("user", "no"), MESSAGES[1]]}, "its two answers do not follow one conversation"),
        ("dpo", {"prompt": "a", "chosen": [{"role": "assistant", "tool_calls": [CALL]}], "rejected": "b"}, "an answer has no text"),
        ("kto", {"messages": MESSAGES, "label": "maybe"}, "its label is neither true nor false"),
        ("openai-preference", {"input": "x", "preferred_output": "a", "non_preferred_output": "b"}, "its input is no object"),
        (
            "openai-preference",
            {"input": {"messages": MESSAGES}, "preferred_output": MESSAGES, "non_preferred_output": "b"},
            "an output is more than one message",
        ),
        ("sharegpt", {"conversations": json.loads("[" * 400 + "]" * 400)}, "message 1 is list, not an object"),
    ],
)
def test_a_record_of_another_shape_is_rejected_alone(tmp_path: Path, name: str, record: dict[str, Any], why: str) -> None:
    good = CASES[name][0][0]
    rows, rejected, _ = read(tmp_path, [good, record, good], format=name)
    assert len(rows) == 2
    assert [(row.line, row.reason) for row in rejected] == [(2, "bad_record")]
    assert why in rejected[0].detail


def test_reasoning_is_kept_apart_and_said(tmp_path: Path) -> None:
    record = {
        "messages": [
            say("user", ',"reasoning":"'),
            {"role": "assistant", "content": [{"type": "thinking", "value": "hm"}, {"type": "text", "text": "x"}]},
        ]
    }
    rows, _, notices = read(tmp_path, [record, {"messages": MESSAGES}])
    assert rows[0]["turns"][1] == turn("assistant", "x", reasoning="hm") | {}
    assert "1 rows of 'rows.jsonl' hold reasoning" in notices[1]


def message(name: str, parent: str | None, text: str, rank: int | None = None, **more: Any) -> dict[str, Any]:
    role = "assistant" if text.startswith("A") else "prompter"
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, "rank": rank, "message_tree_id": name[0], **more}


TREES = [
    message("a", None, "Q a", lang="en"),
    message("a1", "a", "A worst", 2),
    message("a2", "a", "A best", 0),
    message("a3", "a", "A unranked"),
    message("a4", "a", "A deleted", -1, deleted=True),
    message("a22", "a2", "Q more"),
    message("a222", "a22", "A more"),
    message("a2222", "a222", "Q last"),
    message("b", None, "Q nobody answered"),
    message("c", None, "Q deleted", deleted=True),
    message("c1", "c", "A to nobody", 0),
    message("x1", "x", "A orphan"),
    message("x11", "x1", "Q orphan"),
    message("a5", "a", "A middle", 1),
]


def test_the_best_replies_of_a_tree_are_a_conversation(tmp_path: Path) -> None:
    rows, rejected, notices = read(tmp_path, TREES)
    best = [turn("prompter", "Q a"), turn("assistant", "A best"), turn("prompter", "Q more"), turn("assistant", "A more")]
    assert rows == [{"message_tree_id": "a", "message_id": "a222", "lang": "en", "turns": best}]
    assert [(row.line, row.reason) for row in rejected] == [(9, "no_answer"), (10, "no_answer"), (12, "no_parent"), (13, "no_parent")]
    assert "is read as oasst (oasst-preference would fit too)" in notices[0]
    assert "has 14 messages in 3 trees: 1 conversations of 4 messages" in notices[1]


def test_ranked_replies_are_preference_pairs(tmp_path: Path) -> None:
    rows, rejected, notices = read(tmp_path, TREES, format="oasst-preference")
    assert [(row["chosen"], row["rejected"], row["turns"]) for row in rows] == [
        ("A best", "A middle", [turn("prompter", "Q a")]),
        ("A best", "A worst", [turn("prompter", "Q a")]),
    ]
    assert {row.reason for row in rejected} == {"no_parent"}
    assert "2 preference pairs. 2 answers have no other" in notices[0]


def test_what_comes_of_a_tree_is_one_group_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in TREES), encoding="utf-8")
    for name, group, expected in (
        ("oasst-preference", None, {"a"}),
        ("oasst-preference", "rejected_id", {"a1", "a5"}),
        ("oasst", None, {"a"}),
        ("auto", None, {"a"}),
        ("auto", "lang", {"en"}),
    ):
        files = find_files((SourceConfig(path="a.jsonl", format=name, group=group),), tmp_path, "mine.yaml")
        assert {value for batch in iter_rows(files) for value in batch.frame["#group"]} == expected


def test_a_tree_may_stand_in_one_record(tmp_path: Path) -> None:
    reply = {"message_id": "2", "role": "assistant", "text": "A", "rank": 0, "replies": []}
    tree = {"message_tree_id": "t", "prompt": {"message_id": "1", "role": "prompter", "text": "Q", "replies": [reply]}}
    rows, rejected, _ = read(tmp_path, [tree, {"message_tree_id": "u", "prompt": {"message_id": "3", "replies": []}}])
    assert rows == [{"message_tree_id": "t", "message_id": "2", "turns": [turn("prompter", "Q"), turn("assistant", "A")]}]
    assert [(row.line, row.reason) for row in rejected] == [(2, "bad_record")]


def test_a_message_that_stands_twice_or_answers_itself_is_rejected(tmp_path: Path) -> None:
    rows, rejected, _ = read(tmp_path, [*TREES[:3], TREES[2], message("y", "z", "Q"), message("z", "y", "A")], format="oasst")
    assert len(rows) == 1
    assert [(row.line, row.reason) for row in rejected] == [(4, "bad_record"), (5, "no_parent"), (6, "no_parent")]
