"""The reader of records in two checkouts, in turns: is the newer one as fast?

    python benchmarks/reader.py OLD NEW [--data FILE] [--rows 300000] [--runs 5] [--allow 0.05]

OLD and NEW are folders of the project, each with its `.venv`. Timed are `prep build` (which reads with the fast path and with the shapes)
and `prep lint --select FMT001` (which hardly does more than read), over FILE and over generated files: flat reviews, which a build reads by
columns; chats, which lint does; and chats with keys that nobody reads, which go one by one everywhere. Printed are the medians and their
ratio; the exit code is 1 where a ratio is above 1 + ALLOW.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WORDS = "the soup was cold but our waiter smiled and brought fresh bread while music played softly near a window table".split()  # noqa: SIM905
_HEAD = "---\nname: mine/{}\ninputs: {{{}}}\nmetrics: [rouge1]\n---\n"
_TURNS = "{% for turn in turns %}{% message turn.role %}{{ turn.text }}{% endmessage %}{% endfor %}\n"
_CHAT = _HEAD.format("chat", "turns: turns") + _TURNS
_TEXT = _HEAD.format("text", "text: str") + "{% text %}{{ text }}{% endtext %}\n"


@dataclass(frozen=True)
class Case:
    """What is timed: a command over a file.

    Attributes:
        name: for the table.
        command: `prep` and its arguments, run in the file's folder.
    """

    name: str
    command: list[str]


def review(chooser: random.Random, number: int) -> dict[str, Any]:
    """Returns a flat record of about 230 bytes."""
    text = " ".join(chooser.choices(_WORDS, k=chooser.randint(15, 45)))
    return {"id": f"r{number}", "text": text, "label": chooser.choice(["negative", "positive"]), "stars": chooser.randint(1, 5)}


def chat(chooser: random.Random, number: int) -> dict[str, Any]:
    """Returns a chat of two to six messages."""
    texts = (" ".join(chooser.choices(_WORDS, k=chooser.randint(5, 30))) for _ in range(2 * chooser.randint(1, 3)))
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    messages[0]["content"] += f" Table {number}?"
    return {"messages": messages}


def noted(chooser: random.Random, number: int) -> dict[str, Any]:
    """Returns a chat with a weight, parts and keys that nobody reads."""
    made = chat(chooser, number)
    first, last = made["messages"][0], made["messages"][-1]
    first["content"] = [{"type": "text", "text": first["content"]}]
    last |= {"weight": 1, "annotator": "north"}
    return {**made, "id": number}


def write(path: Path, num_rows: int, record: Callable[[random.Random, int], dict[str, Any]]) -> None:
    """Writes records as JSON Lines."""
    chooser = random.Random(17)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record(chooser, number)) + "\n" for number in range(num_rows))


def prepare(folder: Path, data: Path | None, num_rows: int) -> Iterator[Case]:
    """Writes the files and configs; yields what is timed."""
    (folder / "chat.jinja").write_text(_CHAT, encoding="utf-8")
    (folder / "text.jinja").write_text(_TEXT, encoding="utf-8")
    for name, record, template in (("reviews", review, "text"), ("chats", chat, "chat"), ("noted", noted, "chat")):
        write(folder / f"{name}.jsonl", num_rows, record)
        yield from cases(folder, f"{name}.jsonl", template)
    if data is not None:
        shutil.copy(data, folder / data.name)
        first = json.loads(data.read_text(encoding="utf-8").partition("\n")[0])
        yield from cases(folder, data.name, "text" if "text" in first and "parent_id" not in first else "chat")


def cases(folder: Path, name: str, template: str) -> Iterator[Case]:
    """Yields the build and the lint of one file."""
    source = "jsonl" if template == "text" else "auto"
    config = f"name: bench\nsources:\n  - {{path: {name}, format: {source}}}\ntemplates:\n  - path: {template}.jinja\n"
    (folder / f"{name}.yaml").write_text(config, encoding="utf-8")
    yield Case(f"build {name}", ["prep", "build", f"{name}.yaml", "--out", "out"])
    yield Case(f"lint {name}", ["prep", "lint", name, "--select", "FMT001"])


def seconds(case: Case, checkout: Path, folder: Path) -> float:
    """Returns how long one run takes."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    command = [str(checkout / ".venv/bin" / case.command[0]), *case.command[1:]]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    )
    elapsed = time.perf_counter() - started
    if done.returncode not in {0, 1}:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip().splitlines()[-1]}")
    return elapsed


def main() -> int:
    """Times both checkouts in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--data", type=Path, help="a JSON Lines file of reviews, chats or message trees")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--allow", type=float, default=0.05)
    arguments = parser.parse_args()
    is_slower = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print(f"{'':40} {'old s':>8} {'new s':>8} {'ratio':>7}")
        for case in list(prepare(folder, arguments.data, arguments.rows)):
            taken: dict[Path, list[float]] = {arguments.old.resolve(): [], arguments.new.resolve(): []}
            for _ in range(arguments.runs):
                for checkout, times in taken.items():
                    times.append(seconds(case, checkout, folder))
            old, new = (statistics.median(times) for times in taken.values())
            is_slower |= new > old * (1 + arguments.allow)
            print(f"{case.name:40} {old:8.2f} {new:8.2f} {new / old:7.3f}", flush=True)
    return int(is_slower)


if __name__ == "__main__":
    sys.exit(main())
