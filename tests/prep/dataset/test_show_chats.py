"""`prep show` on what an example has beside role and content, and on clozes."""

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from prep.dataset.show import render_example, show
from tests.helpers import write_dataset

CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}


def shown(tmp_path: Path, model: str | None = None, **row: Any) -> tuple[str, list[str]]:
    [(one, pieces)] = show(write_dataset(tmp_path / "data", [row]), split=None, example_id=None, limit=1, model=model)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render_example(one, pieces))
    return console.export_text(), [piece.text for piece in pieces or () if piece.trained]


def test_tools_calls_and_weights_are_shown(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "Time?"},
        {"role": "assistant", "content": None},
        {"role": "tool", "content": "9:00"},
        {"role": "assistant", "content": "Nine."},
    ]
    tools = [{"type": "function", "function": {"name": "clock"}}]
    extras = {"tools": tools, "messages": [None, {"tool_calls": [CALL]}, {"tool_call_id": "call_1"}, {"weight": 0}]}
    text, _ = shown(tmp_path, messages=messages, extras=json.dumps(extras))
    lines = [line.strip("│ ") for line in text.splitlines()]
    assert lines[1:-1] == [
        "tools",
        '[{"type": "function", "function": {"name": "clock"}}]',
        *("user", "Time?", "assistant", 'call_1: clock({"zone": "CET"})', "tool", "9:00", "assistant, not trained", "Nine."),
    ]


def test_a_demonstration_is_not_trained(tmp_path: Path, tiny_model_dir: Path) -> None:
    messages = [
        {"role": "user" if index % 2 == 0 else "assistant", "content": text} for index, text in enumerate(("a", "bad", "x", "good"))
    ]
    extras = json.dumps({"messages": [None, {"weight": 0}, None, None]})
    assert shown(tmp_path, str(tiny_model_dir), messages=messages, extras=extras)[1] == ["good<|im_end|>"]


def test_of_a_pair_both_answers_are_shown_and_the_preferred_one_is_marked(tmp_path: Path, tiny_model_dir: Path) -> None:
    turns = [{"role": role, "content": text} for role, text in (("user", "a"), ("assistant", "bad"), ("user", "x"))]
    extras = json.dumps({"messages": [None, {"weight": 0}, None]})
    sides: dict[str, Any] = {name: [{"role": "assistant", "content": text}] for name, text in (("chosen", "good"), ("rejected", "slow"))}
    assert shown(tmp_path / "a", str(tiny_model_dir), messages=turns, extras=extras, **sides)[1] == ["good<|im_end|>"]
    lines = [line.strip("│ ") for line in shown(tmp_path / "b", messages=turns, extras=extras, **sides)[0].splitlines()]
    assert lines[1:-1] == ["user", "a", "assistant, not trained", "bad", "user", "x", "chosen", "good", "rejected", "slow"]


def test_a_cloze_shows_its_mask_and_the_word_for_it(tmp_path: Path) -> None:
    text, _ = shown(tmp_path, prompt="It was [MASK].", mask="[MASK]", target="good", choices=["bad", "good"], label=1)
    lines = [line.strip("│ ") for line in text.splitlines()]
    assert lines[1:-1] == ["prompt", "It was [MASK].", "mask", "[MASK]", "target", "good", "choices", "bad, good"]


def test_of_answers_that_are_judged_the_last_alone_is_trained_and_the_judgement_is_shown(tmp_path: Path, tiny_model_dir: Path) -> None:
    asked = [{"role": role, "content": text} for role, text in (("user", "Hm?"), ("assistant", "Yes?"), ("user", "When?"))]
    sides = {"chosen": [{"role": "assistant", "content": "At nine."}], "rejected": [{"role": "assistant", "content": "No."}]}
    rows: list[dict[str, Any]] = [{"messages": asked, **sides}, {"messages": [*asked, *sides["rejected"]], "wanted": False}]
    write_dataset(tmp_path / "data", rows)
    shown = show(tmp_path / "data", split=None, example_id=None, limit=5, model=str(tiny_model_dir))
    trained = [[piece.text for piece in pieces or () if piece.trained] for _, pieces in shown]
    assert trained == [["At nine.<|im_end|>"], ["No.<|im_end|>"]]
    buffer = io.StringIO()
    Console(file=buffer, width=80).print(render_example(shown[1][0], None))
    text = buffer.getvalue()
    assert "assistant, not trained" in text
    assert text.index("No.") < text.index("wanted") < text.rindex("no")
