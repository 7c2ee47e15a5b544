"""Compares what two checkouts make of the same data: builds, lint, fixes, exports, training runs, evaluations and rounds.

    python benchmarks/compare_checkouts.py OLD_CHECKOUT NEW_CHECKOUT --work FOLDER [--data FOLDER] [--cases FOLDER]
        [--only build,lint,tools,train,evals,loop] [--tasks 'sample-*'] [--known benchmarks/known_changes.yaml] [--messages]

Each checkout's commands run from its own `.venv`. What they wrote is kept below FOLDER/sides by the hash of the checkout's code, so that
the old side is computed once. The exit status is 1 where anything differs that the list of known changes does not name.

Not compared: times, speeds and memory; hashes of the code and of files that are compared themselves. Texts for people are counted.
"""

import argparse
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path

from checkouts.data_tasks import data_tasks
from checkouts.differences import load_known, report
from checkouts.files import compare_folders
from checkouts.inputs import make_inputs
from checkouts.model_tasks import model_tasks
from checkouts.side import Side, Task, fingerprint, locked

AREAS = ("build", "lint", "tools", "train", "evals", "loop")


def main() -> int:
    """Runs the comparison and returns its exit status."""
    given = _arguments()
    known = load_known(given.known)
    with locked(given.work / "inputs"):
        inputs = make_inputs(given.work, given.old, given.data, given.cases, given.rows)
    tasks = _wanted([*model_tasks(inputs), *data_tasks(inputs)], given.only, given.tasks)
    sides = []
    for name, checkout in (("old", given.old), ("new", given.new)):
        side = Side.open(checkout, given.work, again=bool(sides) and fingerprint(checkout) == sides[0].folder.name)
        print(f"{name}: {checkout} in {side.folder}", flush=True)
        started = time.perf_counter()
        side.run_all(tasks, given.jobs)
        if side.seconds:
            used = ", ".join(f"{area} {seconds:.0f}" for area, seconds in side.processor.items())
            print(f"  {len(side.seconds)} tasks in {time.perf_counter() - started:.0f} s; seconds of a processor: {used}")
        if fingerprint(checkout) != side.folder.name.removesuffix("-again"):
            raise SystemExit(f"{checkout} was changed meanwhile: its results are of no one version. Remove {side.folder} and run again.")
        sides.append(side)
    old, new = (side.folder for side in sides)
    found = []
    for area in given.only:
        chosen = [task.name for task in tasks if task.area == area and fnmatchcase(task.name, given.tasks)]
        found += compare_folders(area, old, new, chosen)
    return 1 if report(found, known, show_messages=given.messages) else 0


def _wanted(tasks: list[Task], areas: list[str], pattern: str) -> list[Task]:
    """Returns the tasks of some areas whose name has a pattern, and all that these need, each after those that it needs."""
    by_id = {task.id: task for task in tasks}
    ordered: dict[str, Task] = {}

    def add(task: Task) -> None:
        for name in task.needs:
            add(by_id[name])
        ordered.setdefault(task.id, task)

    for task in tasks:
        if task.area in areas and fnmatchcase(task.name, pattern):
            add(task)
    return list(ordered.values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("old", type=lambda text: Path(text).resolve(), help="the checkout that is held to be right")
    parser.add_argument("new", type=lambda text: Path(text).resolve(), help="the checkout that is to do the same")
    parser.add_argument("--work", type=lambda text: Path(text).resolve(), required=True, help="where inputs and results are kept")
    parser.add_argument("--data", type=lambda text: Path(text).resolve(), help="a folder of corpora, one folder each")
    parser.add_argument("--cases", type=lambda text: Path(text).resolve(), help="a folder of cases, F* folders with configs and files")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(AREAS), help=f"of {','.join(AREAS)}")
    parser.add_argument("--tasks", default="*", help="a pattern of the tasks' names, such as 'sample-*' or 'case-F17'")
    parser.add_argument("--known", type=Path, help="a YAML list of changes that are meant: area, match, why")
    parser.add_argument("--messages", action="store_true", help="print texts for people that differ, too")
    parser.add_argument("--rows", type=int, default=300, help="rows of a corpus that are linted")
    parser.add_argument("--jobs", type=int, default=2, help="commands that run at a time")
    given = parser.parse_args()
    if unknown := set(given.only) - set(AREAS):
        parser.error(f"--only: there is no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    return given


if __name__ == "__main__":
    sys.exit(main())
