"""What may stand in a chat message, and what build, lint and validation do about what may not: the one definition that all share."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from prep.sources import message_keys

ROLE_KEYS, TEXT_KEYS, KEPT_KEYS = message_keys.ROLE_KEYS, message_keys.TEXT_KEYS, message_keys.KEPT_KEYS
WEIGHT_KEYS = ("weight", "loss_weight", "train")

OPENAI_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
OPENAI_MESSAGE_KEYS = frozenset({"role", "content", "weight", *KEPT_KEYS})
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
SYSTEM_KEYS = ("system", "system_prompt", "system_message")  # of a record, beside its list of messages
INPUT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})  # of a preference row's input
OPENAI_ROW_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls"})


@dataclass(frozen=True, slots=True)
class Part:
    """A type of the parts that a content may be made of.

    Attributes:
        turn_key: where a turn keeps what it says; None where it is no text, and no turn can hold it.
        key: where OpenAI's format keeps its matter; empty where that format has no such part.
        type: the matter's type there.
        roles: the roles that may have it there; None for all.
    """

    turn_key: str | None
    key: str = ""
    type: type = str
    roles: frozenset[str] | None = None


_USER, _ASSISTANT = frozenset({"user"}), frozenset({"assistant"})
PARTS = {
    "text": Part("text", "text"),
    "input_text": Part("text"),
    "output_text": Part("text"),
    "tool_result": Part("text"),
    "reasoning": Part("reasoning"),
    "thinking": Part("reasoning"),
    "tool_call": Part("tool_calls"),
    "refusal": Part("refusal", "refusal", roles=_ASSISTANT),
    "image_url": Part(None, "image_url", dict, _USER),
    "input_audio": Part(None, "input_audio", dict, _USER),
    "file": Part(None, "file", dict, _USER),
}
"""Type of a part -> what it is. A part of no type is text where it has one."""


def openai_parts(role: str) -> dict[str, Part]:
    """Returns the parts that a role's content may be made of in OpenAI's format."""
    return {name: part for name, part in PARTS.items() if part.key and (part.roles is None or role in part.roles)}


def is_weight(value: Any) -> bool:
    """Whether a value is a weight as files should have it: the integer 0 or 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value in {0, 1}


def weight_of(value: Any) -> int | None:
    """Returns the weight that a value stands for, true and 1.0 for 1; None where it is none."""
    return int(value) if isinstance(value, (bool, int, float)) and value in {0, 1} else None


class MessageFlaw(StrEnum):
    """What can be wrong with a message."""

    NO_OBJECT = "no_object"
    ROLE_MISSING = "role_missing"
    ROLE_UNKNOWN = "role_unknown"
    CONTENT_MISSING = "content_missing"
    CONTENT_NO_TEXT = "content_no_text"
    PART_NO_TEXT = "part_no_text"
    PART_BARE = "part_bare"
    WEIGHT = "weight"
    WEIGHT_TYPE = "weight_type"
    WEIGHT_ROLE = "weight_role"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about a flaw.

    Attributes:
        is_rejected: the build rejects the record; otherwise it mends the message, so that nothing of it is lost.
        lint_code: the rule that reports it.
        rules: the rules of validation that report it, where the target does not allow it.
    """

    is_rejected: bool
    lint_code: str
    rules: frozenset[str]


POLICIES = {
    MessageFlaw.NO_OBJECT: Policy(True, "FMT002", frozenset({"message.type"})),
    MessageFlaw.ROLE_MISSING: Policy(True, "FMT002", frozenset({"roles.missing"})),
    MessageFlaw.ROLE_UNKNOWN: Policy(True, "FMT002", frozenset({"roles.unknown"})),
    # Of a chat's last message LEN603 says that the answer is empty.
    MessageFlaw.CONTENT_MISSING: Policy(True, "FMT002", frozenset({"content.missing"})),
    MessageFlaw.CONTENT_NO_TEXT: Policy(False, "FMT002", frozenset({"content.type"})),  # an object becomes its JSON
    MessageFlaw.PART_NO_TEXT: Policy(True, "FMT002", frozenset({"content.part"})),  # an image: there is no place for it
    MessageFlaw.PART_BARE: Policy(False, "FMT002", frozenset({"content.part"})),  # a text without braces is a part of text
    MessageFlaw.WEIGHT: Policy(True, "FMT004", frozenset({"weight.value", "weight.type"})),
    MessageFlaw.WEIGHT_TYPE: Policy(False, "FMT004", frozenset({"weight.type"})),  # true and 1.0 become 1
    MessageFlaw.WEIGHT_ROLE: Policy(False, "FMT004", frozenset({"weight.role"})),  # left out: no other turn is ever trained
}
