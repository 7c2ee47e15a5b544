"""`prep build` against a plain Python loop (json + Jinja + json) that writes the same chat and verbalizer lines, in one run.

    python benchmarks/build.py [--rows 100000] [--runs 3]

Prints the medians of both and their ratio, after proof that the lines are the same bytes.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
name: bench
sources:
  - path: reviews.jsonl
    key: id
templates:
  - name: reviews/sentiment
split: {train: 1, validation: 0, test: 0}
"""

_WORDS = "the soup was cold but our waiter smiled and brought fresh bread while music played softly near a window table".split()  # noqa: SIM905


def write_reviews(path: Path, num_rows: int) -> None:
    """Writes short random reviews, about 230 bytes a line."""
    chooser = random.Random(17)
    with path.open("w", encoding="utf-8") as file:
        for number in range(num_rows):
            text = " ".join(chooser.choices(_WORDS, k=chooser.randint(15, 45)))
            row = {"id": f"r{number}", "text": text, "label": chooser.choice(["negative", "positive"]), "stars": chooser.randint(1, 5)}
            file.write(json.dumps(row) + "\n")


PLAIN_LOOP = """
import json, sys
from pathlib import Path
from jinja2 import Environment
raw, out = Path(sys.argv[1]), Path(sys.argv[2])
environment = Environment(keep_trailing_newline=True)
system = environment.from_string("You sort restaurant reviews. Answer with one word: positive or negative.")
user = environment.from_string("{{ text | trim }}")
prompt = environment.from_string("Review: {{ text | trim }}\\nThe guest's opinion, positive or negative:")
target = environment.from_string(" {{ label }}")
choices = ["negative", "positive"]
dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\\n"
with raw.open(encoding="utf-8") as rows, (out / "chat.jsonl").open("w") as chat, (out / "verbalizer.jsonl").open("w") as verbalizer:
    for line in rows:
        row = json.loads(line)
        messages = [
            {"role": "system", "content": system.render(row)},
            {"role": "user", "content": user.render(row)},
            {"role": "assistant", "content": row["label"]},
        ]
        chat.write(dump({"messages": messages}))
        label = choices.index(row["label"])
        verbalizer.write(dump({"prompt": prompt.render(row), "choices": choices, "label": label, "target": target.render(row)}))
"""


def seconds(command: list[str]) -> float:
    """Returns the wall time of a whole process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def same_lines(plain: Path, built: Path) -> bool:
    """Says whether both wrote the same chat bytes, and the same verbalizer lines but for the id that only ours have."""
    if (plain / "chat.jsonl").read_bytes() != (built / "chat" / "train.jsonl").read_bytes():
        return False
    with (plain / "verbalizer.jsonl").open() as theirs, (built / "verbalizer" / "train.jsonl").open() as ours:
        return all({**json.loads(b), "id": None} == {**json.loads(a), "id": None} for a, b in zip(theirs, ours, strict=True))


def main() -> None:
    """Runs both in turn and prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reviews(folder / "reviews.jsonl", arguments.rows)
        (folder / "bench.yaml").write_text(CONFIG, encoding="utf-8")
        times: dict[str, list[float]] = {"plain loop": [], "prep build": []}
        for run in range(arguments.runs):
            times["plain loop"].append(seconds([sys.executable, "-c", PLAIN_LOOP, str(folder / "reviews.jsonl"), str(folder)]))
            out = folder / f"out{run}"
            prep = Path(sys.executable).with_name("prep")
            times["prep build"].append(seconds([str(prep), "build", str(folder / "bench.yaml"), "--out", str(out)]))
            if not same_lines(folder, out):
                sys.exit("the two wrote different lines")
        medians = {name: statistics.median(values) for name, values in times.items()}
        for tool, median in medians.items():
            print(f"{tool:<12} {median:7.2f} s  {arguments.rows / median:10,.0f} rows/s")
        print(f"prep build is {medians['plain loop'] / medians['prep build']:.2f} times the plain loop ({arguments.rows:,} rows)")


if __name__ == "__main__":
    main()
