"""The keys by which a message of any format is known, and those of which a turn keeps what they hold."""

ROLE_KEYS = ("role", "from", "speaker")
TEXT_KEYS = ("content", "value", "text")
KEPT_KEYS = ("tool_calls", "function_call", "tool_call_id", "name", "refusal")
TOOL_KEYS = frozenset({"tools", "functions"})  # of a record, beside its messages
