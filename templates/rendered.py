"""What one row renders to, and the errors that keep it from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.errors import UserError
from templates.chat import Message
from templates.cloze import mask_position
from templates.syntax import Block
from templates.tools import TURN_EXTRAS, read_tools

# Tags that a row has at most one of, in the order in which errors look at them.
_PAIRS = (("prompt", "target"), ("cloze", "target"), ("chosen", "rejected"))


class RenderError(UserError):
    """One row cannot be rendered with a template.

    Attributes:
        reason: a word for the accounting of dropped rows: `bad_value`, `no_example` or `template_error`.
    """

    reason = "template_error"


class FieldError(RenderError):
    """A row's field is missing or not of its declared type."""

    reason = "bad_value"


class NoExampleError(RenderError):
    """A template gives nothing for a row, by a condition of its own: it wants that row left out."""

    reason = "no_example"


class OverLimitError(RenderError):
    """A template asked for more work or output than one row can need."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One row, rendered. What a template does not give is None.

    Attributes:
        messages: the chat. The content of a message that is nothing but tool calls is None.
        prompt: the text before the target; of a cloze, the whole text with its mask.
        target: what follows the prompt, or fills the mask.
        mask: the text that stands in the prompt, once, where the target belongs; None where the prompt is no cloze.
        text: raw text.
        chosen: the better answer, as messages.
        rejected: the worse one.
        wanted: whether the answer that ends the chat is one that people want, where the template says it.
        extras: what the chat has beside role and content, as JSON: `tools`, and for each message its `tool_calls`, `tool_call_id`,
            `name`, `weight`, `refusal` and `reasoning`, or null. None where there is nothing.
    """

    messages: list[Message] | None = None
    prompt: str | None = None
    target: str | None = None
    mask: str | None = None
    text: str | None = None
    chosen: list[Message] | None = None
    rejected: list[Message] | None = None
    wanted: bool | None = None
    extras: str | None = None


def assemble(blocks: list[Block], mask: str, name: str, *, wanted: bool | None = None) -> Rendered:
    """Puts the blocks that a rendering collected together as one example.

    Args:
        blocks: what the tags rendered to, in their order.
        mask: the mask of a cloze.
        name: the template's name, for messages.
        wanted: whether the answer that ends the chat is wanted; None where that is not said.

    Raises:
        RenderError: they make no example.
    """
    where = f"template '{name}'"
    if not blocks:
        raise NoExampleError("it renders to nothing", where, "Give the tags a condition that this row meets.")
    single = _single(blocks, where)
    chat = [block for block in blocks if block.kind == "message"]
    cloze = single.get("cloze")
    if cloze is not None:
        try:
            mask_position(cloze, mask)
        except ValueError as error:
            raise RenderError(str(error), where, 'Choose another text for it: mask: "...".') from error
    if wanted is not None and chat and chat[-1].role != "assistant":
        raise RenderError("its chat does not end on an answer that 'wanted' could speak of", where, "End it on the assistant's turn.")
    chosen, rejected = (_answer(single.get(kind)) for kind in ("chosen", "rejected"))
    return Rendered(
        messages=[_message(block) for block in chat] or None,
        prompt=cloze if cloze is not None else single.get("prompt"),
        target=single.get("target"),
        mask=None if cloze is None else mask,
        text=single.get("text"),
        chosen=chosen,
        rejected=rejected,
        wanted=wanted if chat else None,
        extras=_extras(chat, single.get("tools"), where),
    )


def _single(blocks: list[Block], where: str) -> dict[str, str]:
    single: dict[str, str] = {}
    for block in blocks:
        if block.kind == "message":
            continue
        if block.kind in single:
            raise RenderError(f"the tag '{block.kind}' was rendered twice", where, "A row has one of each but messages.")
        single[block.kind] = block.text
    if "prompt" in single and "cloze" in single:
        raise RenderError("it renders both 'prompt' and 'cloze'", where, "Render one of them.")
    for one, other in _PAIRS:
        if one in single and other not in single:
            raise RenderError(f"it renders one of '{one}' and '{other}' without the other", where, "Render both or none.")
    if "target" in single and not {"prompt", "cloze"} & set(single):
        raise RenderError("it renders one of 'prompt' and 'target' without the other", where, "Render both or none.")
    if "rejected" in single and "chosen" not in single:
        raise RenderError("it renders one of 'chosen' and 'rejected' without the other", where, "Render both or none.")
    return single


def _message(block: Block) -> Message:
    # A turn that only calls a tool says nothing; in chat formats its content is null then.
    content = None if block.extras.get("tool_calls") and not block.text else block.text
    return {"role": str(block.role), "content": content}


def _extras(chat: list[Block], tools: str | None, where: str) -> str | None:
    extras: dict[str, Any] = {}
    if tools is not None:
        try:
            listed = read_tools(json.loads(tools))
        except (ValueError, RecursionError) as error:
            raise RenderError(f"the tag 'tools' holds no list of tools: {error}", where, "Write: {{ tools | tojson }}") from error
        if listed:
            extras["tools"] = listed
    if any(block.extras for block in chat):
        extras["messages"] = [_in_order(block.extras) or None for block in chat]
    return json.dumps(extras, ensure_ascii=False, separators=(",", ":")) if extras else None


def _in_order(extras: Mapping[str, Any]) -> dict[str, Any]:
    return {key: extras[key] for key in TURN_EXTRAS if key in extras}


def _answer(text: str | None) -> list[Message] | None:
    return None if text is None else [{"role": "assistant", "content": text}]
