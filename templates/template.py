"""A template file: YAML front matter and a Jinja body, checked when loaded, rendered a row at a time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2 import Template as JinjaTemplate
from pydantic import BaseModel, ConfigDict, Field

from loopwright.config import parse_yaml, read_text, validate
from loopwright.errors import UserError, did_you_mean
from loopwright.hashing import hash_text
from templates.chat import Message
from templates.sandbox import Sandbox, fresh_budget
from templates.syntax import STATE, Block, RenderState, TagExtension, tag_of, verbalize
from templates.values import InputType, coerce

_FENCE = "---\n"
FactKind = Literal["code", "customer", "money", "percent", "date", "time", "dose", "number"]


class RenderError(UserError):
    """One row cannot be rendered with a template.

    Attributes:
        reason: a word for the accounting of dropped rows: `bad_value` or `template_error`.
    """

    reason = "template_error"


class FieldError(RenderError):
    """A row's field is missing or not of its declared type."""

    reason = "bad_value"


class _Example(BaseModel):
    """A row and what it must render to: documentation that is tested."""

    model_config = ConfigDict(extra="forbid")
    fields: dict[str, Any]
    renders: dict[str, Any]


class TemplateHeader(BaseModel):
    """The front matter of a template file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_\-]+(/[a-z0-9_\-]+)*$")
    """`domain/name`, as configs write it."""
    inputs: dict[str, InputType]
    """Fields that the body uses, and their types."""
    version: str = "1"
    """Raised when the rendering changes."""
    task: str = ""
    """What the model learns, in a few words."""
    description: str = ""
    """One sentence for `prep templates list`."""
    language: str = ""
    """Language code of the template's own words."""
    verbalizer: dict[str, str] = {}
    """Label key -> the word that the model says."""
    metrics: tuple[str, ...] = ()
    """Metric ids that suit the task; empty means the defaults of its form."""
    keep: tuple[FactKind, ...] = ()
    """Kinds of fact that the answer must keep."""
    example: _Example | None = None
    """A row and what it renders to."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """One row, rendered. What a template does not give is None."""

    messages: list[Message] | None = None
    prompt: str | None = None
    target: str | None = None
    text: str | None = None
    chosen: list[Message] | None = None
    rejected: list[Message] | None = None


def make_environment() -> Environment:
    """Returns the sandboxed environment with this language's tags and filters."""
    environment = Sandbox([TagExtension])
    environment.filters["verbalize"] = verbalize
    return environment


