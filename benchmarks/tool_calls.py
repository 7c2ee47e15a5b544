"""The calls of tools of real records: read back from every notation, and the metrics of changed ones beside a script written apart.

    PYTHONPATH=. python benchmarks/tool_calls.py FOLDER [--records 0] [--seed 7]

FOLDER holds `glaive_toolcall_en_demo.json`, `glaive_toolcall_zh_demo.json` and `reason_tool_use_demo_50.jsonl` (LLaMA-Factory's demo data).
Each turn of the assistant that calls tools is an example. Its calls are rendered by chat templates of many notations, as they are trained,
and read back; then they are changed in known ways, as values and as text. The four metrics of each changed answer are held against
`tests/evals/metrics/reference_tools.py`, which imports nothing of evals, and its state against the state that the change was made for.

Prints the counts; exits with 1 where anything differs.
"""

import argparse
import copy
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow
from evals.data.tool_answers import judge_calls
from evals.metrics.base import CALL_METRICS, METRICS
from evals.predict.calls import as_prediction
from templates.call_format import call_format
from templates.call_reader import read_calls
from templates.calls import ReadAnswer, ToolCall
from templates.chat import EncodeError, encode_chat
from tests.call_notations import KNOWN, ONE_AT_A_TIME, calling_tokenizer
from tests.evals.metrics import reference_tools

Call = dict[str, Any]
FILES = ("glaive_toolcall_en_demo.json", "glaive_toolcall_zh_demo.json", "reason_tool_use_demo_50.jsonl")
_END = "<|im_end|>"


@dataclass(frozen=True, slots=True)
class Example:
    """The calls of one turn, and the functions that are declared for it."""

    calls: list[Call]
    tools: list[dict[str, Any]]


def read_examples(folder: Path) -> Iterator[Example]:
    """Yields the turns that call tools, read by nothing but the JSON reader of Python."""
    for name in FILES:
        text = (folder / name).read_text(encoding="utf-8")
        records = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)
        for record in records:
            declared = json.loads(record["tools"]) if record.get("tools") else []
            tools = [tool if "function" in tool else {"type": "function", "function": tool} for tool in declared]
            for turn in record.get("conversations") or record["messages"]:
                if turn.get("from") == "function_call":
                    said = [turn["value"]]
                elif isinstance(turn.get("content"), list):
                    said = [part["value"] for part in turn["content"] if part["type"] == "tool_call"]
                else:
                    continue
                found = [call for one in said for call in _as_list(json.loads(one))]
                if found and tools:
                    yield Example(found, tools)


def _as_list(value: Any) -> list[Call]:
    return value if isinstance(value, list) else [value]


def changes(calls: list[Call], chooser: random.Random) -> Iterator[tuple[str, list[Call]]]:
    """Yields the calls as they are and changed, each with the name of the change."""
    yield "as they are", copy.deepcopy(calls)
    yield "keys turned", [{**call, "arguments": dict(reversed(call["arguments"].items()))} for call in calls]
    yield "whole numbers with a point", [{**call, "arguments": _pointed(call["arguments"])} for call in calls]
    yield "another name", [{**calls[0], "name": calls[0]["name"] + "_2"}, *calls[1:]]
    yield "one call more", [*calls, {"name": "another", "arguments": {}}]
    yield "the first call twice", [*calls, copy.deepcopy(calls[0])]
    yield "turned", [copy.deepcopy(call) for call in reversed(calls)]
    yield "none", []
    if keys := sorted(calls[0]["arguments"]):
        key = chooser.choice(keys)
        value = calls[0]["arguments"][key]
        for name, changed in (("null", None), ("as a text", str(value)), ("in a list", [value]), ("changed", _changed(value))):
            yield f"an argument {name}", [{**calls[0], "arguments": {**calls[0]["arguments"], key: changed}}, *calls[1:]]
        yield "an argument less", [{**calls[0], "arguments": {one: calls[0]["arguments"][one] for one in keys if one != key}}, *calls[1:]]
    yield "an argument more", [{**calls[0], "arguments": {**calls[0]["arguments"], "strange": 1}}, *calls[1:]]


def _pointed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pointed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_pointed(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}." if isinstance(value, str) else [value, value]


