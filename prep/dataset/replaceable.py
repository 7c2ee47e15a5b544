"""What may be replaced: a command that writes a whole folder puts it in the place of an older one of its own, and of nothing else."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError

Refusal = tuple[str, str]
"""Cause and remedy; a cause may name the first `{stranger}` of a folder."""


@dataclass(frozen=True, slots=True)
class Replaceable:
    """A kind of folder that is replaced whole.

    Attributes:
        find_stranger: returns the first name in a folder that is no part of it; None where there is none.
        file: what to say where a file lies in its place.
        stranger: what to say of a name that is no part of it.
        is_older: says whether a folder that is not empty is an older one, whatever its names are; None: its names tell.
        unlike: what to say where it is none.
    """

    find_stranger: Callable[[Path], str | None]
    file: Refusal
    stranger: Refusal
    is_older: Callable[[Path], bool] | None = None
    unlike: Refusal = ("", "")


def check_replaceable(out: Path, kind: Replaceable) -> None:
    """Makes sure that writing to `out` replaces nothing but an older folder of a kind: whatever somebody put inside would go with it.

    Raises:
        UserError: something else is there.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise _refused(out, kind.file)
    if kind.is_older is not None and any(out.iterdir()) and not kind.is_older(out):
        raise _refused(out, kind.unlike)
    stranger = kind.find_stranger(out)
    if stranger is not None:
        raise _refused(out, kind.stranger, stranger)


def other_names(names: Collection[str]) -> Callable[[Path], str | None]:
    """Returns what finds the first name in a folder that is not among those given."""
    return lambda folder: min((path.name for path in folder.iterdir() if path.name not in names), default=None)


def _refused(out: Path, refusal: Refusal, stranger: str = "") -> UserError:
    cause, remedy = refusal
    return UserError(cause.replace("{stranger}", stranger), str(out), remedy)
