"""The `loopwright` command: every command of the project under one name, and `loopwright doctor`."""

from functools import cache
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from loopwright.command_line import Group, make_program, run_app
from loopwright.console import print_json, print_view
from loopwright.errors import ExitCode, UserError, did_you_mean
from loopwright.siblings import require_siblings

if TYPE_CHECKING:
    from typer._click.core import Command, Context

_PROGRAMS = ("prep", "train", "evals", "loop")
# Whose commands are here without its name as well.
_DEFAULT = "prep"


@cache
def _program(name: str) -> TyperGroup:
    """Returns the group of commands of a console entry point: this package stands below those that have them, and imports none.

    Raises:
        UserError: the project is not installed, or another package stands under the program's name.
    """
    try:
        (script,) = metadata.distribution("loopwright").entry_points.select(group="console_scripts", name=name)
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise UserError(f"the program '{name}' is not installed", remedy="Install it: pip install loopwright") from error
    require_siblings(name)
    try:
        group = typer.main.get_group(import_module(script.module).app)
    except (ImportError, AttributeError) as error:
        raise UserError(f"the program '{name}' cannot be loaded: {error}", remedy="See what is in its way: loopwright doctor") from error
    # Of the one program that it is now a part of.
    group.params = [one for one in group.params if one.name == "help"]
    return group


def _unusable(name: str, error: UserError) -> TyperCommand:
    """Returns a command in the place of a program that cannot be loaded, so that the others can be listed and run."""

    def fail() -> None:
        raise error

    return TyperCommand(name, callback=fail, help=error.cause, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})


class _Programs(Group):
    """The programs, the commands of prep, and those of its own."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Returns the names of all commands; prep's first."""
        prep = self.get_command(ctx, _DEFAULT)
        names = prep.list_commands(ctx) if isinstance(prep, TyperGroup) else []
        return list(dict.fromkeys((*names, *_PROGRAMS, *super().list_commands(ctx))))

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Returns a command, without a look at the programs that it is not of."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        try:
            return _program(cmd_name) if cmd_name in _PROGRAMS else _program(_DEFAULT).get_command(ctx, cmd_name)
        except UserError as error:
            return _unusable(cmd_name, error)

    def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
        """Finds the command that is asked for; for one that is not there, the nearest of all of them is named."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            remedy = did_you_mean(args[0], self.list_commands(ctx))
            raise UserError(f"there is no command '{args[0]}'", remedy=remedy)
        return super().resolve_command(ctx, args)


app = make_program("Build fine-tuning data, lint it, train on it, evaluate, and mend the data with what failed.", group=_Programs)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the rows to stdout as JSON.")] = False) -> None:
    """Say what is installed, fetched and cached, what is missing, and what the machine can do. Exit code 1: something is wrong."""
    from loopwright.checks import State, run_checks
    from loopwright.checks_view import checks_table

    found = run_checks()
    if as_json:
        print_json([one.as_row() for one in found])
    else:
        print_view(checks_table(found))
    if any(one.state is State.FAILED for one in found):
        raise typer.Exit(ExitCode.FINDINGS)


def main() -> None:
    """Runs the command."""
    run_app(app)
