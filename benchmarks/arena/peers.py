"""The tools that people would use instead: how each is installed, run on the two files, and read.

Each lives in a virtual environment of its own under a cache folder. What a tool itself calls advice (information, suggestions) is not
counted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from score import Place, Reported, read_rows

LIMIT = 900  # seconds that a command may take
FILES = ("train.jsonl", "test.jsonl")


class Unavailable(Exception):
    """A tool could not be installed or run, and why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a tool runs.

    Attributes:
        venv: its virtual environment.
        folder: an empty folder to run in, with copies of train.jsonl and test.jsonl.
    """

    venv: Path
    folder: Path

    def run(self, *command: str, ends: tuple[int, ...] = (0, 1, 2)) -> str:
        """Runs a program of the environment; returns what it printed.

        Raises:
            Unavailable: it is not there, ended otherwise than with one of the given codes, or did not end.
        """
        environment = {**os.environ, "HOME": str(self.folder), "SOUP_NO_AUDIT_LOG": "1", "NO_COLOR": "1"}
        program = str(self.venv / "bin" / command[0])
        options: dict[str, Any] = {"capture_output": True, "text": True, "encoding": "utf-8", "errors": "replace", "timeout": LIMIT}
        try:
            done = subprocess.run([program, *command[1:]], cwd=self.folder, env=environment, check=False, **options)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{command[0]}: {error}") from error
        if done.returncode not in ends:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
            raise Unavailable(f"{' '.join(command[:3])} ended with {done.returncode}: {last[0]}")
        return done.stdout

    def read(self, name: str) -> Any:
        """Reads a JSON file that a tool wrote."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def dropped(self, name: str, kept: str) -> list[Place]:
        """Returns the lines of a file that are not in the file that a tool kept of it, in its order."""
        lines = [json.loads(line) for line in _lines(self.folder / name)]
        left = iter([json.loads(line) for line in _lines(self.folder / kept)])
        wanted, places = next(left, None), []
        for number, row in enumerate(lines, 1):
            if row == wanted:
                wanted = next(left, None)
            else:
                places.append((name, number))
        return places


def _lines(path: Path) -> list[str]:
    # Not splitlines: texts may hold separators that it takes for ends of lines.
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


