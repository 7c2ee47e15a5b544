"""Rules for preference rows: an input, an output that is preferred and one that is not."""

import json
from dataclasses import replace
from typing import Any

from prep.sources.list_columns import OLD_OUTPUTS, OUTPUTS
from prep.sources.shapes.legal import INPUT_KEYS
from prep.targets.checks.chat import ChatRules, check_keys, check_messages, check_row_tools
from prep.targets.checks.rules import Findings, kind_of

PREFERENCE_KEYS = frozenset({"input", *OUTPUTS})


def is_preference(row: dict[str, Any]) -> bool:
    """Says whether a row means to be a preference row."""
    return any(key in row for key in (*PREFERENCE_KEYS, *OLD_OUTPUTS))


def with_new_names(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row whose outputs have the names of now."""
    return {OLD_OUTPUTS.get(key, key) if OLD_OUTPUTS.get(key) not in row else key: value for key, value in row.items()}


def check_preference(row: dict[str, Any], rules: ChatRules, found: Findings, *, one_message: bool = False) -> None:
    """Checks a preference row.

    Args:
        row: the row.
        rules: what the target asks of chats.
        found: collects what is wrong.
        one_message: each output has exactly one message.
    """
    renamed = with_new_names(row)
    for key in row:
        if key in OLD_OUTPUTS and key not in renamed:
            found.warning(key, "preference.old_name", f"the older name of '{OLD_OUTPUTS[key]}'")
    row = renamed
    check_keys(row, PREFERENCE_KEYS, "", "row.unknown_key", found)
    given = row.get("input")
    if not isinstance(given, dict):
        found.error("input", "preference.input", f"the input is an object with messages, not {kind_of(given)}")
        given = {}
    else:
        check_keys(given, INPUT_KEYS, "input", "row.unknown_key", found)
    box = check_row_tools(given, "input", rules, found)
    if given:
        messages = check_messages(given.get("messages"), "input.messages", box, rules, found)
        if messages and messages[-1][1].get("role") not in {"user", "tool"}:
            found.error(f"{messages[-1][0]}.role", "preference.input_end", "the input ends on a user or tool message")
    for key in OUTPUTS:
        # The two are alternatives: a call of one is not made in the other, and neither follows the other.
        own = replace(box, call_ids=set(box.call_ids))
        output = row.get(key)
        if not isinstance(output, list) or not output:
            found.error(key, "preference.output", "an output is a list of messages that is not empty")
            continue
        for path, message in check_messages(output, key, own, replace(rules, order=None), found):
            if message.get("role") in rules.roles and message.get("role") != "assistant":
                found.error(f"{path}.role", "preference.output_role", "an output is the assistant's")
        if one_message and len(output) != 1:
            found.error(key, "preference.output_count", f"an output has exactly one message, not {len(output)}")
    preferred, other = (row.get(key) for key in OUTPUTS)
    if preferred and _same(preferred, other):
        found.error("non_preferred_output", "preference.same", "the two outputs are the same")


def _same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
