"""TPL904 Nondeterminism."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.detectors.model_tokenizer import no_tokenizer
from prep.lint.frame.template_files import template_files
from templates.chat import load_tokenizer
from templates.chat_options import CLOCK
from templates.template import make_environment

_UNSEEDED = frozenset(
    {"random", "randint", "randrange", "shuffle", "shuffled", "sample", "uuid", "uuid1", "uuid4", "urandom", "lipsum"}
    | {"now", "utcnow", "today", "time", "strftime", "strftime_now", "localtime"}
)
# A tag that transformers adds, to mark what an assistant says.
_MARKS = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")


class Nondeterminism(Rule):
    """A template that renders the same row differently from build to build, or day to day.

    ## What it does
    Checks the syntax trees of the dataset's templates and, if a model is named, of its chat template. Reports calls and filters that
    are random or read the time. `choice` in a template is seeded by the row's id and passes.

    ## Why is this bad
    Two builds differ without a change in the data. A chat template that prints today's date trains on one prompt and is used with
    another the next day; training and evaluation take one day for a run, and `chat_template: {date: ...}` in the config fixes one for all.

    ## Example
    `{{ strftime_now("%d %b %Y") }}` in the chat template of an instruct model.

    ## Fix safety
    Safe if a seed can be set: `items | choice` takes one from the row's id. No draft, because fixes change rows and this is the
    template's. A model's chat template is not rewritten.
    """

    code = "TPL904"
    severity = Severity.WARNING
    columns = ()
    remedy = (
        "Use `choice`, which is seeded by the row; pass the date as a field. The day that a chat template is told is fixed by "
        "`chat_template: {date: 2026-01-31}` in the config."
    )

    def unavailable(self, context: Context) -> str | None:
        files = [] if context.manifest is None else template_files(context.manifest, context.config_dirs)
        if files or no_tokenizer(context) is None:
            return None
        return "needs the template files of a built dataset, or a model with a chat template: give --model"

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return examples.select(Finding.where).limit(0)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        for file in [] if context.manifest is None else template_files(context.manifest, context.config_dirs):
            text = Path(file.path).read_text(encoding="utf-8")
            body = text.partition("\n---\n")[2]
            first_line = text.count("\n") - body.count("\n")
            for name, line in _calls(body, make_environment()):
                yield Finding(
                    f"template '{file.name}' calls '{name}', whose result changes each time",
                    source=str(file.path),
                    line=first_line + line,
                )
        if context.model is not None and no_tokenizer(context) is None:
            fixed = {CLOCK} if context.chat_template.date else set()
            for name in sorted({name for name, _ in _calls(_chat_template(context.model), _plain_environment())} - fixed):
                yield Finding(f"the chat template of '{context.model}' calls '{name}', whose result changes each time")


def _chat_template(model: str) -> str:
    source = getattr(load_tokenizer(model), "chat_template", None)
    return _MARKS.sub("", source) if isinstance(source, str) else ""


def _plain_environment() -> Environment:
    return ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])


def _calls(source: str, environment: Environment) -> Iterator[tuple[str, int]]:
    """Yields the unseeded functions and filters that a template calls, each with its line."""
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError:  # TPL901's matter in a template; in a chat template a tag of its library's own
        return
    for node in tree.find_all((nodes.Call, nodes.Filter)):
        called = node.node if isinstance(node, nodes.Call) else None
        name = called.name if isinstance(called, nodes.Name) else called.attr if isinstance(called, nodes.Getattr) else None
        name = node.name if isinstance(node, nodes.Filter) else name
        if name in _UNSEEDED:
            yield str(name), node.lineno
