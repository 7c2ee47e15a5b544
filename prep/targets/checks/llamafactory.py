"""Rules for LLaMA-Factory's files: what `dataset_info.json` says of one, and rows that are as it says."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.targets.checks.chat import ChatRules, check_chat
from prep.targets.checks.order import strict_alternation
from prep.targets.checks.rules import Findings, kind_of
from prep.targets.checks.sharegpt import Tags, check_conversation, check_side

INFO_NAME = "dataset_info.json"
_FORMATS = ("alpaca", "sharegpt", "openai")
_ALPACA_COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}
_SHAREGPT_COLUMNS = {"messages": "conversations"}
_COLUMNS = frozenset(
    {"prompt", "query", "response", "history", "messages", "system", "tools", "images", "videos", "audios", "chosen", "rejected", "kto_tag"}
)
_OPENAI = ChatRules(
    row_keys=None, message_keys=None, reads_weights=False, order=strict_alternation, arguments_as_objects=True, checks_calls=False
)


@dataclass(frozen=True, slots=True)
class Layout:
    """What `dataset_info.json` says of a file.

    Attributes:
        formatting: `alpaca`, `sharegpt` or `openai`.
        columns: what a column means -> its name in the file.
        tags: names within a conversation.
        ranking: rows are preference pairs.
    """

    formatting: str = "sharegpt"
    columns: dict[str, str] = field(default_factory=lambda: dict(_SHAREGPT_COLUMNS))
    tags: Tags = field(default_factory=Tags)
    ranking: bool = False

    @classmethod
    def from_info(cls, entry: dict[str, Any], found: Findings) -> "Layout":
        """Reads an entry; what LLaMA-Factory would not read as meant is reported, and taken as if it were not there."""
        formatting = entry.get("formatting", "alpaca")
        if formatting not in _FORMATS:
            found.error("formatting", "info.invalid", f"the formatting is one of {', '.join(_FORMATS)}")
            formatting = "alpaca"
        columns = _names(entry.get("columns"), "columns", _COLUMNS, found)
        tags = _names(entry.get("tags"), "tags", frozenset(Tags.__slots__), found)
        ranking = entry.get("ranking", False)
        if not isinstance(ranking, bool):
            found.error("ranking", "info.invalid", "'ranking' is true or false")
        defaults = _ALPACA_COLUMNS if formatting == "alpaca" else _SHAREGPT_COLUMNS
        if not columns and formatting == "alpaca" and ranking is True:
            found.error("columns", "info.invalid", "pairs need the columns 'chosen' and 'rejected'")
        # Where columns are given at all, LLaMA-Factory takes those that are not for absent; only `messages` keeps its name.
        known = {**({} if columns and formatting == "alpaca" else defaults), **columns}
        return cls(formatting, known, Tags(**tags), ranking is True)


def read_layout(path: Path, found: Findings) -> Layout | None:
    """Returns what the `dataset_info.json` beside a file says of it; None, reported, where there is none or it does not name the file."""
    info = path.parent / INFO_NAME
    try:
        entries = json.loads(info.read_text(encoding="utf-8"))
    except OSError:
        found.error("", "info.missing", f"there is no {INFO_NAME} beside the file")
        return None
    except (ValueError, RecursionError) as error:
        found.error("", "info.invalid", f"{INFO_NAME} is not valid JSON: {error}")
        return None
    for entry in entries.values() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and entry.get("file_name") == path.name:
            return Layout.from_info(entry, found)
    found.error("", "info.missing", f"{INFO_NAME} has no entry whose file_name is '{path.name}'")
    return None


def _names(value: object, where: str, known: frozenset[str], found: Findings) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        found.error(where, "info.invalid", f"'{where}' is an object, not {kind_of(value)}")
        return {}
    for key, name in value.items():
        if key not in known:
            found.error(f"{where}.{key}", "info.invalid", f"'{key}' is none of: {', '.join(sorted(known))}")
        elif not isinstance(name, str):
            found.error(f"{where}.{key}", "info.invalid", f"a name is a text, not {kind_of(name)}")
    return {key: name for key, name in value.items() if key in known and isinstance(name, str)}


@dataclass(frozen=True, slots=True)
class LlamaFactoryChecker:
    """Checks rows by a layout; without one, nothing can be said of them."""

    layout: Layout | None

    def __call__(self, row: dict[str, Any], found: Findings) -> None:
        """Checks one row."""
        layout = self.layout
        if layout is None:
            return
        if layout.formatting == "alpaca":
            _check_alpaca(row, layout, found)
        elif layout.formatting == "openai":
            check_chat(row, _OPENAI, found, key=layout.columns["messages"])
        else:
            tools = check_conversation(row, layout.columns, layout.tags, layout.ranking, found)
            if layout.ranking:
                for side in ("chosen", "rejected"):
                    check_side(row, layout.columns.get(side, side), layout.tags, tools, found)
                _check_pair(row, layout, found)
        _check_texts(row, layout, ("system", "tools"), found)
        if "kto_tag" in layout.columns:
            tag = layout.columns["kto_tag"]
            if not isinstance(row.get(tag), bool):
                found.error(tag, "label.type", f"the label is true or false, not {kind_of(row.get(tag))}")


def _check_alpaca(row: dict[str, Any], layout: Layout, found: Findings) -> None:
    needed = ["prompt"]
    if layout.ranking:
        needed += ["chosen", "rejected"]
    elif "response" in layout.columns:
        needed.append("response")
    for meaning in needed:
        column = layout.columns.get(meaning, meaning)
        if column not in row:
            found.error(column, "column.missing", f"the row has no '{column}'")
        elif not isinstance(row[column], str):
            found.error(column, "column.type", f"'{column}' is a text, not {kind_of(row[column])}")
    _check_texts(row, layout, ("query",), found)
    history = layout.columns.get("history")
    if history is not None and row.get(history) is not None:
        _check_history(row[history], history, found)
    if layout.ranking:
        _check_pair(row, layout, found)


def _check_history(history: object, path: str, found: Findings) -> None:
    if not isinstance(history, list):
        found.error(path, "column.type", f"a history is a list of pairs of texts, not {kind_of(history)}")
        return
    for index, turn in enumerate(history):
        if not isinstance(turn, list) or len(turn) != 2 or not all(isinstance(text, str) for text in turn):
            found.error(f"{path}[{index}]", "column.type", "a turn of the history is a pair of texts")


def _check_texts(row: dict[str, Any], layout: Layout, meanings: tuple[str, ...], found: Findings) -> None:
    for meaning in meanings:
        column = layout.columns.get(meaning)
        if column is not None and not isinstance(row.get(column), (str, type(None))):
            found.error(column, "column.type", f"'{column}' is a text, not {kind_of(row[column])}")


def _check_pair(row: dict[str, Any], layout: Layout, found: Findings) -> None:
    chosen, rejected = (layout.columns.get(side, side) for side in ("chosen", "rejected"))
    if row.get(chosen) is not None and row.get(chosen) == row.get(rejected):
        found.error(rejected, "preference.same", "the two outputs are the same")
