"""Lines read by columns give the same rows as lines read one by one, and what they cannot hold is left to the other way."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prep.lint.frame import examples
from prep.lint.frame.examples import LintData, load_files
from prep.lint.frame.fast_lines import plain_blocks, read_plain
from tests.prep.sources.test_strict_json import HOSTILE, PLAIN

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MESSAGE = st.builds(lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "user", "assistant"]), TEXT)
CHAT = st.builds(lambda messages: {"messages": messages}, st.lists(MESSAGE, min_size=1, max_size=4))
ODD: list[Any] = [
    {"messages": []},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": "user", "content": 3}]},
    {"messages": [{"role": "user", "content": "a", "weight": 1}, {"role": "assistant", "content": "b"}]},
    {"messages": [{"role": "tool", "content": "a"}]},
    {"messages": [{"role": "USER", "content": "a"}]},
    {"messages": [{"role": "user", "content": "a"}], "id": 1},
    {"prompt": "a", "completion": "b"},
    ["a"],
    "text",
]


def rows(data: LintData) -> list[dict[str, Any]]:
    return data.frame.sort("position").collect().to_dicts()


def load(folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch, *, carefully: bool) -> tuple[list[dict[str, Any]], list[Any]]:
    folder.mkdir(exist_ok=True)
    with monkeypatch.context() as patch:
        if carefully:
            patch.setattr(examples, "plain_blocks", lambda path, encoding: None)
        data = load_files([(path, "train")], folder)
        return rows(data), [*sorted(data.defects, key=lambda one: (one.line or 0, one.message)), data.unread]


def both_ways(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fast = load(tmp_path / "fast", path, monkeypatch, carefully=False)
    assert fast == load(tmp_path / "careful", path, monkeypatch, carefully=True)
    assert fast[0] or fast[1]


@settings(max_examples=60)
@given(chats=st.lists(CHAT, min_size=1, max_size=8), ascii_only=st.booleans(), compact=st.booleans())
def test_chats_are_the_same_either_way(
    chats: list[dict[str, Any]], ascii_only: bool, compact: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [json.dumps(chat, ensure_ascii=ascii_only, separators=(",", ":") if compact else None) for chat in chats]
    with pytest.MonkeyPatch.context() as monkeypatch:
        both_ways(tmp_path_factory.mktemp("chats"), lines, monkeypatch)


@settings(max_examples=40)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), turned=st.booleans())
def test_pairs_are_the_same_either_way(pairs: list[tuple[str, str]], turned: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    keys = ("completion", "prompt") if turned else ("prompt", "completion")
    lines = [json.dumps(dict(zip(keys, pair, strict=True)), ensure_ascii=False) for pair in pairs]
    with pytest.MonkeyPatch.context() as monkeypatch:
        both_ways(tmp_path_factory.mktemp("pairs"), lines, monkeypatch)


def test_odd_lines_among_plain_ones_are_the_same_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    odd = [json.dumps(value) for value in ODD]
    broken = [
        '{"messages": [{"role": "user", "content": "a"}]',
        '{"messages": [{"role": "user", "content": "\\ud83d"}]}',
        '{"messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}',
        '{"messages": [{"role": "user", "content": "tab\there"}]}',
        '{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
        '{"messages": [{"content": "other order", "role": "user"}, {"content": "b", "role": "assistant"}]}',
        plain + " {}",
        "   ",
        "",
    ]
    mixed = [plain, *(line for pair in zip([*odd, *broken], [plain] * 99, strict=False) for line in pair)]
    both_ways(tmp_path, mixed, monkeypatch)


CHAT_LINES = [
    *(
        line.replace(b'"prompt": ', b'"messages": [{"role": "user", "content": ').replace(b', "completion": "b"}', b"}]}")
        for line in HOSTILE
    ),
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    b'{"messages": [{"role": "user", "content": "a", "content": "b"}]}',
    b'{"messages": [{"role": "user", "content": "a"}], "messages": []}',
    b'{"messages": [{"role": "moderator", "content": "a"}], "note": "x"}',
]


@settings(max_examples=60)
@given(
    lines=st.one_of(
        st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=8).map(lambda lines: [PLAIN, *lines]),
        st.lists(st.sampled_from(CHAT_LINES), min_size=1, max_size=8).map(lambda lines: [CHAT_LINES[len(HOSTILE)], *lines]),
    ),
    end=st.sampled_from([b"\n", b"\r\n"]),
    head=st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    block=st.sampled_from([40, 1 << 20]),
)
@example(lines=[PLAIN, *HOSTILE, PLAIN], end=b"\n", head=b"", block=1 << 20)
@example(lines=[CHAT_LINES[len(HOSTILE)], *CHAT_LINES], end=b"\r\n", head=b"", block=1 << 20)
def test_hostile_lines_are_the_same_either_way(
    lines: list[bytes], end: bytes, head: bytes, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "train.jsonl").write_bytes(head + end.join(lines) + end)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("prep.sources.raw_file.BLOCK_BYTES", block)
        fast = load(folder / "fast", folder / "train.jsonl", monkeypatch, carefully=False)
        assert fast == load(folder / "careful", folder / "train.jsonl", monkeypatch, carefully=True)


def test_a_line_of_plain_shape_is_read_by_columns(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "a \\"quoted\\" é"}]}\nno json\n', encoding="utf-8")
    found = plain_blocks(path)
    assert found is not None
    shape, blocks = found
    read, others = read_plain(next(iter(blocks)), shape, "train")
    assert read["input"].to_list() == ['a "quoted" é']
    assert others == [2]


@pytest.mark.parametrize("first", ["[1]", '{"messages": "x"}', '{"messages": [1]}', '{"a": "b"}', '{"text": "a"}', "\ufeff{}", "not json"])
def test_files_of_other_shapes_are_read_line_by_line(tmp_path: Path, first: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(first + "\n", encoding="utf-8")
    assert plain_blocks(path) is None


def test_copies_are_numbered_in_order_across_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    plain = '{"prompt": "a", "completion": "b"}'
    path.write_text("\n".join([plain, '{"completion": "b", "prompt": "a"}', plain]) + "\n", encoding="utf-8")
    found = load_files([(path, "train")], tmp_path)
    ids = found.frame.sort("position").select(pl.col("id")).collect()["id"].to_list()
    assert [one[32:] for one in ids] == ["", "-2", "-3"]
    assert len({one[:32] for one in ids}) == 1
