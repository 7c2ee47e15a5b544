"""The tags of the template language: message, tools, prompt, cloze, target, text, chosen and rejected.

Each tag becomes a call block whose callback stores (kind, role, text) in the rendering's state and leaves nothing in the output. So
message boundaries never exist as text, and no field can forge one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateRuntimeError, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context

ROLES = ("system", "developer", "user", "assistant", "tool")
TAGS = ("message", "tools", "prompt", "cloze", "target", "text", "chosen", "rejected")
# No template can name this variable: it is not an identifier.
STATE = "the rendering's state"


class Role(str):
    """A role that a field declared as `turns` gave. Any other text is refused as a role, or a field could become the system."""

    __slots__ = ("extras",)

    extras: Mapping[str, Any]
    """What the turn's message carries beside role and content, such as its tool calls."""

    def __new__(cls, role: str, extras: Mapping[str, Any] | None = None) -> "Role":
        """Makes a role of a turn that carries `extras`."""
        self = super().__new__(cls, role)
        self.extras = extras or {}
        return self


@dataclass(slots=True)
class Block:
    """What one tag rendered to."""

    kind: str
    role: str | None
    text: str
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RenderState:
    """What one rendering collects, the verbalizer that it uses, and what its choices depend on."""

    verbalizer: dict[str, str]
    seed: tuple[str, ...] = ()
    num_choices: int = 0
    blocks: list[Block] = field(default_factory=list)


class TagExtension(Extension):
    """Parses the tags."""

    tags = set(TAGS)  # noqa: RUF012 (Jinja declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        """Parses one tag through its end tag."""
        token = next(parser.stream)
        kind = token.value
        role: nodes.Expr = nodes.Const(None)
        if kind == "message":
            role = parser.parse_expression()
            if isinstance(role, nodes.Const) and role.value not in ROLES:
                parser.fail(f"unknown role {role.value!r}; roles are: {', '.join(ROLES)}", token.lineno)
        elif parser.stream.current.type != "block_end":
            parser.fail(f"'{kind}' takes nothing more", token.lineno)
        is_constant = nodes.Const(isinstance(role, nodes.Const))
        body = _drop_border_newlines(parser.parse_statements((f"name:end{kind}",), drop_needle=True))
        arguments = [nodes.ContextReference(), nodes.Const(kind), role, is_constant, nodes.Const(False)]
        call = self.call_method("_collect", arguments, lineno=token.lineno)
        return nodes.CallBlock(call, [], [], body, lineno=token.lineno)

    def _collect(
        self, context: Context, kind: str, role: str | None, is_constant: bool, is_demonstration: bool, *, caller: Callable[[], str]
    ) -> str:
        if isinstance(role, Undefined):
            raise TemplateRuntimeError("a turn's speaker is none that has a role, such as user, customer, assistant or agent")
        if kind == "message" and not is_constant and not (isinstance(role, Role) and role in ROLES):
            raise TemplateSyntaxError("a message's role must be a constant, or the role of a turn of an input declared as 'turns'", 1)
        state = state_of(context)
        extras = dict(role.extras) if isinstance(role, Role) else {}
        if is_demonstration and role == "assistant":
            extras["weight"] = 0  # a demonstration is shown, not learned: it is another row's answer
        state.blocks.append(Block(kind, None if role is None else str(role), str(caller()), extras))
        return ""


def state_of(context: Context) -> RenderState:
    """Returns what the rendering that is going on collects."""
    state = context.resolve(STATE)
    assert isinstance(state, RenderState)
    return state


@pass_context
def verbalize(context: Context, label: object) -> str:
    """The filter that turns a label's key into the verbalizer's word for it."""
    state = state_of(context)
    key = str(label).lower() if isinstance(label, bool) else str(label)
    word = state.verbalizer.get(key)
    if word is None:
        raise ValueError(f"label {key!r} is no key of the verbalizer ({', '.join(state.verbalizer) or 'which is empty'})")
    return word


def tag_of(block: nodes.CallBlock) -> tuple[str, str | None] | None:
    """Returns (kind, constant role) of a call block that stands for one of our tags, and None for any other."""
    arguments = block.call.args
    if len(arguments) != 5 or not isinstance(arguments[0], nodes.ContextReference):
        return None
    kind, role = arguments[1], arguments[2]
    assert isinstance(kind, nodes.Const)
    return kind.value, role.value if isinstance(role, nodes.Const) else None


def mark_demonstration(block: nodes.CallBlock) -> None:
    """Notes in the syntax tree that a tag stands within a loop over demonstrations."""
    block.call.args[4] = nodes.Const(True)


def _drop_border_newlines(body: list[nodes.Node]) -> list[nodes.Node]:
    """Drops one newline after the opening tag and one before the closing tag, of the template's own text, never of a field's."""
    if body and isinstance(body[0], nodes.Output) and isinstance(first := body[0].nodes[0], nodes.TemplateData):
        first.data = first.data.removeprefix("\n")
    if body and isinstance(body[-1], nodes.Output) and isinstance(last := body[-1].nodes[-1], nodes.TemplateData):
        last.data = last.data.removesuffix("\n")
    return body
