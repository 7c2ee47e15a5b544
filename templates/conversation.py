"""Chats as a model's own chat template renders them: messages, tool calls and tools."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict, cast

from loopwright.errors import UserError
from loopwright.models import hub_answers, resolve_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tools: TypeAlias = Sequence[dict[str, Any]]
# Plain letters, which no chat template's JSON escapes; closed, so that the first mark is not found in the tenth.
_MARK = "loopwright-probe-{}-end"


class Message(TypedDict):
    """One turn of a chat. `weight` is 0 or 1, on assistant turns only; absent means trained."""

    role: str
    content: str | None
    weight: NotRequired[int]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


class EncodeError(UserError):
    """A row whose prompt and answer cannot be told apart with proof under this tokenizer and chat template."""


@cache
def load_tokenizer(model: str) -> "PreTrainedTokenizerBase":
    """Loads the tokenizer of a model (known name, folder or hub name). No weights are loaded and no torch is needed.

    Raises:
        UserError: the model is not there, or its tokenizer is none that reports character offsets.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    source = resolve_model(model)
    logging.set_verbosity_error()
    try:
        is_here = Path(source).is_dir() or not hub_answers()
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=is_here)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others of its own here
        raise UserError(
            f"cannot load the tokenizer of '{model}': {str(error).splitlines()[0]}",
            remedy="Check that the folder has tokenizer.json and tokenizer_config.json, or that the hub can be reached.",
        ) from error
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of '{model}' does not report character offsets",
            remedy="Save it as a fast tokenizer (tokenizer.json); the loss mask is proven on offsets.",
        )
    return tokenizer


def render_chat(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None, *, generation_prompt: bool = False
) -> str:
    """Renders messages with the model's own chat template.

    Raises:
        EncodeError: there is no chat template, or it refuses these messages.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise EncodeError("the tokenizer has no chat template", remedy="Use an instruct model, or train and evaluate the verbalizer form.")
    try:
        rendered = tokenizer.apply_chat_template(
            [_for_template(message) for message in messages],
            tools=list(tools) if tools else None,
            tokenize=False,
            add_generation_prompt=generation_prompt,
        )
    except Exception as error:  # Jinja's errors and whatever a chat template raises by `raise_exception`
        raise EncodeError(f"the chat template refuses these messages: {error}", remedy="Check the order of roles.") from error
    assert isinstance(rendered, str)
    return rendered


def require_tools_shown(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None) -> None:
    """Refuses a chat whose tools, calls or answers of tools the chat template leaves out: nothing would be learned from them.

    Proven by rendering once more with a marker in the place of each.

    Raises:
        EncodeError: it leaves something out; the message says what.
    """
    marks: dict[str, str] = {}
    marked = [_mark(message, index, marks) for index, message in enumerate(messages)]
    marked_tools = [_mark_tool(tool, index, marks) for index, tool in enumerate(tools or ())]
    if not marks:
        return
    rendered = render_chat(tokenizer, marked, marked_tools)
    for mark, what in marks.items():
        if mark not in rendered:
            raise EncodeError(
                f"the chat template leaves out {what}",
                remedy="Use a model whose chat template knows tools, or write calls and tools as text in the template of the data.",
            )


def texts_of_tools(messages: Sequence[Message], tools: Tools | None) -> Iterator[str]:
    """Yields what a chat says of tools and their calls, as JSON."""
    for value in (*(message.get("tool_calls") for message in messages), tools):
        if value:
            yield json.dumps(value, ensure_ascii=False)


def _for_template(message: Message) -> dict[str, Any]:
    given: dict[str, Any] = {"role": message["role"], "content": message["content"] or ""}
    if calls := message.get("tool_calls"):
        given["tool_calls"] = [{**call, "function": _with_parsed_arguments(call["function"])} for call in calls]
    return given | {key: value for key, value in message.items() if key in {"tool_call_id", "name"}}


def _with_parsed_arguments(function: dict[str, Any]) -> dict[str, Any]:
    """Returns a function call with its arguments as an object: chat templates write them by `tojson`, which would quote a text twice."""
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        return function
    return {**function, "arguments": arguments} if isinstance(arguments, dict) else function


def _mark(message: Message, index: int, marks: dict[str, str]) -> Message:
    def mark(what: str) -> str:
        marked = _MARK.format(len(marks))
        marks[marked] = f"{what} of messages[{index}]"
        return marked

    if calls := message.get("tool_calls"):
        marked_calls = [
            {**call, "function": {"name": mark("the call"), "arguments": json.dumps({mark("the arguments"): 1})}} for call in calls
        ]
        return cast("Message", {**message, "tool_calls": marked_calls})
    return cast("Message", {**message, "content": mark("the tool's answer")}) if message["role"] == "tool" else message


def _mark_tool(tool: dict[str, Any], index: int, marks: dict[str, str]) -> dict[str, Any]:
    marked = _MARK.format(len(marks))
    marks[marked] = f"tools[{index}]"
    return {**tool, "function": {**tool["function"], "name": marked}}
