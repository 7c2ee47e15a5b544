"""`loopwright doctor`: rows of what is there and what is not, from functions that the project and other packages name by entry points."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import metadata

from loopwright.errors import UserError

GROUP = "loopwright.checks"
"""The entry point group. Each names a function without arguments that imports nothing heavy and returns rows, as `Check.as_row` does."""
Row = dict[str, str]


class State(StrEnum):
    """How it stands with a thing."""

    OK = "ok"
    MISSING = "missing"  # and may be wanted
    FAILED = "failed"  # and is in the way


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing.

    Attributes:
        name: the thing.
        state: how it stands with it.
        detail: what was found.
        remedy: what to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""

    def as_row(self) -> Row:
        """Returns the row that a check function gives."""
        return {name: str(value) for name, value in asdict(self).items()}


def read_rows(rows: object, location: str) -> list[Check]:
    """Holds what a check function gave to the contract: mappings with a name, a state, a detail and a remedy, all of them texts.

    Args:
        rows: what it returned.
        location: the function, for messages.

    Raises:
        UserError: it is something else.
    """
    remedy = f"Return rows with {', '.join(Check.__slots__)}; the state is {', '.join(State)}."
    if isinstance(rows, str | Mapping) or not isinstance(rows, Iterable):
        raise UserError("the check returned no list of rows", location, remedy)
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or set(row) != set(Check.__slots__) or not all(isinstance(value, str) for value in row.values()):
            raise UserError(f"the check returned a row of another form: {row!r:.80}", location, remedy)
        if row["state"] not in set(State):
            raise UserError(f"the check returned the state '{row['state']}'", location, remedy)
        found.append(Check(row["name"], State(row["state"]), row["detail"], row["remedy"]))
    return found


def run_checks() -> list[Check]:
    """Returns what all checks found: the project's own first. One that cannot be run is a failed row, and the others are run."""
    entries = sorted(metadata.entry_points(group=GROUP), key=lambda one: (_distribution(one) != "loopwright", _distribution(one)))
    found: list[Check] = []
    for entry in dict.fromkeys(entries):
        try:
            found += read_rows(entry.load()(), entry.value)
        except Exception as error:  # whatever is wrong with somebody's check, the rest is to be told
            found.append(_failed(entry, error))
    return found


def _failed(entry: metadata.EntryPoint, error: Exception) -> Check:
    what = f"{error.location or entry.value}: {error.cause}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    owner = _distribution(entry)
    own = "Mend what the other rows say, then: pip install --force-reinstall loopwright"
    others = f"Update the package {owner or 'that has it'}, or uninstall it."
    return Check(entry.name, State.FAILED, f"the check cannot be run: {what}", own if owner == "loopwright" else others)


def _distribution(entry: metadata.EntryPoint) -> str:
    return "" if entry.dist is None else str(entry.dist.metadata["Name"])
