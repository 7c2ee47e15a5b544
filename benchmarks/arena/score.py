"""Scores what a linter reported on the arena against its key.

    python benchmarks/arena/score.py ARENA [--missed] [--examples 3] [--findings FINDINGS.json]

Runs `prep lint ARENA/train.jsonl --test ARENA/test.jsonl --format json`, or reads such a report. A planted row is found when a warning or
an error is on its line, or, for duplicates, conflicts and leaks, on that of either row of the pair; found by its rule when such a finding
is of a code that answers for the kind. A clean row with a warning or an error is a false alarm; the rows that planted ones were copied from
are neither planted nor clean.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Place = tuple[str, int]
"""A file's name and a 1-based line of it."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One finding of a tool on a row, of a severity that it takes for a defect."""

    place: Place
    code: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """One line of the key."""

    place: Place
    kind: str
    codes: tuple[str, ...]
    task: str
    note: str
    related: Place | None

    @property
    def places(self) -> list[Place]:
        """Where a finding counts as having found it."""
        return [self.place] if self.related is None else [self.place, self.related]


@dataclass(frozen=True, slots=True)
class Score:
    """What a tool found.

    Attributes:
        found: by kind, the planted rows that were found at all.
        found_by_rule: by kind, those found by a rule that answers for the kind.
        missed: the others of `found`.
        planted: by kind, how many there are.
        false: by clean row, what was reported on it.
        num_clean: how many clean rows there are.
    """

    found: dict[str, int]
    found_by_rule: dict[str, int]
    missed: list[Planted]
    planted: dict[str, int]
    false: dict[Place, list[Reported]]
    num_clean: int

    @property
    def recall(self) -> float:
        """Share of all planted rows that were found."""
        return sum(self.found.values()) / sum(self.planted.values())

    @property
    def recall_by_rule(self) -> float:
        """Share of all planted rows that were found by a rule that answers for their kind."""
        return sum(self.found_by_rule.values()) / sum(self.planted.values())

    @property
    def false_alarms(self) -> float:
        """Clean rows with a finding, per 1,000 clean rows."""
        return 1000 * len(self.false) / self.num_clean


def read_key(arena: Path) -> list[Planted]:
    """Reads key.jsonl."""

    def place(value: dict[str, Any]) -> Place:
        return value["file"], value["line"]

    with (arena / "key.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Planted(place(row), row["kind"], tuple(row["codes"]), row["task"], row["note"], place(row["related"]) if "related" in row else None)
        for row in rows
    ]


def read_rows(arena: Path) -> dict[Place, str]:
    """Returns the raw lines of both files by place."""
    return {
        (name, number): line
        for name in ("train.jsonl", "test.jsonl")
        for number, line in enumerate((arena / name).read_text(encoding="utf-8").split("\n"), 1)
        if line
    }


def score(arena: Path, reported: Iterable[Reported]) -> Score:
    """Compares what was reported with the key."""
    key, rows = read_key(arena), read_rows(arena)
    by_place: dict[Place, list[Reported]] = defaultdict(list)
    for finding in reported:
        by_place[finding.place].append(finding)
    found, by_rule, planted = Counter[str](), Counter[str](), Counter(one.kind for one in key)
    missed = []
    for one in key:
        here = [finding for place in one.places for finding in by_place.get(place, [])]
        found[one.kind] += bool(here)
        by_rule[one.kind] += any(finding.code in one.codes for finding in here)
        if not here:
            missed.append(one)
    no_clean = {place for one in key for place in one.places}
    false = {place: findings for place, findings in by_place.items() if place in rows and place not in no_clean}
    return Score(dict(found), dict(by_rule), missed, dict(planted), false, len(rows) - len(no_clean))


def lint(arena: Path) -> tuple[dict[str, Any], float]:
    """Runs `prep lint` on the arena, without a config; returns its JSON report and the seconds that it took."""
    command = [
        sys.executable, "-c", "from prep.cli.app import main; main()", "lint",
        str(arena / "train.jsonl"), "--test", str(arena / "test.jsonl"),
        "--format", "json", "--fail-on", "never",
    ]  # fmt: skip
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(f"prep lint ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), time.monotonic() - begun


def of_report(report: dict[str, Any]) -> list[Reported]:
    """Returns the warnings and errors of `prep lint` that stand on a line."""
    return [
        Reported((Path(one["file"]).name, one["line"]), one["code"], one["message"])
        for one in report["diagnostics"]
        if one["severity"] in {"warning", "error"} and one.get("line") is not None
    ]


def show(result: Score, arena: Path, *, missed: bool, examples: int) -> None:
    """Prints recall a kind, false alarms a rule with examples, and what was missed."""
    rows = read_rows(arena)
    print(f"{'kind':30} planted  found  by its rule")
    for kind, count in sorted(result.planted.items()):
        print(f"{kind:30} {count:7d} {result.found[kind]:6d} {result.found_by_rule[kind]:8d}")
    print(f"\nrecall {result.recall:.1%}, by its rule {result.recall_by_rule:.1%}, of {sum(result.planted.values())} planted rows")
    print(f"{len(result.false)} of {result.num_clean} clean rows reported: {result.false_alarms:.1f} per 1,000")
    rules: dict[str, list[Place]] = defaultdict(list)
    messages: dict[tuple[str, Place], str] = {}
    for place, findings in sorted(result.false.items()):
        for finding in findings:
            messages.setdefault((finding.code, place), finding.message)
        for code in sorted({finding.code for finding in findings}):
            rules[code].append(place)
    for code, places in sorted(rules.items(), key=lambda pair: -len(pair[1])):
        alone = sum(len({finding.code for finding in result.false[place]}) == 1 for place in places)
        print(f"\n{code}: {len(places)} clean rows, {alone} of them its alone")
        for place in places[:examples]:
            print(f"  {place[0]}:{place[1]}: {messages[code, place]}\n    {_text(rows[place])}")
    if missed:
        print("\nMissed:")
        for one in result.missed:
            where = f" (with {one.related[0]}:{one.related[1]})" if one.related else ""
            print(f"  {one.kind}: {one.place[0]}:{one.place[1]}{where}: {one.note!r}\n    {_text(rows[one.place])}")
            if one.related:
                print(f"    {_text(rows[one.related])}")


def _text(line: str, limit: int = 420) -> str:
    """Returns the end of a conversation in one line; its beginning is the same for all."""
    parts = [f"{message.get('role')}: {message.get('content')!r}" for message in json.loads(line)["messages"]]
    if len(parts) > 2 and parts[0].startswith("system"):
        parts = parts[1:]
    return " | ".join(part if len(part) <= limit else f"{part[: limit // 2]} ... {part[-limit // 2 :]}" for part in parts)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arena", type=Path)
    parser.add_argument("--findings", type=Path, help="a JSON report of prep lint, instead of running it")
    parser.add_argument("--missed", action="store_true", help="print the planted rows that were missed")
    parser.add_argument("--examples", type=int, default=3, help="false alarms to print a rule")
    given = parser.parse_args()
    if given.findings:
        report, seconds = json.loads(given.findings.read_text(encoding="utf-8")), None
    else:
        report, seconds = lint(given.arena)
    show(score(given.arena, of_report(report)), given.arena, missed=given.missed, examples=given.examples)
    if seconds is not None:
        print(f"\n{seconds:.1f} s")
    for skipped in report.get("skipped", []):
        print(f"skipped {skipped['code']}: {skipped['reason']}")


if __name__ == "__main__":
    main()
