"""Differences: what they are, which are known, and how they are printed."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

NUM_SHOWN = 5
_WIDTH = 120  # of a value that is printed


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that the two sides do not have alike.

    Attributes:
        area: build, lint, tools, train, evals or loop.
        file: the file within the area's folder.
        where: the row, column, key or code within the file.
        old: its value on the old side.
        new: its value on the new side.
        kind: what it is counted with: the column, code or key without row numbers.
        is_message: whether it is text for people, which is counted and is no failure.
    """

    area: str
    file: str
    where: str
    old: Any
    new: Any
    kind: str
    is_message: bool = False

    @property
    def location(self) -> str:
        """What a known change's `match` is held against."""
        return f"{self.file} {self.where}"

    def line(self) -> str:
        """Returns the difference as one line."""
        return f"{self.area}/{self.file}  {self.where}  old {shorten(self.old)}  new {shorten(self.new)}"


def shorten(value: Any) -> str:
    """Returns a value as one line that is not too long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.replace("\n", "\\n")
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"


@dataclass(frozen=True, slots=True)
class Known:
    """A change that is meant: where it shows, and why it is right."""

    area: str
    match: str
    why: str

    def covers(self, difference: Difference) -> bool:
        """Says whether a difference is of this change: `match` is part of its location or, with `*` or `?`, a pattern of the whole."""
        if not fnmatchcase(difference.area, self.area):
            return False
        if set(self.match) & set("*?"):
            return fnmatchcase(difference.location, self.match)
        return self.match in difference.location


def load_known(path: Path | None) -> list[Known]:
    """Reads the list of known changes.

    Raises:
        SystemExit: an entry has other keys than area, match and why.
    """
    entries = (yaml.safe_load(path.read_text(encoding="utf-8")) or []) if path is not None else []
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"area", "match", "why"} or not all(isinstance(one, str) for one in entry.values()):
            raise SystemExit(f"{path}: an entry has the keys area, match and why, each a text; this one has not: {entry}")
    return [Known(**entry) for entry in entries]


def report(found: list[Difference], known: list[Known], *, show_messages: bool = False) -> int:
    """Prints differences by kind, and returns how many are neither messages nor known."""
    messages = [one for one in found if one.is_message]
    by_known: dict[Known, list[Difference]] = defaultdict(list)
    unknown: list[Difference] = []
    for one in found:
        if not one.is_message:
            change = next((change for change in known if change.covers(one)), None)
            (unknown if change is None else by_known[change]).append(one)
    _print_groups(unknown)
    for change in known:
        ones = by_known.get(change, [])
        print(f"known  {change.area}  {change.match}  {len(ones)} differences{'' if ones else ' (matches nothing)'}: {change.why}")
        for one in ones[:NUM_SHOWN]:
            print(f"    {one.line()}")
    if show_messages:
        print("messages:")
        _print_groups(messages)
    by_area = Counter(one.area for one in messages)
    counts = ", ".join(f"{area} {number}" for area, number in sorted(by_area.items())) or "none"
    print(f"{len(messages)} messages read otherwise ({counts})")
    num_known = sum(map(len, by_known.values()))
    print(f"{len(unknown)} differences that nobody knows of, {num_known} known: {'DIFFERENT' if unknown else 'IDENTICAL'}")
    return len(unknown)


def _print_groups(found: list[Difference]) -> None:
    groups: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for one in found:
        groups[one.area, one.kind].append(one)
    for (area, kind), ones in groups.items():
        print(f"{area}  {kind}  {len(ones)} in {len({one.file for one in ones})} files")
        for one in ones[:NUM_SHOWN]:
            print(f"    {one.line()}")
