"""The `train chat` command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopwright.console import print_json
from train.cli.options import MovedModel

if TYPE_CHECKING:
    pass


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("chat")(chat)


def chat(
    adapter: Annotated[list[Path], typer.Option("--adapter", help="The folder of a finished run; several times for several runs.")],
    model: MovedModel = None,
    ask: Annotated[str | None, typer.Option("--ask", help="One question; without it you are prompted for them.")] = None,
    messages: Annotated[
        Path | None, typer.Option("--messages", help="A conversation to go on from: a JSON list of messages, or one a line.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", help="System message; default: the training data's.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Show what the model is given, special tokens included.")] = False,
    no_history: Annotated[bool, typer.Option("--no-history", help="Ask each question by itself, not behind those before it.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used, for a run of such a method.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers to one question as one JSON object.")] = False,
) -> None:
    """Talk to base and tuned, of one run or several, and see their answers side by side."""
    from loopwright.errors import UserError
    from loopwright.plugin_config import plugins_of
    from loopwright.plugins import use_plugins
    from train.cli.chat_prompt import converse, show_answers
    from train.inference.chat import Comparison
    from train.inference.chat_files import read_messages

    history = [] if messages is None else read_messages(messages)
    if history and history[-1]["role"] == "user":
        if ask is not None:
            raise UserError("the messages end with a question, and --ask is another", str(messages), "Leave one of them out.")
        ask = history.pop()["content"]
    if as_json and ask is None:
        raise UserError("--json needs one question", remedy='Give it with --ask "...", or as the last of --messages.')
    if history and history[0]["role"] == "system":
        given = history.pop(0)["content"]
        system = given if system is None else system
    with use_plugins(plugins_of(config)):
        comparison = Comparison.load(adapter, model, system, max_new_tokens)
    comparison.start_over(history)
    if ask is None:
        comparison.keeps_history = not no_history
        converse(comparison, show_prompt=show_prompt)
        return
    answers = comparison.ask(ask)
    if as_json:
        print_json(answers.to_json(with_prompts=show_prompt))
    else:
        show_answers(answers, show_prompt=show_prompt)
