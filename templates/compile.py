"""Templates as Polars expressions: plain ones render column-wise, the rest goes through Jinja row by row.

Both ways give the same bytes. What is plain: text, names of inputs of type str, and one filter on a name (trim, lower, upper or
verbalize), in tags whose role is a constant. Rows reach this stage without a missing input and with a label that the verbalizer
knows, so that an expression has no error to report.
"""

from dataclasses import dataclass

import polars as pl
from jinja2 import nodes

from templates.template import Template

# What Python's str.strip takes for white space; Polars' own default leaves U+001C to U+001F in.
_WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())

MESSAGES_TYPE = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))


@dataclass(frozen=True, slots=True)
class Plan:
    """How a template will be rendered.

    Attributes:
        expressions: part -> expression over the columns named as the template's inputs; empty for the fallback.
        reason: why the fallback is taken; None where the template is compiled.
    """

    expressions: dict[str, pl.Expr]
    reason: str | None = None

    @property
    def path(self) -> str:
        """`compiled` or `fallback`."""
        return "compiled" if self.reason is None else "fallback"


class _NotPlainError(Exception):
    """A construct that is left to Jinja; the message says which and where."""


def plan(template: Template) -> Plan:
    """Decides how a template is rendered, and compiles it where it is plain."""
    try:
        return Plan(_compile(template))
    except _NotPlainError as error:
        return Plan({}, str(error))


def _compile(template: Template) -> dict[str, pl.Expr]:
    messages: list[pl.Expr] = []
    parts: dict[str, pl.Expr] = {}
    for node in template.tree.body:
        if isinstance(node, nodes.Output) and all(isinstance(child, nodes.TemplateData) and not child.data.strip() for child in node.nodes):
            continue
        tagged = [(kind, role) for kind, role, block in template.blocks if block is node]
        if not tagged:
            raise _NotPlainError(_at(template, node, f"'{type(node).__name__.lower()}' outside of a tag"))
        assert isinstance(node, nodes.CallBlock)
        kind, role = tagged[0]
        text = _text(template, node)
        if kind == "message":
            if role is None:
                raise _NotPlainError(_at(template, node, "a role that is not a constant"))
            messages.append(_message(role, text))
        elif kind in parts:
            raise _NotPlainError(_at(template, node, f"a second '{kind}'"))
        else:
            parts[kind] = pl.concat_list(_message("assistant", text)) if kind in {"chosen", "rejected"} else text
    if messages:
        parts["messages"] = pl.concat_list(messages).cast(MESSAGES_TYPE)
    return parts


def _message(role: str, text: pl.Expr) -> pl.Expr:
    return pl.struct(role=pl.lit(role), content=text)


def _text(template: Template, block: nodes.CallBlock) -> pl.Expr:
    pieces: list[pl.Expr] = []
    for node in block.body:
        if not isinstance(node, nodes.Output):
            raise _NotPlainError(_at(template, node, f"the tag '{type(node).__name__.lower()}'"))
        pieces.extend(_piece(template, child) for child in node.nodes)
    return pl.concat_str(pieces) if pieces else pl.lit("")


def _piece(template: Template, node: nodes.Expr) -> pl.Expr:
    if isinstance(node, nodes.TemplateData):
        return pl.lit(node.data)
    if isinstance(node, nodes.Name):
        return _column(template, node)
    if isinstance(node, nodes.Filter) and isinstance(node.node, nodes.Name) and not node.args and not node.kwargs:
        column = _column(template, node.node)
        if node.name == "trim":
            return column.str.strip_chars(_WHITE_SPACE)
        if node.name == "verbalize":
            words = template.verbalizer
            return column.replace_strict(list(words), list(words.values()), return_dtype=pl.String)
        if node.name in {"lower", "upper"}:
            # By Python's own rules: 55 code points change case otherwise in Polars.
            change = str.lower if node.name == "lower" else str.upper
            return column.map_batches(
                lambda texts: pl.Series(texts.name, [change(text) for text in texts], pl.String), return_dtype=pl.String
            )
        raise _NotPlainError(_at(template, node, f"the filter '{node.name}'"))
    raise _NotPlainError(_at(template, node, f"an expression ({type(node).__name__.lower()})"))


def _column(template: Template, name: nodes.Name) -> pl.Expr:
    kind = template.header.inputs.get(name.name)
    if kind != "str":
        raise _NotPlainError(_at(template, name, f"'{name.name}', which is of type {kind}" if kind else f"the variable '{name.name}'"))
    return pl.col(name.name)


def _at(template: Template, node: nodes.Node, what: str) -> str:
    return f"line {node.lineno + template.first_line - 1} has {what}"
