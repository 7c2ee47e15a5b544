"""The conversation of `train chat`: what is typed, what is a command, and how answers are laid out."""

import re
from typing import TYPE_CHECKING

from loopwright.console import console, notice, output_width, print_error, print_result, print_view, printable
from loopwright.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from train.inference.chat import Answers, Comparison, Prompt

_COMMANDS = {
    "/reset": "forget the conversation",
    "/system TEXT": "give the models another system message, or none, and start over",
    "/prompt": "show the last prompt as the models saw it",
    "/help": "list these commands",
    "/quit": "end, as an empty line does",
}
_COMMAND = re.compile(r"(/[A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
# Narrower columns break an answer into single words.
_NARROWEST = 24


def converse(comparison: "Comparison", *, show_prompt: bool) -> None:
    """Asks what is typed until an empty line, `/quit` or the end of the input.

    Args:
        comparison: what is asked.
        show_prompt: show the prompts before the answers.
    """
    notice("Ask away; /help lists the commands. An empty line or end of file ends it.")
    last: Answers | None = None
    while line := _read_line():
        try:
            if (command := _COMMAND.fullmatch(line)) is None:
                last = comparison.ask(line.strip())
                show_answers(last, show_prompt=show_prompt)
            elif command[1] == "/quit":
                return
            elif command[1] == "/prompt":
                _show_last_prompts(last)
            else:
                _obey(comparison, command[1], command[2] or "")
        except UserError as error:
            print_error(error)  # and go on: loading the model again takes longer than asking again


def show_answers(answers: "Answers", *, show_prompt: bool) -> None:
    """Prints the answers to one question side by side, or one below the other where they are too many for the terminal.

    Args:
        answers: what was answered.
        show_prompt: print the prompts first.
    """
    if show_prompt:
        _show_prompts(answers.prompts)
    from rich.table import Table
    from rich.text import Text

    said = {"base": answers.base, **answers.answers}
    names = [Text(printable(name), overflow="fold") for name in said]
    # Text: an answer's brackets are no markup. Folded: a long word would be cut.
    texts = [Text(printable(text), overflow="fold") for text in said.values()]
    table = Table(title=Text(printable(answers.question)), expand=True, show_lines=True)
    if output_width(80) // len(said) >= _NARROWEST:
        for name in names:
            table.add_column(name, ratio=1)
        table.add_row(*texts)
    else:
        table.add_column("model")
        table.add_column("answer", ratio=1)
        for row in zip(names, texts, strict=True):
            table.add_row(*row)
    print_view(table)


def _show_last_prompts(last: "Answers | None") -> None:
    if last is None:
        raise UserError("nothing was asked yet", remedy="Ask something first.")
    _show_prompts(last.prompts)


def _show_prompts(prompts: "dict[str, Prompt]") -> None:
    """Prints each prompt once, character by character as it is, with those that were given it."""
    asked: dict[str, list[str]] = {}
    for name, prompt in prompts.items():
        asked.setdefault(prompt.text, []).append(name)
    for text, names in asked.items():
        print_result(f"--- prompt of {', '.join(names)}, {len(prompts[names[0]].input_ids):,} tokens")
        print_result(f"{text}\n")  # an empty line where it ends with a line end
        print_result("--- end of the prompt")


def _obey(comparison: "Comparison", command: str, argument: str) -> None:
    """Does what a command asks for.

    Raises:
        UserError: there is no such command.
    """
    if command == "/help":
        for name, does in _COMMANDS.items():
            notice(f"  {name:<14}{does}")
        notice("  Anything else is a question; put a space before one that begins with a slash.")
    elif command == "/reset":
        comparison.start_over()
        notice("The conversation is forgotten.")
    elif command == "/system":
        comparison.use_system(argument.strip())
        notice("Started over, " + (f"with the system message: {argument.strip()}" if argument.strip() else "without a system message."))
    else:
        known = [name.split()[0] for name in _COMMANDS]
        raise UserError(f"there is no command '{command}'", remedy=did_you_mean(command, known))


def _read_line() -> str:
    """Returns a line, with its leading white space; nothing at the end of the input."""
    try:
        line = console().input("[bold]> [/]").rstrip()
    except EOFError:
        return ""
    return line
