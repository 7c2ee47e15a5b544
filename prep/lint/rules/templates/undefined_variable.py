"""TPL901 UndefinedVariable."""

from collections.abc import Iterable

import polars as pl
from jinja2 import nodes

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.template_files import template_files
from templates.template import Template

_NOT_BUILT = "needs a dataset that prep build wrote: only that names its templates"


class UndefinedVariable(Rule):
    """A template that uses what is not there, or leaves an input unused.

    ## What it does
    Loads each template of the dataset as it is now and walks its syntax tree: names that it does not declare (the file was changed since
    the build), declared inputs that it never uses, and a verbalizer that no label goes through.

    ## Why is this bad
    An input that is declared and not used is demanded of each row, and rows without it are dropped; one that was meant to be shown is
    missing from each prompt. A template that no longer loads cannot be used to ask the trained model.

    ## Example
    `inputs: {text: str, title: str}`, and the body shows `{{ text }}` alone.

    ## Fix safety
    Never fixed automatically: whether the input or its mention is missing is for a person to say.
    """

    code = "TPL901"
    severity = Severity.WARNING
    columns = ()
    remedy = "Use the input in the template, or take it out of `inputs`; `prep templates check FILE` shows what it renders."

    def unavailable(self, context: Context) -> str | None:
        if context.manifest is None:
            return _NOT_BUILT
        return (
            None
            if template_files(context.manifest, context.config_dirs)
            else "none of the dataset's template files is below the current folder"
        )

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return examples.select(Finding.where).limit(0)

    def refine(self, found: pl.DataFrame, context: Context) -> Iterable[Finding]:
        assert context.manifest is not None
        for file in template_files(context.manifest, context.config_dirs):
            if file.error is not None:
                message = f"template '{file.name}' can no longer be loaded: {file.error.cause}"
                yield Finding(message, source=str(file.path), severity=Severity.ERROR, remedy=file.error.remedy or None)
            if file.template is not None:
                for message in _unused(file.template):
                    yield Finding(f"template '{file.name}': {message}", source=str(file.path))


def _unused(template: Template) -> Iterable[str]:
    used = {node.name for node in template.tree.find_all(nodes.Name)}
    used |= {node.attr for loop in template.shot_loops for node in loop.find_all(nodes.Getattr)}
    for name in template.header.inputs:
        if name not in used:
            yield f"the input '{name}' is declared and used nowhere, and rows without it are dropped all the same"
    if template.header.verbalizer and template.label_field is None:
        yield "it has a verbalizer, and no input goes through it"