# Change of a Hermes text -> the state that it is made for.
TEXT_CHANGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "words around": ("right", lambda text: f"Let me see.\n{text}\nDone."),
    "cut": ("malformed", lambda text: text[: text.rindex("}\n</tool_call>") - 1]),
    "single quotes": ("malformed", lambda text: text.replace('"', "'")),
    "no name": ("malformed", lambda text: text.replace('"name": ', '"nome": ')),
    "a comma more": ("malformed", lambda text: text.replace("}\n</tool_call>", ",}\n</tool_call>")),
    "a fence for the tags": ("parser_lost", lambda text: text.replace("<tool_call>", "```json").replace("</tool_call>", "```")),
    "no tags": ("parser_lost", lambda text: text.replace("<tool_call>\n", "").replace("\n</tool_call>", "")),
    "words alone": ("wrong", lambda _: "I will look into it."),
}


def _row(example: Example) -> EvalRow:
    calls = [
        {"id": f"callnumb{place}", "type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
        for place, call in enumerate(example.calls)
    ]
    return EvalRow(
        id="x", row_id="x", source="", line=0, group=None, split="", template="", label=None, choices=None, prompt=None, target=None,
        messages=[{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": calls}], tools=example.tools,
    )  # fmt: skip


def _scores(row: EvalRow, prediction: Prediction) -> dict[str, float | None]:
    return {name: METRICS.get(name)().row_scores([row], [prediction])[0] for name in CALL_METRICS}


@cache
def _tokenizer(notation: str) -> Any:
    return calling_tokenizer(notation)


def _written(notation: str, row: EvalRow) -> str:
    """Returns what is trained of the turn, without its end token."""
    assert row.messages is not None
    [encoded] = encode_chat(_tokenizer(notation), row.messages, row.tools)
    return "".join(piece.text for piece in encoded.pieces() if piece.trained).removesuffix(_END)


def read_back(rows: list[EvalRow]) -> list[str]:
    """Renders and reads the calls of all rows in every notation; returns what differs."""
    wrong: list[str] = []
    for notation in KNOWN:
        done = refused = 0
        for row in rows:
            assert row.calls is not None
            # Python has no names with hyphens, and some notations one call alone.
            if (notation in ONE_AT_A_TIME and len(row.calls) > 1) or ("python" in notation and not _are_names(row.calls)):
                refused += 1
                continue
            try:
                text = _written(notation, row)
            except EncodeError:
                refused += 1
                continue
            done += 1
            if (read := read_calls(call_format(_tokenizer(notation)), text, row.tools)).calls != row.calls:
                wrong.append(f"{notation}: {row.calls} written as {text!r} is read as {read}")
        print(f"{notation:15} {done:5} turns read back, {refused} cannot be written so")
    return wrong


def _are_names(calls: tuple[ToolCall, ...]) -> bool:
    return all(name.isidentifier() for call in calls for name in (call.name, *call.values))


def compare(examples: list[Example], chooser: random.Random) -> list[str]:
    """Changes the calls of all examples, as values and as text; returns where a score or a state differs from the reference."""
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    for example in examples:
        row = _row(example)
        for name, given in changes(example.calls, chooser):
            read = ReadAnswer("", tuple(ToolCall.of(call["name"], call["arguments"]) for call in given))
            prediction = as_prediction(row, PredictionState.OK, read)
            expected = reference_tools.scores(example.calls, given, example.tools)
            verdict = judge_calls(row, prediction)
            counts[f"{name}: {verdict and verdict.state}"] += 1
            if _scores(row, prediction) != expected or (verdict and verdict.state == "right") != (expected["tool_call_match"] == 1):
                wrong.append(f"{name}: {example.calls} against {given}: {_scores(row, prediction)}, and not {expected}")
        text = _written("hermes", row)
        for name, (state, change) in TEXT_CHANGES.items():
            read = read_calls(call_format(_tokenizer("hermes")), change(text), row.tools)
            verdict = judge_calls(row, as_prediction(row, PredictionState.OK, read))
            counts[f"text, {name}: {verdict and verdict.state}"] += 1
            if verdict is None or verdict.state != state:
                wrong.append(f"{name}: {change(text)!r} is {verdict}, and not {state}")
    for name, count in sorted(counts.items()):
        print(f"{count:6} {name}")
    return wrong


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=0, help="this many turns only")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    examples = list(read_examples(given.folder))[: given.records or None]
    print(f"{len(examples)} turns that call tools, {sum(len(one.calls) for one in examples)} calls")
    wrong = [*read_back([_row(one) for one in examples]), *compare(examples, random.Random(given.seed))]
    for text in wrong[:20]:
        print(text)
    print(f"{len(wrong)} differences")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
