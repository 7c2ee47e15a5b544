"""What is to be said of a template before it is used: does its example render, how does it join, what do its words cost."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from templates.compile import plan
from templates.form import Form
from templates.header import Example
from templates.library import LIBRARY_DIR, library_template
from templates.metric_ids import unknown_metrics
from templates.rendered import Rendered, RenderError
from templates.template import Template, load_template
from templates.words import TokenReport, token_report

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Level = Literal["error", "warning", "note"]
# What the library requires of each of its templates beside a name and inputs.
_REQUIRED = ("task", "description", "language")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (`error`), likely to be (`warning`), or good to know (`note`)."""

    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        name: the template's name.
        location: its file.
        forms: the forms that it gives.
        path: `compiled` or `fallback`.
        reason: why the fallback is taken; None where the template is compiled.
        problems: what was found.
        rendered: what the first example renders to, by part; None where there is no example.
        tokens: what the verbalizer's words are under a tokenizer; None where no model is named.
    """

    name: str
    location: str
    forms: list[Form]
    path: str
    reason: str | None
    problems: list[Problem]
    rendered: dict[str, Any] | None
    tokens: TokenReport | None

    @property
    def is_sound(self) -> bool:
        """Nothing was found but notes."""
        return all(problem.level == "note" for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Returns the report as `prep templates check --json` prints it."""
        return asdict(self) | {"sound": self.is_sound}


def find_template(name: str) -> Template:
    """Loads a template by its file (a path that ends in `.jinja`) or by its name in the library.

    Raises:
        UserError: it is not there, or is none.
    """
    return load_template(Path(name)) if name.endswith(".jinja") else library_template(name)


def check_template_file(name: str, model: str | None = None) -> CheckReport:
    """Checks a template of the library or a file.

    Args:
        name: a name of the library, or a path that ends in `.jinja`.
        model: whose tokenizer looks at the verbalizer's words; no weights are loaded.

    Raises:
        UserError: it could not render any row, or the model's tokenizer cannot be loaded.
    """
    template = find_template(name)
    tokenizer: PreTrainedTokenizerBase | None = None
    if model is not None:
        from templates.chat import load_tokenizer

        tokenizer = load_tokenizer(model)
    chosen = plan(template)
    examples = list(_examples(template))
    rendered = next((one for one, _ in examples if one is not None), None)
    problems = [problem for _, found in examples for problem in found]
    problems += [
        Problem("error", f"{error.cause}. {error.remedy}") for error in unknown_metrics(template.header.metrics, template.location)
    ]
    problems += [*_metadata(template), *_inputs(template), *(problem for one in _in_all_languages(template) for problem in _words(one))]
    if rendered is not None:
        problems += _join(rendered)
    tokens = None if tokenizer is None or not template.words else token_report(template, rendered, tokenizer)
    if tokens is not None:
        problems += [Problem("warning" if finding.is_warning else "note", finding.message) for finding in tokens.findings]
    return CheckReport(
        name=template.name,
        location=template.location,
        forms=template.forms,
        path=chosen.path,
        reason=chosen.reason,
        problems=problems,
        rendered=None if rendered is None else parts_of(rendered),
        tokens=tokens,
    )


def parts_of(rendered: Rendered) -> dict[str, Any]:
    """Returns what a row rendered to, by part, without the parts that it has not."""
    return {name: value for name, value in asdict(rendered).items() if value is not None}


def _examples(template: Template) -> Iterator[tuple[Rendered | None, list[Problem]]]:
    header = template.header
    if header.example is None:
        yield None, [Problem("warning", "it has no 'example': nothing shows what it renders to, and nothing tests it")]
    for example in (header.example, *header.examples):
        if example is not None:
            yield _example(template, example)


def _example(template: Template, example: Example) -> tuple[Rendered | None, list[Problem]]:
    try:
        rendered = template.render(example.fields)
    except RenderError as error:
        return None, [Problem("error", f"its example does not render: {error.cause}")]
    parts = parts_of(rendered)
    wrong = [name for name in {**parts, **example.renders} if parts.get(name) != example.renders.get(name)]
    return rendered, [
        Problem("error", f"its example renders {name} {parts.get(name)!r}, and says {example.renders.get(name)!r}") for name in wrong
    ]


def _metadata(template: Template) -> Iterator[Problem]:
    missing = [name for name in _REQUIRED if not getattr(template.header, name)]
    if missing:
        yield Problem("warning", f"it does not say its {', '.join(missing)}, which the library requires")
    if Path(template.location).is_relative_to(LIBRARY_DIR):
        expected = str(Path(template.location).relative_to(LIBRARY_DIR).with_suffix(""))
        if template.name != expected:
            yield Problem("error", f"it is called '{template.name}', and its file says '{expected}'")


def _inputs(template: Template) -> Iterator[Problem]:
    for name in template.unused_inputs:
        yield Problem("warning", f"the input '{name}' is not used, and rows without it are dropped all the same")
    if template.header.verbalizer and template.label_field is None:
        yield Problem("warning", "it has a verbalizer and puts no input through it, so that nothing is classified")


def _in_all_languages(template: Template) -> list[Template]:
    """Returns the template in each language of its words.

    Raises:
        UserError: its words in one of them could not be told apart, or a label has none.
    """
    codes = {code for words in template.header.verbalizer.values() if isinstance(words, dict) for code in words}
    return [template.in_language(code) for code in sorted(codes)] or [template]


def _words(template: Template) -> Iterator[Problem]:
    """A word that begins another label's word: lawful, as whole sequences are scored, and still easily mistaken by a reader of answers."""
    said = [(key, word) for key, words in template.words.items() for word in words]
    for key, word in said:
        for other, longer in said:
            if key != other and longer.startswith(word):
                yield Problem("warning", f"the word '{word}' of '{key}' is the beginning of '{longer}' of '{other}'")


def _join(rendered: Rendered) -> Iterator[Problem]:
    """The place between prompt and target, where a space too many or too few changes the tokens on both sides."""
    prompt, target = rendered.prompt, rendered.target
    if prompt is None or not target or rendered.mask is not None:
        return
    if not prompt:
        yield Problem("warning", "its prompt is empty")
    elif prompt[-1].isspace():
        twice = " and its target begins with some" if target[0].isspace() else ""
        yield Problem("warning", f"its prompt ends on white space{twice}: begin the target with it, so that it is part of the first token")
    elif not target[0].isspace() and prompt[-1].isascii() and target[0].isascii():
        yield Problem("warning", f"its target begins right after the prompt: {prompt[-12:] + target[:12]!r}. Begin it with a space")
