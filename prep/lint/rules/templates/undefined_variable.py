"""TPL901 UndefinedVariable."""

from collections.abc import Iterable

import polars as pl

from prep.lint.base.context import Context
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule
from prep.lint.frame.template_files import template_files
from templates.template import Template

_NOT_BUILT = "needs a dataset of prep build, which records its templates"


class UndefinedVariable(Rule):
    """A template with an undefined variable or an unused input.

    ## What it does
    Loads each template of the dataset as it is now and checks its syntax tree: undeclared names (the file was edited after the build),
    declared inputs that it never uses, and a verbalizer that no label passes through.

    ## Why is this bad
    Every row must have each declared input, and rows without it are dropped, even if the template never uses it. If the input was meant
    to be shown, it is missing from every prompt. A template that no longer loads cannot prompt the trained model.

    ## Example
    `inputs: {text: str, title: str}`, but the body only shows `{{ text }}`.

    ## Fix safety
    Never fixed automatically: a person decides whether to use the input or to remove its declaration.
    """

    code = "TPL901"
    severity = Severity.WARNING
    columns = ()
    remedy = "Use the input in the template, or remove it from `inputs`; `prep templates check FILE` shows what it renders."

    def unavailable(self, context: Context) -> str | None:
        if context.manifest is None:
            return _NOT_BUILT
        return (
            None
            if template_files(context.manifest, context.config_dirs)
            else "the dataset's template files were not found below the current folder"
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
    for name in template.unused_inputs:
        yield f"the input '{name}' is declared but never used, and rows without it are dropped"
    if template.header.verbalizer and template.label_field is None:
        yield "its verbalizer is never used"
