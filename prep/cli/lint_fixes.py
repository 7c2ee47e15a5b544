"""The fixes of `prep lint`: made, or shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.console import console, notice
from loopwright.errors import UserError
from prep.cli.deliver import deliver

if TYPE_CHECKING:
    from prep.lint.base.report import LintReport
    from prep.lint.options import LintOptions


@dataclass(frozen=True, slots=True)
class Fixing:
    """What is to be fixed.

    Attributes:
        only_shown: nothing is changed.
        unsafe: unsafe fixes too.
        to: the file that a fixed copy of a training file goes to.
        config: the build config, whose ledger takes the fixes of a dataset; None for the one beside it.
        out: the file that what would be changed is written to.
    """

    only_shown: bool
    unsafe: bool
    to: Path | None
    config: Path | None
    out: Path | None


def fixed(path: Path, test: Path | None, options: "LintOptions", fixing: Fixing) -> "LintReport | None":
    """Makes fixes and returns the report of what is left; None where they are only shown.

    Raises:
        UserError: the data cannot be read or fixed so, or the config is not found.
    """
    if fixing.to is not None or (fixing.only_shown and path.is_file()):
        _require_file_to_fix(path, test, has_other=fixing.unsafe)
        if fixing.only_shown:
            _show_file_fixes(path, options, fixing.out)
            return None
        assert fixing.to is not None
        return _fix_file(path, fixing.to, options)
    to_fix = _config_to_fix(path, fixing.config, test)
    if fixing.only_shown:
        _show_fixes(path, to_fix, options, fixing.out, unsafe=fixing.unsafe)
        return None
    return _fix(path, to_fix, options, unsafe=fixing.unsafe)


def _config_to_fix(path: Path, config: Path | None, test: Path | None) -> Path:
    from prep.fixes.fixing import find_config

    if test is not None:
        raise UserError("fixes need a built dataset, which has its own evaluation splits", "--test", "Leave it out.")
    return find_config(path, config)


def _require_file_to_fix(path: Path, test: Path | None, *, has_other: bool) -> None:
    if path.is_dir():
        raise UserError("--fix-to is for a training file, and this is a dataset", str(path), "Leave it out: --fix writes the fix ledger.")
    if test is not None:
        raise UserError("a file is fixed by itself", "--test", "Leave it out.")
    if has_other:
        raise UserError(
            "only safe fixes are made in a file", "--unsafe-fixes", "Leave it out, or build a dataset from the file: prep init."
        )


def _show_file_fixes(path: Path, options: "LintOptions", out: Path | None) -> None:
    from prep.fixes.file_fixing import next_file_fixes
    from prep.fixes.view import as_diff

    with console().status("Linting"):
        planned = next_file_fixes(path, options)
    deliver(as_diff(planned), out, f"{len(planned)} fixes would be made.")


def _fix_file(path: Path, fix_to: Path, options: "LintOptions") -> "LintReport":
    """Writes the copy; returns the report of what is left in it."""
    from prep.fixes.file_fixing import fix_file
    from prep.fixes.view import as_diff

    with console().status("Fixing"):
        result = fix_file(path, fix_to, options)
    notice(as_diff(result.fixes))
    notice(f"{len(result.fixes)} fixes made; {result.num_written:,} records are in {fix_to}.")
    if result.unreadable:
        notice(f"{len(result.unreadable)} that cannot be read are not in it, the first at {result.unreadable[0]}.")
    return result.report


def _show_fixes(path: Path, config: Path, options: "LintOptions", out: Path | None, *, unsafe: bool) -> None:
    from prep.fixes.fixing import next_fixes
    from prep.fixes.view import as_diff

    with console().status("Linting"):
        planned = next_fixes(path, config, options, unsafe=unsafe)
    deliver(as_diff(planned), out, f"{len(planned)} fixes would be made.")


def _fix(path: Path, config: Path, options: "LintOptions", *, unsafe: bool) -> "LintReport":
    """Makes the fixes; returns the report of what is left."""
    from prep.fixes.fixing import fix
    from prep.fixes.view import as_diff

    with console().status("Fixing"):
        result = fix(path, config, options, unsafe=unsafe)
    notice(as_diff(result.fixes))
    notice(f"{len(result.fixes)} fixes added to the ledger of {config}, in {result.num_rounds} rounds; the dataset was built again.")
    if result.unfinished:
        notice(f"Of what is left: {result.unfinished}.")
    return result.report
