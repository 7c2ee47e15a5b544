"""`prep build` against what people would use instead, on generated short reviews, in one run; and how it grows.

    python benchmarks/build.py [--rows 1000000] [--runs 3] [--growth 100000,1000000,4000000] [--skip datasets.map]

Raw JSON Lines become chat and verbalizer lines a split and one Parquet file. The tools take turns; printed are the medians, their ratios
to `prep build`, and the most anonymous memory of each. Before that it is proven that the plain loop and the build wrote the same bytes.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CONFIG = """
name: bench
sources:
  - path: reviews.jsonl
    key: id
templates:
  - {template}
"""
# As reviews/sentiment, but for a construct that is not compiled: so that every row goes through Jinja.
FALLBACK = "{% if (text | wordcount) < 0 %}.{% endif %}"
_WORDS = "the soup was cold but our waiter smiled and brought fresh bread while music played softly near a window table".split()  # noqa: SIM905


@dataclass(frozen=True)
class Measured:
    """One run of one tool: seconds, and the most anonymous memory of it and its children, in bytes."""

    seconds: float
    memory: int


def write_reviews(path: Path, num_rows: int) -> None:
    """Writes short random reviews, about 230 bytes a line."""
    chooser = random.Random(17)
    with path.open("w", encoding="utf-8") as file:
        for number in range(num_rows):
            text = " ".join(chooser.choices(_WORDS, k=chooser.randint(15, 45)))
            row = {"id": f"r{number}", "text": text, "label": chooser.choice(["negative", "positive"]), "stars": chooser.randint(1, 5)}
            file.write(json.dumps(row) + "\n")


def anonymous_bytes(root: int) -> int:
    """Returns RssAnon of a process and its children."""
    children: dict[int, list[int]] = defaultdict(list)
    memory: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:  # it has ended meanwhile
            continue
        children[int(fields["PPid"])].append(int(fields["Pid"]))
        memory[int(fields["Pid"])] = int(fields.get("RssAnon", "0 kB").split()[0]) * 1024
    pending, total = [root], 0
    while pending:
        process = pending.pop()
        total += memory.get(process, 0)
        pending += children[process]
    return total


def measure(command: list[str]) -> Measured:
    """Runs a command and watches it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, anonymous_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode()[-2000:]}")
    return Measured(seconds, most)


def prep_build(folder: Path, config: str, out: Path) -> list[str]:
    """Returns the command of a build."""
    return [str(Path(sys.executable).with_name("prep")), "build", str(folder / config), "--out", str(out)]


def check_same(plain: Path, built: Path) -> None:
    """Ends the program unless both wrote the same chat bytes, and the same verbalizer lines but for the id."""
    for split in ("train", "validation", "test"):
        if (plain / "chat" / f"{split}.jsonl").read_bytes() != (built / "chat" / f"{split}.jsonl").read_bytes():
            sys.exit(f"the plain loop and the build wrote different chat lines ({split})")
        with (plain / "verbalizer" / f"{split}.jsonl").open() as theirs, (built / "verbalizer" / f"{split}.jsonl").open() as ours:
            if any({**json.loads(a), "id": None} != {**json.loads(b), "id": None} for a, b in zip(theirs, ours, strict=True)):
                sys.exit(f"the plain loop and the build wrote different verbalizer lines ({split})")


def write_configs(folder: Path) -> None:
    """Writes the config of the compiled template, and that of one that is not."""
    from templates.library import library_template

    (folder / "bench.yaml").write_text(CONFIG.format(template="name: reviews/sentiment"), encoding="utf-8")
    source = library_template("reviews/sentiment").source
    (folder / "fallback.jinja").write_text(source.replace("{{ text | trim }}", "{{ text | trim }}" + FALLBACK), encoding="utf-8")
    (folder / "fallback.yaml").write_text(CONFIG.format(template="path: fallback.jinja"), encoding="utf-8")


def compare(folder: Path, num_rows: int, num_runs: int, skip: set[str]) -> None:
    """Runs all tools in turn and prints the table."""
    raw = str(folder / "reviews.jsonl")
    write_reviews(folder / "reviews.jsonl", num_rows)
    write_configs(folder)
    out = folder / "out"
    tools = {
        "prep build": prep_build(folder, "bench.yaml", out),
        "prep build, Jinja fallback": prep_build(folder, "fallback.yaml", out),
        "plain loop": [sys.executable, str(PEERS / "plain_loop.py"), raw, str(out)],
        "datasets.map": [sys.executable, str(PEERS / "datasets_map.py"), raw, str(out)],
        "datasets.map, 2 processes": [sys.executable, str(PEERS / "datasets_map.py"), raw, str(out), "2"],
        "bare Polars scan": [sys.executable, str(PEERS / "polars_scan.py"), raw, str(out)],
    }
    seen: dict[str, list[Measured]] = defaultdict(list)
    for run in range(num_runs):
        for tool, command in tools.items():
            if tool in skip:
                continue
            shutil.rmtree(out, ignore_errors=True)
            seen[tool].append(measure(command))
            print(f"  run {run + 1}: {tool}: {seen[tool][-1].seconds:.1f} s", file=sys.stderr)
            if run == 0 and tool in {"prep build", "plain loop", "prep build, Jinja fallback"}:
                out.rename(folder / tool)
        if run == 0 and "plain loop" in seen:
            check_same(folder / "plain loop", folder / "prep build")
            check_same(folder / "plain loop", folder / "prep build, Jinja fallback")
    ours = statistics.median(one.seconds for one in seen["prep build"])
    print(f"\n{num_rows:,} rows, {Path(raw).stat().st_size / 1e6:.0f} MB, {num_runs} runs, medians\n")
    print("| tool | seconds | rows/s | time of `prep build` | anonymous memory |\n|---|---|---|---|---|")
    for tool, runs in seen.items():
        seconds = statistics.median(one.seconds for one in runs)
        memory = max(one.memory for one in runs) / 1e6
        print(f"| {tool} | {seconds:.1f} | {num_rows / seconds:,.0f} | x {seconds / ours:.2f} | {memory:,.0f} MB |")


def grow(folder: Path, sizes: list[int]) -> None:
    """Builds ever more rows and prints time and memory."""
    write_configs(folder)
    print("\n| rows | seconds | rows/s | anonymous memory |\n|---|---|---|---|")
    for num_rows in sizes:
        write_reviews(folder / "reviews.jsonl", num_rows)
        out = folder / "grown"
        measured = measure(prep_build(folder, "bench.yaml", out))
        print(
            f"| {num_rows:,} | {measured.seconds:.1f} | {num_rows / measured.seconds:,.0f} | {measured.memory / 1e6:,.0f} MB |", flush=True
        )
        shutil.rmtree(out)


def main() -> None:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", default="", help="row counts, separated by commas; no comparison then")
    parser.add_argument("--skip", action="append", default=[], help="a tool to leave out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.growth:
            grow(Path(name), [int(size) for size in arguments.growth.split(",")])
        else:
            compare(Path(name), arguments.rows, arguments.runs, set(arguments.skip))


if __name__ == "__main__":
    main()
