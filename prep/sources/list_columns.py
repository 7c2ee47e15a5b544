"""The names under which formats keep lists and objects: a table, which has none, keeps their JSON there."""

from collections.abc import Collection

# The two answers of a preference pair as OpenAI names them, and the older names.
OUTPUTS = ("preferred_output", "non_preferred_output")
OLD_OUTPUTS = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}

_LIST_COLUMNS = frozenset(
    {
        *("messages", "conversations", "conversation", "turns", "dialogue", "dialog", "chosen_messages", "rejected_messages"),
        *("tools", "functions", "history", "choices", *OUTPUTS, *OLD_OUTPUTS),
    }
)


def list_columns(columns: Collection[str]) -> frozenset[str]:
    """Returns the names under which formats keep lists and objects, as a table's columns are called.

    Args:
        columns: the table's columns; `input` is one only beside the outputs of a preference pair.
    """
    is_preference = any(name in columns for name in (*OUTPUTS, *OLD_OUTPUTS))
    return _LIST_COLUMNS | {"input"} if is_preference else _LIST_COLUMNS
