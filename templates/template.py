"""A template file: YAML front matter and a Jinja body, checked when loaded, rendered a row at a time."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateError, TemplateSyntaxError, nodes
from jinja2 import Template as JinjaTemplate

from loopwright.config import key_lines, parse_yaml, read_text, validate
from loopwright.errors import UserError, did_you_mean
from loopwright.hashing import hash_text
from templates.form import Form, forms_where
from templates.functions import FILTERS, FUNCTIONS
from templates.header import TemplateHeader
from templates.limits import LimitError, fresh_budget
from templates.rendered import FieldError, OverLimitError, Rendered, RenderError, assemble
from templates.sandbox import Sandbox
from templates.syntax import STATE, RenderState, TagExtension, mark_demonstration, tag_of, verbalize
from templates.validation import check_template, with_descendants
from templates.values import coerce, coerce_optional

__all__ = ["FieldError", "RenderError", "Rendered", "Template", "TemplateHeader", "load_template", "make_environment", "parse_template"]

_FENCE = "---\n"


def make_environment() -> Environment:
    """Returns the sandboxed environment with this language's tags, filters and functions."""
    environment = Sandbox([TagExtension])
    environment.filters |= FILTERS | {"verbalize": verbalize}
    environment.globals |= FUNCTIONS
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
        words_in: the language of the verbalizer's words; None for the template's own.
    """

    header: TemplateHeader
    source: str
    body: str
    location: str
    first_line: int = 1
    words_in: str | None = None
    environment: Environment = field(repr=False, compare=False, default_factory=make_environment)

    @property
    def name(self) -> str:
        """The template's name, such as `reviews/sentiment`."""
        return self.header.name

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file, and of the language where one is chosen: any edit changes what a build depends on."""
        return hash_text(self.source) if self.words_in is None else hash_text(self.source, self.words_in)

    def in_language(self, code: str) -> "Template":
        """Returns the template with the verbalizer's words of a language.

        Raises:
            UserError: the verbalizer has no words in that language.
        """
        chosen = dataclasses.replace(self, words_in=code)
        check_template(chosen)
        return chosen

    def with_shots(self, number: int) -> "Template":
        """Returns the template with another number of demonstrations."""
        return dataclasses.replace(self, header=self.header.model_copy(update={"shots": number}))

    @cached_property
    def tree(self) -> nodes.Template:
        """The body's syntax tree.

        Raises:
            UserError: the body does not parse.
        """
        try:
            tree = self.environment.parse(self.body)
        except TemplateSyntaxError as error:
            raise UserError(
                f"the template does not parse: {error.message}", self.at(error.lineno), "Mend the syntax of that line."
            ) from error
        except RecursionError as error:
            raise UserError("the template is nested too deeply", self.location, "Make it simpler.") from error
        for loop in _shot_loops(tree) if self.shots else ():
            for block in loop.find_all(nodes.CallBlock):
                if tag_of(block) is not None:
                    mark_demonstration(block)
        return tree

    @cached_property
    def blocks(self) -> list[tuple[str, str | None, nodes.CallBlock]]:
        """(kind, role where it is constant, node) of each tag, in the order of the file."""
        found = [(tag_of(block), block) for block in self.tree.find_all(nodes.CallBlock)]
        return [(tag[0], tag[1], block) for tag, block in found if tag is not None]

    @cached_property
    def tags(self) -> frozenset[str]:
        """The tags that the body uses."""
        return frozenset(kind for kind, _, _ in self.blocks)

    @cached_property
    def shot_loops(self) -> list[nodes.For]:
        """The loops over demonstrations."""
        return _shot_loops(self.tree) if self.shots else []

    def at(self, line: int) -> str:
        """Returns the place, `file:line`, of a line of the body."""
        return f"{self.location}:{line + self.first_line - 1}"

    @property
    def forms(self) -> list[Form]:
        """The forms that this template gives. Messages that a preference continues are its prompt and no chat of their own."""
        given = self.tags | ({"wanted"} if self.header.wanted else set())
        return forms_where(lambda form: not given.isdisjoint(form.tags))

    @property
    def shots(self) -> int:
        """How many demonstrations a build gives each row under `shots`; 0 for none."""
        return self.header.shots

    @cached_property
    def implicit_names(self) -> frozenset[str]:
        """Variables that the body may use beside its inputs."""
        return frozenset(name for name, given in (("shots", self.shots > 0), ("mask", "cloze" in self.tags)) if given)

    @cached_property
    def required_fields(self) -> list[str]:
        """The inputs that a row must have, in declared order: all but the optional ones."""
        return [name for name in self.header.inputs if name not in self.header.optional]

    @cached_property
    def unused_inputs(self) -> list[str]:
        """The inputs that neither the body uses nor the front matter judges by, in declared order."""
        used = {self.header.wanted, *(node.name for node in self.tree.find_all(nodes.Name))}
        used |= {node.attr for loop in self.shot_loops for node in loop.find_all(nodes.Getattr)}
        return [name for name in self.header.inputs if name not in used]

    @cached_property
    def label_field(self) -> str | None:
        """The input that goes through the `verbalize` filter, if any."""
        for node in self.tree.find_all(nodes.Filter):
            if node.name == "verbalize" and isinstance(node.node, nodes.Name) and node.node.name in self.header.inputs:
                return node.node.name
        return None

    @cached_property
    def words(self) -> dict[str, tuple[str, ...]]:
        """Label key -> the words that say it, in the chosen language. The first is the one that is trained.

        Raises:
            UserError: a label has no words in that language.
        """
        language = self.words_in or self.header.language
        verbalizer = self.header.verbalizer
        if self.words_in not in {None, self.header.language} and not any(isinstance(words, dict) for words in verbalizer.values()):
            cause = f"the verbalizer of '{self.name}' has no words by language, and '{self.words_in}' is asked for"
            raise UserError(cause, self.location, "Write them so: {positive: {en: [good], zh: [好]}}.")
        found = {}
        for key, words in verbalizer.items():
            if isinstance(words, dict) and language not in words:
                cause = f"the label '{key}' has no words in the language '{language}'"
                raise UserError(cause, f"{self.location}: verbalizer", did_you_mean(language, list(words)))
            found[key] = words[language] if isinstance(words, dict) else words
        return found

    @cached_property
    def verbalizer(self) -> dict[str, str]:
        """Label key -> the word that is trained."""
        return {key: words[0] for key, words in self.words.items()}

    @property
    def choices(self) -> list[str]:
        """The words that are trained, in the order of the verbalizer's keys."""
        return list(self.verbalizer.values())

    @cached_property
    def input_fields(self) -> list[str]:
        """The inputs that the model is shown, in declared order: those used anywhere but in an answer.

        Where it is shown none, as in "Tell a joke." with the joke for an answer, all of them: they tell rows apart.
        """
        answers = [block for kind, role, block in self.blocks if kind in {"target", "chosen", "rejected"} or role == "assistant"]
        inside = {id(node) for block in answers for body in block.body for node in with_descendants(body)}
        shown = {node.name for node in self.tree.find_all(nodes.Name) if id(node) not in inside}
        return [name for name in self.header.inputs if name in shown] or list(self.header.inputs)

    def compile(self) -> JinjaTemplate:
        """Returns the body as Jinja runs it.

        Raises:
            UserError: it does not compile.
        """
        return self._compiled

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        fresh_budget()  # constants are folded while compiling
        try:
            return self.environment.from_string(self.tree)
        except TemplateSyntaxError as error:  # an unknown filter, for example
            raise UserError(f"the template does not compile: {error.message}", self.at(error.lineno), "Mend that line.") from error
        except TemplateError as error:  # a constant that fails already, such as (0)[0]
            raise UserError(f"the template does not compile: {error}", self.location, "Mend that expression.") from error
        except (SyntaxError, RecursionError, MemoryError) as error:  # Python's own compiler has had enough
            raise UserError("the template is nested too deeply", self.location, "Make it simpler.") from error

    def coerce_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Converts a row's fields to the declared types, and its demonstrations' too.

        Raises:
            ValueError: a field is missing or not of its type.
        """
        values = self._coerce_inputs(fields)
        if self.shots:
            shots = coerce(fields.get("shots"), "list", "shots")
            values["shots"] = [self._coerce_shot(shot, number) for number, shot in enumerate(shots, 1)]
        return values

    def _coerce_inputs(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        optional = self.header.optional
        return {
            name: (coerce_optional if name in optional else coerce)(fields.get(name), kind, name)
            for name, kind in self.header.inputs.items()
        }

    def _coerce_shot(self, shot: Any, number: int) -> dict[str, Any]:
        if not isinstance(shot, Mapping):
            raise ValueError(f"shot {number} is {json.dumps(shot)[:40]}, which is no object of fields")
        try:
            return self._coerce_inputs(shot)
        except ValueError as error:
            raise ValueError(f"shot {number}: {error}") from error

    def render(self, fields: Mapping[str, Any], row_id: str = "") -> Rendered:
        """Renders one row. Fields that the template does not declare are ignored.

        Args:
            fields: the row's fields by input; under `shots` the demonstrations, each a mapping of the same inputs.
            row_id: what the template's choices depend on: the same row makes the same ones in each build.

        Raises:
            FieldError: a field is missing or of another type.
            RenderError: a label is unknown to the verbalizer, or the body fails or goes past
                its limits.
        """
        try:
            values = self.coerce_fields(fields)
        except ValueError as error:
            raise FieldError(str(error), f"template '{self.name}'", "Map or correct that field.") from error
        state = RenderState(self.verbalizer, (self.name, row_id))
        fresh_budget()
        try:
            rest = self._compiled.render({"mask": self.header.mask, **values, STATE: state})
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError, AttributeError, AssertionError) as error:
            cause = f"rendering fails: {'it calls itself too deeply' if isinstance(error, RecursionError) else str(error).rstrip('.')}"
            kind = OverLimitError if isinstance(error, LimitError) else RenderError
            raise kind(cause, f"template '{self.name}'", "Mend the template or the row.") from error
        if rest.strip():
            raise RenderError(
                f"text stands outside of any tag: {rest.strip()[:40]!r}", f"template '{self.name}'", "Move it into a tag or remove it."
            )
        wanted = bool(values[self.header.wanted]) if self.header.wanted else None
        return assemble(state.blocks, self.header.mask, self.name, wanted=wanted)


def load_template(path: Path, language: str | None = None) -> Template:
    """Loads and checks a template file.

    Args:
        path: the file.
        language: the language of the verbalizer's words; default: the template's own.

    Raises:
        UserError: the file is missing, its front matter is wrong, its body does not parse, or it uses undeclared inputs; or it has no
            words in that language.
    """
    template = parse_template(read_text(path, "template"), str(path))
    return template if language is None else template.in_language(language)


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
    header = validate(parse_yaml(head, location, first_line=2), TemplateHeader, location, key_lines(head, first_line=2))
    template = Template(header, source, body, location, first_line=head.count("\n") + 4)
    check_template(template)
    return template


def _shot_loops(tree: nodes.Template) -> list[nodes.For]:
    """Returns the loops over `shots`, or over something made of it, such as `shots[:2]`."""
    return [loop for loop in tree.find_all(nodes.For) if any(node.name == "shots" for node in _names_of(loop.iter))]


def _names_of(node: nodes.Node) -> list[nodes.Name]:
    return [one for one in with_descendants(node) if isinstance(one, nodes.Name)]
