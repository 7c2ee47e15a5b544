"""A template file: YAML front matter and a Jinja body, checked when loaded, rendered a row at a time."""

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
from templates.limits import fresh_budget
from templates.sandbox import Sandbox
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
    mask: str | None = None
    text: str | None = None
    chosen: list[Message] | None = None
    rejected: list[Message] | None = None
    extras: str | None = None


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
            raise UserError(
                f"the template does not parse: {error.message}", self.at(error.lineno), "Mend the syntax of that line."
            ) from error
        except RecursionError as error:
            raise UserError("the template is nested too deeply", self.location, "Make it simpler.") from error

    @cached_property
    def blocks(self) -> list[tuple[str, str | None, nodes.CallBlock]]:
        """(kind, role where it is constant, node) of each tag, in the order of the file."""
        found = [(tag_of(block), block) for block in self.tree.find_all(nodes.CallBlock)]
        return [(tag[0], tag[1], block) for tag, block in found if tag is not None]

    def at(self, line: int) -> str:
        """Returns the place, `file:line`, of a line of the body."""
        return f"{self.location}:{line + self.first_line - 1}"

    @property
    def kinds(self) -> list[str]:
        """The forms that this template gives. Messages that a preference continues are its prompt and no chat of their own."""
        tags = {kind for kind, _, _ in self.blocks}
        forms = {"chat": "message", "verbalizer": "prompt", "completion": "text", "preference": "chosen"}
        if "chosen" in tags:
            del forms["chat"]
        return [form for form, tag in forms.items() if tag in tags]

    @cached_property
    def label_field(self) -> str | None:
        """The input that goes through the `verbalize` filter, if any."""
        for node in self.tree.find_all(nodes.Filter):
            if node.name == "verbalize" and isinstance(node.node, nodes.Name) and node.node.name in self.header.inputs:
                return node.node.name
        return None

    @property
    def choices(self) -> list[str]:
        """The verbalizer's words, in the order of its keys."""
        return list(self.header.verbalizer.values())

    @cached_property
    def input_fields(self) -> list[str]:
        """The inputs that the model is shown, in declared order: those used anywhere but in an answer.

        Where it is shown none, as in "Tell a joke." with the joke for an answer, all of them: they tell rows apart.
        """
        answers = [block for kind, role, block in self.blocks if kind in {"target", "chosen", "rejected"} or role == "assistant"]
        inside = {id(node) for block in answers for body in block.body for node in _with_descendants(body)}
        shown = {node.name for node in self.tree.find_all(nodes.Name) if id(node) not in inside}
        return [name for name in self.header.inputs if name in shown] or list(self.header.inputs)

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        fresh_budget()  # constants are folded while compiling
        try:
            return self.environment.from_string(self.tree)
        except TemplateSyntaxError as error:  # an unknown filter, for example
            raise UserError(f"the template does not compile: {error.message}", self.at(error.lineno), "Mend that line.") from error
        except (SyntaxError, RecursionError, MemoryError) as error:  # Python's own compiler has had enough
            raise UserError("the template is nested too deeply", self.location, "Make it simpler.") from error

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
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError, AttributeError) as error:
            cause = f"rendering fails: {'it calls itself too deeply' if isinstance(error, RecursionError) else str(error).rstrip('.')}"
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
    head, fence, body = source.removeprefix(_FENCE).partition("\n" + _FENCE)
    if not source.startswith(_FENCE) or not fence:
        raise UserError(
            "the template has no front matter", f"{location}:1", "Begin the file with '---', then 'name:' and 'inputs:', then '---'."
        )
    header = validate(parse_yaml(head, location, first_line=2), TemplateHeader, location)
    template = Template(header, source, body, location, first_line=head.count("\n") + 4)
    _check(template)
    return template


