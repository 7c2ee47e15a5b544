"""Runs `prep lint` and its peers on one arena, and prints one table.

    python benchmarks/arena/run.py ARENA --cache FOLDER [--skip NAME ...] [--kinds]

ARENA is what make.py wrote. Each peer is installed from PyPI into an environment of its own under FOLDER; one that does not install or run
is listed with the reason. Seconds are those of all commands that a tool needs for the two files, without installing it. A tool with codes
that it gives to more than a tenth of all rows is listed once more without them: who uses it would soon turn them off.
"""

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from peers import PEERS, Peer, Unavailable, install, measure, version
from score import Place, Reported, Score, lint, of_report, read_rows, score


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arena", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--skip", nargs="*", default=[], help="peers to leave out")
    parser.add_argument("--kinds", action="store_true", help="also print what each found of each kind")
    given = parser.parse_args()
    arena = given.arena.resolve()
    report, seconds = lint(arena)
    results = {"prep lint": score(arena, of_report(report))}
    _print_row("tool", "recall", "false alarms per 1,000", "seconds", "")
    _print_score("prep lint", results["prep lint"], seconds, "of this project")
    for peer in PEERS:
        if peer.name in given.skip:
            continue
        try:
            found, seconds, name = _run(peer, arena, given.cache.resolve())
        except Unavailable as reason:
            _print_row(peer.name, "-", "-", "-", f"did not run: {reason}")
            continue
        results[peer.name] = score(arena, found)
        _print_score(name, results[peer.name], seconds, peer.note)
        loud = _loud(found, len(read_rows(arena)))
        if loud:
            quiet = score(arena, [one for one in found if one.code not in loud])
            _print_score(f"{name}, quieter", quiet, seconds, f"the same without {', '.join(loud)}")
    if given.kinds:
        _print_kinds(results)


def _run(peer: Peer, arena: Path, cache: Path) -> tuple[list[Reported], float, str]:
    """Installs and runs a tool; returns what it reported, its seconds, and its name with the version."""
    venv = install(peer, cache)
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        found, seconds = measure(peer, arena, venv, Path(folder))
    return found, seconds, f"{peer.name} {version(peer, venv)}"


def _loud(found: list[Reported], num_rows: int) -> list[str]:
    """Returns the codes that are on more than a tenth of the rows."""
    places: dict[str, set[Place]] = defaultdict(set)
    for one in found:
        places[one.code].add(one.place)
    return sorted(code for code, on in places.items() if len(on) > 0.1 * num_rows) if len(places) > 1 else []


def _print_score(name: str, result: Score, seconds: float, note: str) -> None:
    _print_row(name, f"{result.recall:.1%}", f"{result.false_alarms:.1f}", f"{seconds:.1f}", note)


def _print_row(*cells: str) -> None:
    name, recall, false, seconds, note = cells
    print(f"| {name:38} | {recall:>6} | {false:>22} | {seconds:>7} | {note} |", flush=True)


def _print_kinds(results: dict[str, Score]) -> None:
    print("\n| kind | " + " | ".join(results) + " |")
    for kind in sorted(next(iter(results.values())).planted):
        print(f"| {kind} | " + " | ".join(str(result.found[kind]) for result in results.values()) + " |")


if __name__ == "__main__":
    main()
