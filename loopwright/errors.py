"""What goes wrong for a user, said so that they can mend it alone: cause, location, remedy."""

from collections.abc import Sequence
from enum import IntEnum

# What the `train` extra brings, by the names under which it is imported.
_TRAIN_MODULES = frozenset({"datasets", "evaluate", "gguf", "peft", "rouge_score", "sacrebleu", "safetensors", "scipy", "sklearn", "torch"})


class ExitCode(IntEnum):
    """What every command's exit status means."""

    FINE = 0
    FINDINGS = 1  # lint findings at or above --fail-on, or a failed gate
    COULD_NOT_RUN = 2
    INTERRUPTED = 130


class UserError(Exception):
    """An error that the user can act on. It is printed without a traceback.

    Args:
        cause: what is wrong, in one clause, without a final stop.
        location: where: a file, `file:line`, or a key path in a config.
        remedy: what to do about it, a whole sentence.
    """

    def __init__(self, cause: str, location: str | None = None, remedy: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.location = location
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        stop = "" if self.cause.endswith((".", "!", "?")) else "."
        return f"{where}{self.cause}{stop}" + (f" {self.remedy}" if self.remedy else "")


class UserErrors(UserError):
    """Several errors of one run, reported together, so that nobody mends them one run at a time."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def raise_all(errors: Sequence[UserError]) -> None:
    """Raises nothing, the one error, or all of them as `UserErrors`."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise UserErrors(errors)


_MAX_KNOWN = 40


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Returns a remedy for a name that is not known: the closest one, else the list, or its beginning where it is long."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    if not known:
        return "None are known."
    names = sorted(known)
    more = f", and {len(names) - _MAX_KNOWN:,} more" if len(names) > _MAX_KNOWN else ""
    return f"Known: {', '.join(names[:_MAX_KNOWN])}{more}."


def missing_extra(feature: str, extra: str) -> UserError:
    """Returns the error for a feature whose optional dependencies are not installed."""
    return UserError(
        f"{feature} needs the '{extra}' extra, which is not installed",
        remedy=f"Install it with: pip install 'loopwright[{extra}]'",
    )


def extra_of_missing(error: ModuleNotFoundError, what: str) -> UserError | None:
    """Returns what to say of a missing module that the `train` extra brings; None where it is another.

    Args:
        error: the import's error.
        what: what needs it, such as `this command`.
    """
    module = (error.name or "").partition(".")[0]
    return missing_extra(f"{what} (its import of '{module}')", "train") if module in _TRAIN_MODULES else None