def _check(template: Template) -> None:
    """Refuses a template that could not render any row."""
    _check_names(template)
    _ = template._compiled
    _check_inputs(template)
    if not template.kinds:
        raise UserError(
            "the template gives nothing: it has no message, prompt, text or chosen tag",
            template.location,
            'Write, for example: {% message "user" %}{{ text }}{% endmessage %}',
        )
    _check_structure(template)
    tags = {kind for kind, _, _ in template.blocks}
    for one, other in (("prompt", "target"), ("target", "prompt"), ("chosen", "rejected"), ("rejected", "chosen")):
        if one in tags and other not in tags:
            raise UserError(f"the template has '{one}' without '{other}'", template.location, f"Add {{% {other} %}}...{{% end{other} %}}.")
    _check_verbalize(template)


def _check_names(template: Template) -> None:
    """Refuses names of filters and tests that are not there; within a condition Jinja would find out only when it is met."""
    environment = template.environment
    for node in template.tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", environment.filters) if isinstance(node, nodes.Filter) else ("test", environment.tests)
        if node.name not in known:
            named = [name for name in known if name.isidentifier()]
            raise UserError(f"there is no {kind} '{node.name}'", template.at(node.lineno), did_you_mean(node.name, named))


def _check_inputs(template: Template) -> None:
    """Refuses names that `inputs` does not declare."""
    undeclared = meta.find_undeclared_variables(template.tree) - set(template.header.inputs) - set(template.environment.globals)
    if undeclared:
        name = min(undeclared)
        used = [node.lineno for node in template.tree.find_all(nodes.Name) if node.name == name]
        raise UserError(
            f"the template uses '{name}', which 'inputs' does not declare",
            template.at(min(used)) if used else template.location,
            f"{did_you_mean(name, list(template.header.inputs))} Or declare it: inputs: {{{name}: str}}.",
        )


def _check_structure(template: Template) -> None:
    """Refuses a tag within a tag, whose place among the messages would not be what it looks like, and text outside of all tags."""
    for kind, _, block in template.blocks:
        for inner in (inner for node in block.body for inner in _with_descendants(node)):
            if isinstance(inner, nodes.CallBlock) and tag_of(inner) is not None:
                raise UserError(f"a tag stands within '{kind}'", template.at(inner.lineno), f"Close it first: {{% end{kind} %}}.")
    for node in template.tree.body:
        for child in node.nodes if isinstance(node, nodes.Output) else ():
            if isinstance(child, nodes.TemplateData) and child.data.strip():
                text = child.data.lstrip()
                line = child.lineno + child.data[: -len(text)].count("\n")
                cause = f"text stands outside of any tag: {text.splitlines()[0][:40]!r}"
                raise UserError(cause, template.at(line), "Move it into a tag or remove it.")


def _check_verbalize(template: Template) -> None:
    """Refuses `verbalize` on anything but a name: what it turns into a word must be the label that lint and evaluation see."""
    for node in template.tree.find_all(nodes.Filter):
        if node.name != "verbalize":
            continue
        if not template.header.verbalizer:
            remedy = "Add 'verbalizer: {key: word}' to it."
            raise UserError("the template uses 'verbalize' but declares no verbalizer", template.at(node.lineno), remedy)
        if not isinstance(node.node, nodes.Name):
            remedy = "Map raw values to the verbalizer's keys under 'labels' in the config instead."
            raise UserError("'verbalize' stands after something that is no plain input", template.at(node.lineno), remedy)


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
    if not blocks:
        raise RenderError("it renders to nothing", f"template '{name}'", "Give the tags a condition that this row meets.")
    for one, other in (("prompt", "target"), ("chosen", "rejected")):
        if (one in single) != (other in single):
            raise RenderError(f"it renders one of '{one}' and '{other}' without the other", f"template '{name}'", "Render both or none.")
    return Rendered(
        messages=messages or None,
        prompt=single.get("prompt"),
        target=single.get("target"),
        text=single.get("text"),
        chosen=chosen,
        rejected=rejected,
    )


def _answer(text: str | None) -> list[Message] | None:
    return None if text is None else [{"role": "assistant", "content": text}]
