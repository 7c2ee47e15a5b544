"""Lint of chats that carry more than role and content."""

import json
from pathlib import Path
from typing import Any

from prep.lint.options import LintOptions
from prep.lint.run import lint
from templates.form import Form
from tests.helpers import DEFAULT_TEMPLATE, write_dataset

TEMPLATE = DEFAULT_TEMPLATE.model_copy(update={"forms": [Form.CHAT], "verbalizer": {}, "metrics": ["rouge1"]})


def chat(question: str, zone: str | None = None, *, weight: int | None = None) -> dict[str, Any]:
    """A chat that ends on a tool call, or on words of a weight."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": None if zone else "Nine."}]
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": json.dumps({"zone": zone})}}
    beside = {"tool_calls": [call]} if zone else {"weight": weight}
    return {"messages": messages, "extras": json.dumps({"messages": [None, beside]}, separators=(",", ":"))}


def codes(tmp_path: Path, *rows: dict[str, Any], model: str | None = None) -> list[str]:
    placed = [{"row_id": f"row{number}", **row} for number, row in enumerate(rows)]
    report = lint(write_dataset(tmp_path / "data", placed, templates=[TEMPLATE]), options=LintOptions(model=model))
    return sorted({diagnostic.code for diagnostic in report.diagnostics})


def test_two_calls_are_told_apart_by_what_they_call(tmp_path: Path) -> None:
    assert codes(tmp_path / "a", chat("What time is it?", "CET"), chat("What time is it?", "CET")) == ["DUP301"]
    assert codes(tmp_path / "b", chat("What time is it?", "CET"), chat("What time is it?", "UTC")) == ["CON201"]
    assert codes(tmp_path / "c", chat("What time is it?", "CET"), chat("And in London?", "UTC")) == []


def test_a_chat_of_weight_0_alone_trains_nothing(tmp_path: Path) -> None:
    assert codes(tmp_path / "a", chat("What time is it?", weight=0)) == ["FMT004"]
    assert codes(tmp_path / "b", chat("What time is it?", weight=1)) == []


def test_a_call_that_the_chat_template_leaves_out_is_found(tmp_path: Path, tiny_model_dir: Path) -> None:
    assert codes(tmp_path / "a", chat("What time is it?", "CET"), model=str(tiny_model_dir)) == ["LEN602"]
    # What an epoch costs in tokens is told of every dataset; nothing is wrong with this one.
    assert codes(tmp_path / "b", chat("What time is it?", weight=1), model=str(tiny_model_dir)) == ["LEN605"]
