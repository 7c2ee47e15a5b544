"""The rules by name, and what collects their violations."""

from dataclasses import dataclass, field

WHOLE_FILE = 0  # the line of a problem that no one line has

# Rule -> what it asks for. The reference is generated from this, and every rule has a case in tests/cases/formats.
RULES = {
    "file.too_large": "The file is no larger than the target takes.",
    "file.bom": "The file begins with its first row, not with a byte order mark.",
    "file.format": "The file is JSON Lines; an array or parquet is for targets that load such files.",
    "encoding.utf8": "Every line is UTF-8.",
    "rows.too_few": "The training file has at least as many rows as the target asks for.",
    "line.blank": "No line is blank.",
    "json.invalid": "Every line is valid JSON; NaN and Infinity are not.",
    "json.too_deep": "No value is nested beyond what JSON readers take.",
    "json.not_object": "Every line is an object.",
    "json.duplicate_key": "No object has a key twice: readers differ in which value they keep.",
    "json.surrogate": "No text holds half a surrogate pair, which UTF-8 cannot encode.",
    "form.unknown": "The row has the keys of one of the forms that the target knows.",
    "form.ambiguous": "The row has the keys of one form only.",
    "form.mixed": "All rows of a file have the same form.",
    "row.unknown_key": "The row has no key that the target does not know.",
    "messages.missing": "A chat has `messages`.",
    "messages.type": "The messages are a list.",
    "messages.empty": "The list of messages is not empty.",
    "message.type": "Every message is an object.",
    "message.unknown_key": "A message has no key that the target does not know.",
    "roles.missing": "Every message has a role.",
    "roles.unknown": "Every role is one that the target knows.",
    "roles.alternation": "User and assistant take turns, after a system message if there is one.",
    "roles.consecutive_assistant": "No assistant message follows another.",
    "roles.system_first": "A system message is the first.",
    "assistant.missing": "At least one message is the assistant's.",
    "assistant.last": "The last message is the assistant's.",
    "content.missing": "A message has content; only an assistant message that calls a tool may go without.",
    "content.type": "Content is text or a list of parts.",
    "content.part": "Every part of a content is one that its role may have.",
    "name.type": "A message's name is a text that is not empty.",
    "refusal.type": "A refusal is a text, on an assistant message.",
    "tools.type": "Tools are a list of objects, each a function.",
    "tools.name": "A function's name is 1 to 64 letters, digits, underscores and hyphens.",
    "tools.repeated": "No two functions of a row have the same name.",
    "tools.parameters": "A function's parameters are JSON Schema.",
    "parallel_tool_calls.type": "`parallel_tool_calls` is true or false.",
    "tool_calls.role": "Only assistant messages call tools.",
    "tool_calls.type": "Tool calls are a list, not empty, of objects of the type function.",
    "tool_calls.id": "Every call has an id, a text that is not empty.",
    "tool_calls.id_repeated": "No two calls of a row have the same id.",
    "tool_calls.name": "A called function's name is 1 to 64 letters, digits, underscores and hyphens.",
    "tool_calls.undeclared": "Where the row declares tools, every call is of one of them.",
    "tool_calls.arguments_type": "A call's arguments are a JSON string.",
    "tool_calls.arguments_json": "A call's arguments parse as a JSON object.",
    "tool_calls.arguments_schema": "A call's arguments fit the function's parameters.",
    "tool.call_id": "A tool message has a `tool_call_id`, and no other message has one.",
    "tool.call_unknown": "A tool message answers a call that an earlier message made.",
    "weight.type": "A message's weight is an integer: no float, no boolean, no text.",
    "weight.value": "A message's weight is 0 or 1.",
    "weight.role": "Only assistant messages have a weight.",
    "weight.none_trained": "At least one assistant message of a row is trained.",
    "weight.unread": "No message has a weight where the target does not read weights: it would be trained all the same.",
    "weight.root_type": "A row's weight is a number.",
    "weight.root_partial": "Either all rows have a weight or none has.",
    "tokens.too_many": "No row is longer than the model takes.",
    "tokens.uncertain": "The row's length can be told from the limit without the model's own tokenizer.",
    "preference.input": "A preference row has an `input` object.",
    "preference.input_end": "The input ends on a user or tool message.",
    "preference.output": "Both outputs are there, as lists of messages that are not empty.",
    "preference.output_role": "Both outputs are assistant messages.",
    "preference.output_count": "Both outputs have exactly one message.",
    "preference.same": "The two outputs differ.",
    "preference.old_name": "The outputs are called `preferred_output` and `non_preferred_output`.",
    "validation.repeats_training": "No validation row repeats a training row.",
    "column.missing": "Every column of the form is there.",
    "column.type": "A column holds what its form asks for.",
    "column.mixed": "A column is plain text in all rows, or messages in all rows.",
    "label.type": "The label is true or false.",
    "train.type": "`train` is true or false.",
    "train.none_trained": "At least one message of a row is trained.",
    "info.missing": "`dataset_info.json` lies beside the file and describes it.",
    "info.invalid": "`dataset_info.json` says what it says in the words that LLaMA-Factory reads.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that is broken.

    Attributes:
        line: 1-based; 0 where it is the file as a whole.
        field: the path within the row, such as `messages[2].weight`; empty where it is the row.
        rule: a key of `RULES`.
        message: what is wrong, in one sentence without a stop.
        is_validation: it is in the validation file and not in the training file.
    """

    line: int
    field: str
    rule: str
    message: str
    is_validation: bool = False

    def to_json(self) -> dict[str, object]:
        """Returns `line`, `field`, `rule` and `message`, and for a second file that it is the validation file."""
        known: dict[str, object] = {"line": self.line, "field": self.field, "rule": self.rule, "message": self.message}
        return {**known, "file": "validation"} if self.is_validation else known


@dataclass(slots=True)
class Findings:
    """What breaks a rule. The reader sets the line; the rules say field, rule and message.

    Attributes:
        errors: what the target refuses, or trains otherwise than the file says.
        warnings: what the target takes but the format advises against, and what could not be decided.
        line: the line that is being looked at.
        is_validation: it is the validation file that is being looked at.
    """

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    line: int = WHOLE_FILE
    is_validation: bool = False

    def error(self, where: str, rule: str, message: str) -> None:
        """Adds an error at the current line."""
        self.errors.append(self._problem(where, rule, message))

    def warning(self, where: str, rule: str, message: str) -> None:
        """Adds a warning at the current line."""
        self.warnings.append(self._problem(where, rule, message))

    def _problem(self, where: str, rule: str, message: str) -> Problem:
        assert rule in RULES, rule
        return Problem(self.line, where, rule, message, self.is_validation)


def kind_of(value: object) -> str:
    """Returns a JSON value's type in words, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {int: "an integer", float: "a float", str: "a text", list: "a list", dict: "an object"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)
