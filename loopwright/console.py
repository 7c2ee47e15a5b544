"""One console for people (stderr) and one door for results (stdout)."""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from loopwright.errors import ExitCode, UserError, UserErrors, extra_of_missing
from loopwright.progress import ProgressCallback, ProgressOption

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_IS_QUIET: ContextVar[bool] = ContextVar("_IS_QUIET", default=False)
# Beside it, as a library call decides that one anew.
_IS_SILENCED: ContextVar[bool] = ContextVar("_IS_SILENCED", default=False)

_MAX_ERRORS = 50  # one mistake can make an error of each row

# What a terminal obeys instead of showing: control characters, and marks that turn the direction of the text around them. Line ends and
# tabs stay; half characters go, as no output can encode them.
_COMMANDS = re.compile("(?!\r\n)[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Returns a text with what a terminal would obey written out, as `\u001b`; within JSON that says the same as before.

    Corpus text, names, paths and answers are strangers' words: an escape sequence in a review could clear the screen or forge a verdict.
    """
    return _COMMANDS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def console() -> "Console":
    """Returns the one Rich console. Progress, tables and notices go through it, to stderr; within a quiet library call, nowhere."""
    return _quiet_console() if _IS_QUIET.get() or _IS_SILENCED.get() else shown_console()


@cache
def shown_console() -> "Console":
    """Returns the console that shows what it is given, whoever asked."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@cache
def _quiet_console() -> "Console":
    from rich.console import Console

    # Never taken for a terminal: a progress bar there redirects what the caller's own code prints.
    return Console(stderr=True, quiet=True, force_terminal=False, force_jupyter=False)


def notice(text: str, *, always: bool = False) -> None:
    """Prints a line for people, to stderr, taking no part of it for markup.

    Args:
        text: the line.
        always: print it within a quiet library call, too: what a caller must not miss, such as code of others that is about to run.
    """
    where = shown_console() if always and not _IS_SILENCED.get() else console()
    where.print(printable(text), markup=False, soft_wrap=True)


@contextmanager
def silenced() -> Iterator[None]:
    """Within the block nothing is shown at all: another process of the same work shows it."""
    token = _IS_SILENCED.set(True)
    try:
        yield
    finally:
        _IS_SILENCED.reset(token)


@contextmanager
def library_call(progress: ProgressOption = False) -> Iterator[ProgressCallback | None]:
    """Runs a library call: nothing is shown unless progress is asked for, and a missing extra is a UserError.

    Args:
        progress: true shows on stderr what the commands show; a function is given to the work, which calls it.

    Raises:
        UserError: the work needs an extra that is not installed.
    """
    token = _IS_QUIET.set(progress is not True)
    try:
        yield None if isinstance(progress, bool) else progress
    except ModuleNotFoundError as error:
        if (missing := extra_of_missing(error, "this call")) is None:
            raise
        raise missing from error
    finally:
        _IS_QUIET.reset(token)


def print_result(text: str) -> None:
    """Prints a result to stdout. A reader that leaves early, as `head` does, ends the program without an error."""
    with _reader_may_leave():
        sys.stdout.write(printable(text if text.endswith("\n") else text + "\n"))
        sys.stdout.flush()


def print_view(view: "RenderableType", *, wrap: bool = True) -> None:
    """Prints a result that is laid out for people, such as a table, to stdout. What it shows of the data must be `printable`.

    Args:
        view: what to print; its colours show on a terminal only.
        wrap: whether lines are broken at the terminal's width.
    """
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # Rich's own way out is exit code 1

    with _reader_may_leave():
        Output(highlight=False).print(view, soft_wrap=not wrap)


def output_has_colours() -> bool:
    """Says whether colours are seen on stdout: not in a file or pipe, nor where the environment asks for none."""
    from rich.console import Console

    out = Console()
    return out.color_system is not None and not out.no_color


def output_width(default: int) -> int:
    """Returns the cells of a line of stdout: the terminal's where it is one, so that a file or pipe gets the same text everywhere."""
    return shutil.get_terminal_size((default, 0)).columns if sys.stdout is not None and sys.stdout.isatty() else default


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    if sys.stdout is None:
        raise UserError("there is no standard output to print the result to", remedy="Run the command without '>&-'.")
    try:
        yield
    except BrokenPipeError:
        _drop_output()
        sys.exit(ExitCode.FINE)
    except OSError as error:
        _drop_output()
        raise UserError(f"cannot print the result: {error.strerror}", remedy="Send standard output elsewhere.") from error


def _drop_output() -> None:
    """Lets go of what is not printed yet, or the interpreter would complain when it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any) -> None:
    """Prints one JSON document to stdout."""
    print_result(json.dumps(value, indent=2, ensure_ascii=False))


def print_error(error: UserError) -> None:
    """Prints an error, or each of several up to 50, without a traceback."""
    errors = error.errors if isinstance(error, UserErrors) else (error,)
    for one in errors[:_MAX_ERRORS]:
        console().print("[bold red]error:[/]", end=" ")
        console().print(printable(str(one)), markup=False, soft_wrap=True)
    if len(errors) > _MAX_ERRORS:
        notice(f"and {len(errors) - _MAX_ERRORS:,} more errors")
