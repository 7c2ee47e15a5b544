"""One side of the comparison: a checkout, its commands, and the folder that keeps what they wrote."""

import fcntl
import hashlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

# What the commands' results cannot depend on; a commit that changes these alone needs no new run.
_NO_CODE = (":!tests", ":!docs", ":!benchmarks", ":!sample_data", ":!*.md", ":!Makefile")
TIMEOUT = 400  # seconds a command


def git(checkout: Path, *arguments: str) -> bytes:
    """Returns what a git command prints in a checkout."""
    return subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True).stdout


def fingerprint(checkout: Path) -> str:
    """Returns the hash of the code of a checkout as it lies there, committed or not."""
    digest = hashlib.sha256()
    tree = git(checkout, "ls-tree", "-r", "HEAD")
    ignored = ("tests/", "docs/", "benchmarks/", "sample_data/")
    for line in tree.splitlines():
        name = line.split(b"\t", 1)[1].decode()
        if not name.startswith(ignored) and not name.endswith(".md") and name != "Makefile":
            digest.update(line)
    digest.update(git(checkout, "diff", "HEAD", "--", ".", *_NO_CODE))
    for name in sorted(git(checkout, "ls-files", "-z", "--others", "--exclude-standard", "--", ".", *_NO_CODE).split(b"\0")):
        if name:
            digest.update(name + hashlib.sha256((checkout / os.fsdecode(name)).read_bytes()).digest())
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lets one process at a time into a folder; the lock lies beside it and ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that works in {path}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Task:
    """Commands over one input, and the folder that they write.

    Attributes:
        area: build, lint, tools, train, evals or loop.
        name: the input.
        run: runs the commands.
        inputs: the files and folders that are copied to `input/` of the task's folder.
        needs: tasks (`area/name`) whose folders the commands read.
    """

    area: str
    name: str
    run: "Callable[[Shell], None]"
    inputs: tuple[Path, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The task's folder within the side's."""
        return f"{self.area}/{self.name}"

    def version(self) -> str:
        """Returns the hash of the code that says what is run, and of the values that it uses."""
        used = inspect.getclosurevars(self.run)
        values = {**used.globals, **used.nonlocals}
        told = [inspect.getsource(one) if inspect.isfunction(one) else repr(one) for _, one in sorted(values.items())]
        return hashlib.sha256("\n".join([inspect.getsource(self.run), *told]).encode()).hexdigest()


@dataclass(slots=True)
class Side:
    """A checkout and the folder that keeps its results."""

    checkout: Path
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    processor: Counter[str] = field(default_factory=Counter)  # seconds by area

    @classmethod
    def open(cls, checkout: Path, work: Path, *, again: bool = False) -> "Side":
        """Finds or makes the folder of a checkout's results; another one, where the same code is to be run again.

        Raises:
            SystemExit: the checkout has no commands, or its commands run the code of another.
        """
        python = checkout / ".venv/bin/python"
        if not python.exists():
            raise SystemExit(f"{checkout}: there is no .venv in it; make it with: make setup")
        folder = work / "sides" / (fingerprint(checkout) + ("-again" if again else ""))
        folder.mkdir(parents=True, exist_ok=True)
        found = subprocess.run(
            [python, "-c", "import prep; print(prep.__path__[0])"], cwd=folder, capture_output=True, text=True, check=False
        )
        if not found.stdout.startswith(f"{checkout.resolve()}/"):
            raise SystemExit(f"{checkout}: its .venv runs {found.stdout.strip() or found.stderr.strip()}")
        told = {"checkout": str(checkout), "commit": git(checkout, "log", "-1", "--format=%h %s").decode().strip()}
        (folder / "checkout.json").write_text(json.dumps(told, indent=2) + "\n")
        return cls(checkout, folder)

    def environment(self) -> dict[str, str]:
        """Returns variables under which two runs of one command say the same."""
        own = {
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "NO_COLOR": "1",
            "COLUMNS": "300",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": "1",
        }
        return own | {name: value for name, value in os.environ.items() if name.startswith("LD_")}

    def run_all(self, tasks: list[Task], jobs: int) -> None:
        """Runs the tasks whose results are not there yet; each after those that it needs, which stand before it in the list."""
        versions = {task.id: task.version() for task in tasks}  # now, as the files that say it may change while tasks run
        with locked(self.folder), ThreadPoolExecutor(jobs) as pool:
            running: dict[str, Future[str]] = {}
            for task in tasks:
                running[task.id] = pool.submit(self._run, task, versions[task.id], [running[name] for name in task.needs])
            for number, (name, future) in enumerate(running.items(), start=1):
                future.result()
                if sys.stderr.isatty():
                    print(f"\r  {number}/{len(running)} {name:60}", end="", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            print("\r" + " " * 80 + "\r", end="", file=sys.stderr)

    def _run(self, task: Task, version: str, needed: list[Future[str]]) -> str:
        """Runs one task, unless that was done before; returns the key of its result."""
        key = hashlib.sha256("\n".join([version, *(future.result() for future in needed), *map(hash_tree, task.inputs)]).encode())
        mark = self.folder / "done" / f"{task.id}.json"
        if mark.exists() and json.loads(mark.read_text())["key"] == key.hexdigest():
            return key.hexdigest()
        mark.unlink(missing_ok=True)
        folder = self.folder / task.id
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "input").mkdir(parents=True)
        for path in task.inputs:
            _copy(path, folder / "input" / path.name)
        started = time.perf_counter()
        task.run(Shell(self, task.id))
        self.seconds[task.id] = time.perf_counter() - started
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"key": key.hexdigest(), "seconds": round(self.seconds[task.id], 1)}))
        return key.hexdigest()


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands of a checkout in its side's folder; what each prints and how it ends is kept in the task's folder.

    Paths are told relative to the side's folder, so that both sides are told the same.
    """

    side: Side
    at: str

    def path(self, name: str) -> Path:
        """Returns the place of a file of the task."""
        return self.side.folder / self.at / name

    def files(self, pattern: str) -> list[str]:
        """Returns files of the task, as commands are told them."""
        return sorted(str(path.relative_to(self.side.folder)) for path in self.path("").glob(pattern) if path.is_file())

    def __call__(self, label: str, command: str, *arguments: str | int, stdout: str = "txt") -> int:
        """Runs a command and returns how it ended.

        Args:
            label: names the files that keep what it printed.
            command: prep, train, evals, loop or python.
            arguments: the command's; `@name` is a file of the task.
            stdout: the ending of the file that keeps what it printed, which says how that is compared.
        """
        process = self.start(label, command, *arguments, stdout=stdout)
        watch = Timer(TIMEOUT, process.kill)
        watch.start()
        _, status, used = os.wait4(process.pid, 0)
        watch.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        self.side.processor[self.at.split("/")[0]] += used.ru_utime + used.ru_stime
        said = self.path(f"{label}.stderr.txt").read_text(encoding="utf-8", errors="replace")
        end = {"exit": process.returncode, "traceback": "Traceback (most recent call last)" in said}
        self.path(f"{label}.end.json").write_text(json.dumps(end))
        return process.returncode

    def start(self, label: str, command: str, *arguments: str | int, stdout: str = "txt") -> "subprocess.Popen[bytes]":
        """Starts a command as `__call__` does, and leaves it to the caller."""
        told = [f"{self.at}/{one[1:]}" if isinstance(one, str) and one.startswith("@") else str(one) for one in arguments]
        argv = [str(self.side.checkout / ".venv/bin" / command), *told]
        with self.path(f"{label}.stdout.{stdout}").open("wb") as out, self.path(f"{label}.stderr.txt").open("wb") as err:
            return subprocess.Popen(
                argv, cwd=self.side.folder, env=self.side.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.iterdir()):
            _copy(path, target / path.name)
    else:
        target.write_bytes(source.read_bytes())  # without the source's permissions, which may be read-only


def hash_tree(path: Path) -> str:
    """Returns the hash of a file, or of all files of a folder and their names."""
    digest = hashlib.sha256(path.name.encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
