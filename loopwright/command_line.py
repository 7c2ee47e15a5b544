"""What all commands share: how their help looks, `--version`, shell completion, and how an error ends them."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from loopwright import __version__
from loopwright.console import notice, print_error, print_result
from loopwright.errors import ExitCode, UserError, extra_of_missing
from loopwright.process import prepare_process

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter


class Group(TyperGroup):
    """Commands whose list says the first sentence of each whole, on as many lines as it takes, and whose errors are in plain words."""

    def invoke(self, ctx: "Context") -> Any:
        """Runs a command; of an option's value it says what is to stand there, where Typer repeats pydantic."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if words := _plain_words(error):
                error.message = words
            raise

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Writes the list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(command)) for name, command in commands if command is not None])


def _plain_words(error: typer.BadParameter) -> str | None:
    """Returns what an option's value is to be; None where it was not pydantic that refused it."""
    from pydantic import ValidationError

    if not isinstance(error.__cause__, ValidationError):
        return None
    from loopwright.faults import faults_of

    return faults_of(error.__cause__, None)[0].words + "."


def first_sentence(command: "Command") -> str:
    """Returns what a command does, in one sentence."""
    paragraph = " ".join((command.help or "").split("\n\n", 1)[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + "." if stop else paragraph


def make_app(help_text: str) -> typer.Typer:
    """Returns a group of commands with this project's manners."""
    return _make(help_text, Group, is_program=False)


def make_program(help_text: str, order: Sequence[str] = (), group: type[Group] = Group) -> typer.Typer:
    """Returns a whole program: a group with `--version` and shell completion.

    Args:
        help_text: what it is for.
        order: its commands in the order of use; others stand behind them.
        group: the class of the group.
    """

    class Ordered(group):  # type: ignore[misc, valid-type]
        def list_commands(self, ctx: "Context") -> list[str]:
            names: list[str] = super().list_commands(ctx)
            return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    app = _make(help_text, Ordered, is_program=True)

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None: ...

    return app


def _make(help_text: str, group: type[Group], *, is_program: bool) -> typer.Typer:
    return typer.Typer(
        cls=group,
        help=help_text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=is_program,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_result(f"loopwright {__version__}")
        raise typer.Exit


def run_app(app: Callable[[], Any]) -> None:
    """Runs a command-line application and turns its errors into exit codes."""
    prepare_process()
    try:
        app()
    except UserError as error:
        print_error(error)
        sys.exit(ExitCode.COULD_NOT_RUN)
    except ModuleNotFoundError as error:
        if (missing := extra_of_missing(error, "this command")) is None:
            raise
        print_error(missing)
        sys.exit(ExitCode.COULD_NOT_RUN)
    except KeyboardInterrupt:
        notice("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