Reader = Callable[[Bench], list[Reported]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool: its name, what pip is to install, how it is run and read, and what is worth knowing about that."""

    name: str
    install: tuple[str, ...]
    read: Reader
    note: str


def finelint(bench: Bench) -> list[Reported]:
    """Inspects each file, and compares them."""
    reports = []
    for name in FILES:
        bench.run("finelint", "inspect", name, "--report", f"{name}.report", "--affected-records", f"{name}.affected")
        reports.append(f"{name}.affected")
    both = [part for name in FILES for part in ("--split", f"{name.split('.')[0]}={name}")]
    bench.run("finelint", "compare", *both, "--report", "both.report", "--affected-records", "both.affected")
    return [
        Reported((Path(record["dataset"]).name, record["line"]), reason["code"])
        for report in (*reports, "both.affected")
        for record in bench.read(report)["records"]
        for reason in record["reasons"]
        if reason["severity"] in {"warning", "error"}
    ]


def parallelogram(bench: Bench) -> list[Reported]:
    """Checks each file; it does not compare files."""
    return [
        Reported((name, issue["line"]), issue["rule"], issue["message"])
        for name in FILES
        for issue in json.loads(bench.run("parallelogram", "check", name, "--json"))["issues"]
        if issue["severity"] != "info" and issue["line"]
    ]


def corpusguard(bench: Bench) -> list[Reported]:
    """Scans each file, the training file against the test file."""
    bench.run("corpusguard", "scan", "train.jsonl", "--compare", "test.jsonl", "--json-out", "train.report")
    bench.run("corpusguard", "scan", "test.jsonl", "--json-out", "test.report")
    return [
        Reported((f"{name}.jsonl", finding["row"]), finding["code"], finding["message"])
        for name in ("train", "test")
        for finding in bench.read(f"{name}.report")["findings"]
        if finding["row"] and finding["severity"] != "info"
    ]


_MODELBREW = """
import json, sys
from modelbrew_cleaner import clean_file
print("\\n" + json.dumps([[row.row_index, issue.code, issue.severity.value] for row in clean_file(sys.argv[1]) for issue in row.issues]))
"""


def modelbrew(bench: Bench) -> list[Reported]:
    """Validates each file through its library call, as it has no command."""
    found = []
    for name in FILES:
        issues = json.loads(bench.run("python", "-c", _MODELBREW, name).splitlines()[-1])
        found += [Reported((name, index + 1), code) for index, code, severity in issues if severity in {"warning", "critical"}]
    return found


def wana(bench: Bench) -> list[Reported]:
    """Looks for overlap of the files as they are: prompts that all rows share count as overlap."""
    return _wana(bench, [])


def wana_told(bench: Bench) -> list[Reported]:
    """Looks for overlap, told the system prompts and instructions that many rows share."""
    counted: dict[str, int] = {}
    for line in _lines(bench.folder / "train.jsonl"):
        first = json.loads(line)["messages"][0]
        if first["role"] == "system":
            counted[first["content"]] = counted.get(first["content"], 0) + 1
    return _wana(bench, [text for text, count in counted.items() if count > 50])


def _wana(bench: Bench, shared: list[str]) -> list[Reported]:
    told = [part for text in shared for part in ("--ignore-template", text)]
    bench.run("wana", "check", "train.jsonl", "--eval", "test.jsonl", "-o", "report", *told)
    places = {hit[side] for hit in bench.read("report/contamination.json")["hits"] for side in ("train_id", "eval_id")}
    return [Reported((Path(path).name, int(line)), "overlap") for path, _, line in (place.rpartition(":") for place in places)]


def soup(bench: Bench) -> list[Reported]:
    """Runs its commands for plain chat files that drop or flag rows, each on its own, and counts the rows that any of them would drop."""
    found: list[Reported] = []

    def drop(code: str, name: str, kept: str, *command: str) -> None:
        bench.run("soup", *command)
        found.extend(Reported(place, code) for place in bench.dropped(name, kept))

    for name in FILES:
        stem = name.split(".")[0]
        drop("clean", name, f"{stem}_clean.jsonl", "data", "clean", name, "-o", f"{stem}_clean.jsonl")
        drop("dedup", name, f"{stem}_dedup.jsonl", "data", "dedup", name, "-o", f"{stem}_dedup.jsonl")
        bench.run("soup", "data", "pii", "-i", name, "-o", f"{stem}_pii.jsonl")
        flagged = [json.dumps(json.loads(line)["messages"]) for line in _lines(bench.folder / f"{stem}_pii.jsonl")]
        found += _equal_rows(bench, name, flagged)
    drop(
        "decontaminate", "train.jsonl", "decontaminated.jsonl",
        "data", "decontaminate", "-i", "train.jsonl", "--benchmark-file", "test.jsonl", "-o", "decontaminated.jsonl",
    )  # fmt: skip
    return found


def _equal_rows(bench: Bench, name: str, messages: list[str]) -> list[Reported]:
    wanted = set(messages)
    return [
        Reported((name, number), "pii")
        for number, line in enumerate(_lines(bench.folder / name), 1)
        if json.dumps(json.loads(line)["messages"]) in wanted
    ]


PEERS = (
    Peer("finelint", ("finelint",), finelint, "inspect of each file and compare"),
    Peer("parallelogram", ("parallelogram",), parallelogram, "check of each file; compares no files"),
    Peer("corpusguard-audit", ("corpusguard-audit",), corpusguard, "scan of each file, train with --compare test"),
    Peer("modelbrew-cleaner", ("modelbrew-cleaner",), modelbrew, "clean_file on each file, warnings and critical issues"),
    # Without its dependencies: llama-cpp-python is built from source for half an hour, and `check` does not use it.
    Peer("wana", ("--no-deps", "wana"), wana, "check, as it stands"),
    Peer("wana, told the prompts", ("--no-deps", "wana"), wana_told, "check, with --ignore-template for each shared system prompt"),
    Peer("soup-cli", ("soup-cli[data]",), soup, "data clean, dedup, pii of each file; decontaminate train by test; validate names no rows"),
)


def install(peer: Peer, cache: Path) -> Path:
    """Makes a tool's virtual environment under the cache folder, unless it is there.

    Raises:
        Unavailable: pip could not install it.
    """
    venv = cache / peer.install[-1].split("[")[0] / "venv"
    done = venv / "installed.txt"
    if done.exists():
        return venv
    try:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, capture_output=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", *peer.install], check=True, capture_output=True, timeout=LIMIT)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"not installed after {LIMIT} s") from error
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or b""
        raise Unavailable(f"not installed: {said.decode(errors='replace').strip().splitlines()[-1:] or error}") from error
    done.write_text(" ".join(peer.install) + "\n", encoding="utf-8")
    return venv


def version(peer: Peer, venv: Path) -> str:
    """Returns the installed version."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    name = peer.install[-1].split("[")[0]
    done = subprocess.run([venv / "bin" / "python", "-c", code, name], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def measure(peer: Peer, arena: Path, venv: Path, folder: Path) -> tuple[list[Reported], float]:
    """Runs a tool in an empty folder; returns what it reported and the seconds of its commands together.

    Raises:
        Unavailable: it could not be run, or wrote what cannot be read.
    """
    for name in FILES:
        (folder / name).write_bytes((arena / name).read_bytes())
    begun = time.monotonic()
    try:
        reported = peer.read(Bench(venv, folder))
    except (KeyError, ValueError, TypeError, OSError, IndexError) as error:
        raise Unavailable(f"its report could not be read: {error!r}") from error
    rows = read_rows(arena)
    return [finding for finding in reported if finding.place in rows], time.monotonic() - begun