@dataclass(frozen=True)
class Template:
    """A loaded template.

    Attributes:
        header: the front matter.
        source: the whole file, front matter included.
        body: the Jinja part.
        location: the file's path, for messages.
        first_line: the line of the file on which the body begins.
    """

    header: TemplateHeader
    source: str
    body: str
    location: str
    first_line: int = 1
    environment: Environment = field(repr=False, compare=False, default_factory=make_environment)

    @property
    def name(self) -> str:
        """The template's name, such as `reviews/sentiment`."""
        return self.header.name

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file: any edit of it changes what a build depends on."""
        return hash_text(self.source)

    @cached_property
    def tree(self) -> nodes.Template:
        """The body's syntax tree.

        Raises:
            UserError: the body does not parse.
        """
        try:
            return self.environment.parse(self.body)
        except TemplateSyntaxError as error:
            where = f"{self.location}:{error.lineno + self.first_line - 1}"
            raise UserError(f"the template does not parse: {error.message}", where, "Mend the syntax of that line.") from error

    @cached_property
    def blocks(self) -> list[tuple[str, str | None, nodes.CallBlock]]:
        """(kind, role where it is constant, node) of each tag, in the order of the file."""
        found = [(tag_of(block), block) for block in self.tree.find_all(nodes.CallBlock)]
        return [(tag[0], tag[1], block) for tag, block in found if tag is not None]

    @property
    def kinds(self) -> list[str]:
        """The forms that this template gives."""
        tags = {kind for kind, _, _ in self.blocks}
        forms = {"chat": "message", "verbalizer": "prompt", "completion": "text", "preference": "chosen"}
        return [form for form, tag in forms.items() if tag in tags]

    @cached_property
    def label_field(self) -> str | None:
        """The input that goes through the `verbalize` filter, if any."""
        for node in self.tree.find_all(nodes.Filter):
            if node.name == "verbalize" and isinstance(node.node, nodes.Name):
                return node.node.name
        return None

    @property
    def choices(self) -> list[str]:
        """The verbalizer's words, in the order of its keys."""
        return list(self.header.verbalizer.values())

    @cached_property
    def input_fields(self) -> list[str]:
        """The inputs that the model is shown, in declared order: those used anywhere but in an answer."""
        answers = [block for kind, role, block in self.blocks if kind in {"target", "chosen", "rejected"} or role == "assistant"]
        inside = {id(node) for block in answers for body in block.body for node in _with_descendants(body)}
        shown = {node.name for node in self.tree.find_all(nodes.Name) if id(node) not in inside}
        return [name for name in self.header.inputs if name in shown]

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        return self.environment.from_string(self.tree)

    def coerce_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Converts a row's fields to the declared types.

        Raises:
            ValueError: a field is missing or not of its type.
        """
        return {name: coerce(fields.get(name), kind, name) for name, kind in self.header.inputs.items()}

    def render(self, fields: Mapping[str, Any]) -> Rendered:
        """Renders one row. Fields that the template does not declare are ignored.

        Raises:
            FieldError: a field is missing or of another type.
            RenderError: a label is unknown to the verbalizer, or the body fails or goes past
                its limits.
        """
        try:
            values = self.coerce_fields(fields)
        except ValueError as error:
            raise FieldError(str(error), f"template '{self.name}'", "Map or mend that field.") from error
        state = RenderState(dict(self.header.verbalizer))
        fresh_budget()
        try:
            rest = self._compiled.render({**values, STATE: state})
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError, AttributeError) as error:
            cause = f"rendering fails: {type(error).__name__ if isinstance(error, RecursionError) else error}"
            raise RenderError(cause, f"template '{self.name}'", "Mend the template or the row.") from error
        if rest.strip():
            raise RenderError(
                f"text stands outside of any tag: {rest.strip()[:40]!r}", f"template '{self.name}'", "Move it into a tag or remove it."
            )
        return _assemble(state.blocks, self.name)


def load_template(path: Path) -> Template:
    """Loads and checks a template file.

    Raises:
        UserError: the file is missing, its front matter is wrong, its body does not parse, or it uses undeclared inputs.
    """
    return parse_template(read_text(path, "template"), str(path))


def parse_template(source: str, location: str) -> Template:
    """Parses and checks the text of a template file.

    Raises:
        UserError: as `load_template`.
    """
    source = source.replace("\r\n", "\n")
    if not source.startswith(_FENCE) or _FENCE not in source[len(_FENCE) :]:
        raise UserError(
            "the template has no front matter", f"{location}:1", "Begin the file with '---', then 'name:' and 'inputs:', then '---'."
        )
    head, body = source[len(_FENCE) :].split(_FENCE, 1)
    header = validate(parse_yaml(head, location, first_line=2), TemplateHeader, location)
    template = Template(header, source, body, location, first_line=head.count("\n") + 3)
    _check(template)
    return template


def _check(template: Template) -> None:
    """Refuses a template that could not render any row."""
    undeclared = meta.find_undeclared_variables(template.tree) - set(template.header.inputs) - set(template.environment.globals)
    if undeclared:
        name = min(undeclared)
        raise UserError(
            f"the template uses '{name}', which 'inputs' does not declare",
            template.location,
            f"{did_you_mean(name, list(template.header.inputs))} Or declare it: inputs: {{{name}: str}}.",
        )
    if not template.kinds:
        raise UserError(
            "the template gives nothing: it has no message, prompt, text or chosen tag",
            template.location,
            'Write, for example: {% message "user" %}{{ text }}{% endmessage %}',
        )
    tags = {kind for kind, _, _ in template.blocks}
    for one, other in (("prompt", "target"), ("target", "prompt"), ("chosen", "rejected"), ("rejected", "chosen")):
        if one in tags and other not in tags:
            raise UserError(f"the template has '{one}' without '{other}'", template.location, f"Add {{% {other} %}}...{{% end{other} %}}.")
    if template.label_field and not template.header.verbalizer:
        raise UserError(
            "the template uses 'verbalize' but declares no verbalizer", template.location, "Add 'verbalizer: {key: word}' to it."
        )


def _with_descendants(node: nodes.Node) -> list[nodes.Node]:
    return [node, *node.find_all(nodes.Node)]


def _assemble(blocks: list[Block], name: str) -> Rendered:
    """Puts the collected blocks together as one example."""
    single: dict[str, str] = {}
    for block in blocks:
        if block.kind == "message":
            continue
        if block.kind in single:
            raise RenderError(f"the tag '{block.kind}' was rendered twice", f"template '{name}'", "A row has one of each but messages.")
        single[block.kind] = block.text
    messages: list[Message] = [{"role": str(b.role), "content": b.text} for b in blocks if b.kind == "message"]
    chosen, rejected = (_answer(single.get(kind)) for kind in ("chosen", "rejected"))
    return Rendered(messages or None, single.get("prompt"), single.get("target"), single.get("text"), chosen, rejected)


def _answer(text: str | None) -> list[Message] | None:
    return None if text is None else [{"role": "assistant", "content": text}]


def rendered_to_json(rendered: Rendered) -> dict[str, Any]:
    """Returns what a template gave, without what it did not give, as plain JSON values."""
    values = {name: getattr(rendered, name) for name in Rendered.__slots__}
    return json.loads(json.dumps({name: value for name, value in values.items() if value is not None}))  # type: ignore[no-any-return]
