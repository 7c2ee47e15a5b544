"""One console for people (stderr) and one door for results (stdout)."""

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from loopwright.errors import ExitCode, UserError, UserErrors, missing_extra

if TYPE_CHECKING:
    import typer
    from rich.console import Console

# What the `train` extra brings, by the names under which it is imported.
_TRAIN_MODULES = frozenset({"datasets", "evaluate", "gguf", "peft", "rouge_score", "safetensors", "scipy", "sklearn", "torch"})


@cache
def console() -> "Console":
    """Returns the one Rich console. Progress, tables and notices go through it, to stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def notice(text: str) -> None:
    """Prints a line for people, to stderr, taking no part of it for markup."""
    console().print(text, markup=False, soft_wrap=True)


def print_result(text: str) -> None:
    """Prints a result to stdout, as it is. A reader that leaves early, as `head` does, ends the program without an error."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it closes it
        sys.exit(ExitCode.FINE)


def print_json(value: Any) -> None:
    """Prints one JSON document to stdout."""
    print_result(json.dumps(value, indent=2, ensure_ascii=False))


def print_error(error: UserError) -> None:
    """Prints an error, or each of several, without a traceback."""
    for one in error.errors if isinstance(error, UserErrors) else (error,):
        console().print("[bold red]error:[/]", end=" ")
        console().print(str(one), markup=False, soft_wrap=True)


def make_app(help_text: str) -> "typer.Typer":
    """Returns a Typer application with this project's manners."""
    import typer

    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)


def run_app(app: Callable[[], Any]) -> None:
    """Runs a command-line application and turns its errors into exit codes."""
    # Read when torch is first imported. By default its idle threads spin: beside another busy process a training step then takes two to
    # four times as long as with threads that sleep. Measured in benchmarks/README.md.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except UserError as error:
        print_error(error)
        sys.exit(ExitCode.COULD_NOT_RUN)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _TRAIN_MODULES:
            raise
        print_error(missing_extra(f"this command (its import of '{module}')", "train"))
        sys.exit(ExitCode.COULD_NOT_RUN)
    except KeyboardInterrupt:
        notice("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
