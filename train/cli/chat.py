"""The `train chat` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import console, notice, print_error, print_json, print_view, printable

if TYPE_CHECKING:
    from train.inference.chat import Answers


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("chat")(chat)


def chat(
    adapter: Annotated[Path, typer.Option("--adapter", help="The folder of a finished run.")],
    model: Annotated[str | None, typer.Option("--model", help="The base model, if it has moved since the run.")] = None,
    ask: Annotated[str | None, typer.Option("--ask", help="One question; without it you are prompted for them.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="System message; default: the training data's.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used, for a run of such a method.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers to --ask as one JSON object.")] = False,
) -> None:
    """Ask base and tuned the same question and show their answers side by side."""
    from dataclasses import asdict

    from loopwright.errors import UserError
    from loopwright.plugin_config import plugins_of
    from loopwright.plugins import use_plugins
    from train.inference.chat import Comparison

    if as_json and ask is None:
        raise UserError("--json needs one question", remedy='Give it with --ask "...".')
    with use_plugins(plugins_of(config)):
        comparison = Comparison.load(adapter, model, system, max_new_tokens)
    if ask is not None:
        answers = comparison.ask(ask)
        print_json(asdict(answers)) if as_json else _show(answers)
        return
    notice("Ask away; an empty line or end of file ends it.")
    while question := _prompt():
        try:
            _show(comparison.ask(question))
        except UserError as error:
            print_error(error)  # and go on: loading the model again takes longer than asking again


def _prompt() -> str:
    try:
        return console().input("[bold]> [/]").strip()
    except EOFError:
        return ""


def _show(answers: "Answers") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("base", "tuned", title=Text(printable(answers.question)), expand=True)
    table.columns[0].ratio = table.columns[1].ratio = 1
    table.add_row(Text(printable(answers.base)), Text(printable(answers.tuned)))  # Text: an answer's brackets are no markup
    print_view(table)
