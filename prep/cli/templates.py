"""The `prep templates` commands."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.command_line import make_app
from loopwright.console import notice, print_json, print_result, print_view, printable
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from templates.check import CheckReport

templates_app = make_app("List, show, write and check the templates that rows are rendered with.")
import_app = make_app("Import templates from other tools.")
templates_app.add_typer(import_app, name="import")

Name = Annotated[str, typer.Argument(help="A template of the library, or a template file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result to stdout as JSON.")]


@templates_app.command("list")
def list_templates(as_json: Json = False) -> None:
    """List the library's templates."""
    from rich.table import Column, Table

    from templates.library import library_overview, library_template, template_names

    if as_json:
        print_json(library_overview())
        return
    # The name is what one copies from here.
    table = Table(Column("name", no_wrap=True), "forms", "inputs", "what it does")
    for one in map(library_template, template_names()):
        table.add_row(one.name, ", ".join(one.forms), ", ".join(one.header.inputs), one.header.description)
    print_view(table)


@templates_app.command("show")
def show_template(
    name: Name, plan: Annotated[bool, typer.Option("--plan", help="Say whether it is compiled, and why not.")] = False
) -> None:
    """Print a template's source."""
    from templates.check import find_template

    template = find_template(name)
    if not plan:
        print_result(template.source)
        return
    from templates.compile import plan as plan_of

    chosen = plan_of(template)
    print_result(f"{template.name}: {chosen.path}" + (f", because {chosen.reason}" if chosen.reason else ""))


@templates_app.command("new")
def new_template(
    name: Annotated[str, typer.Argument(metavar="DOMAIN/NAME", help="The template's name.")],
    form: Annotated[str, typer.Option(help="chat, verbalizer, cloze, text or preference.")] = "chat",
    out: Annotated[Path, typer.Option("--out", help="The folder that it goes to.")] = Path("templates"),
) -> None:
    """Write a commented template to start from."""
    from templates.starter import write_starter

    path = write_starter(name, form, out)
    notice(f"Edit it, then: prep templates check {path}   In a config: templates: [{{path: {path}}}]")
    print_result(str(path))


@templates_app.command("check")
def check_template(
    name: Name,
    model: Annotated[str | None, typer.Option(help="A model whose tokenizer looks at the verbalizer's words.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins bring metrics that the template names.")] = None,
    as_json: Json = False,
) -> None:
    """Check a template: its example, its join, its words; exit code 1 where something is found."""
    from loopwright.plugin_config import plugins_of
    from loopwright.plugins import use_plugins
    from templates.check import check_template_file

    with use_plugins(plugins_of(config)):
        report = check_template_file(name, model)
    if as_json:
        print_json(report.to_json())
    else:
        print_result("\n".join(_lines(report)))
    if not report.is_sound:
        sys.exit(ExitCode.FINDINGS)


@import_app.command("promptsource")
def import_promptsource(
    path: Annotated[Path, typer.Argument(help="A templates.yaml of promptsource's, or a folder of them.")],
    out: Annotated[Path, typer.Option("--out", help="The folder that the templates go to.")],
    as_json: Json = False,
) -> None:
    """Convert promptsource's templates; those that cannot be are listed with the reason."""
    from templates.promptsource import import_promptsource as convert_all

    result = convert_all(path, out)
    for refused in result.refused:
        notice(f"not converted: {refused.template}: {refused.reason}")
    notice(f"{result.converted} of {result.templates} templates of {result.files} files converted, in {out}")
    if as_json:
        print_json(result.to_json())


def _lines(report: "CheckReport") -> list[str]:
    """Returns a report as a person reads it."""
    path = report.path + (f", because {report.reason}" if report.reason else "")
    lines = [f"{report.name}: {', '.join(report.forms)}; {path}"]
    for part, value in (report.rendered or {}).items():
        for number, text in enumerate(_texts(part, value)):
            lines.append(f"  {part if not number else '':10} {text}")
    if report.tokens is not None:
        lines += [f"  {word.label}: {word.word!r} in tokens ({word.num_tokens}): {word.tokens}" for word in report.tokens.words]
    lines += [f"{problem.level}: {problem.message}" for problem in report.problems] or ["OK"]
    return [printable(line) for line in lines]


def _texts(part: str, value: object) -> list[str]:
    if isinstance(value, list):
        return [f"{message['role']}: {message['content']!r}" for message in value]
    return [repr(value) if part != "extras" else str(value)]
