"""How `prep lint` grows: generated short reviews through all default rules, time and memory.

    python benchmarks/lint.py [--growth 100000,1000000]

The rows are chats about three sentences each, drawn from the sample reviews. Memory is the anonymous memory of the process, sampled: what
is mapped from files can be given back at any time.
"""

import argparse
import csv
import json
import random
import re
import sys
import tempfile
from pathlib import Path

from build import measure

_REVIEWS = Path(__file__).parents[1] / "sample_data" / "reviews" / "reviews.tsv"
_WORDS = {"0": "negative", "1": "positive"}
_SYSTEM = {"role": "system", "content": "You sort restaurant reviews. Answer with one word: positive or negative."}


def read_sentences() -> list[tuple[str, str]]:
    """Returns the sentences of the sample reviews, each with its review's label."""
    with _REVIEWS.open(encoding="utf-8", errors="ignore", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["liked"] in _WORDS and row["review"]]
    split = ((sentence, _WORDS[row["liked"]]) for row in rows for sentence in re.split(r"(?<=[.!?])\s+", row["review"]))
    return [(sentence, label) for sentence, label in split if len(sentence.split()) > 3]


def write_chats(path: Path, num_rows: int) -> None:
    """Writes a training file of chats, each about three sentences of reviews of one label."""
    chooser = random.Random(17)
    by_label: dict[str, list[str]] = {}
    for sentence, label in read_sentences():
        by_label.setdefault(label, []).append(sentence)
    with path.open("w", encoding="utf-8") as out:
        for _ in range(num_rows):
            label = chooser.choice(sorted(by_label))
            text = " ".join(chooser.sample(by_label[label], 3))
            turns = [_SYSTEM, {"role": "user", "content": text}, {"role": "assistant", "content": label}]
            out.write(json.dumps({"messages": turns}) + "\n")


def main() -> None:
    """Prints a line a size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--growth", default="100000,1000000", help="row counts, separated by commas")
    sizes = [int(size) for size in parser.parse_args().growth.split(",")]
    print(f"{'rows':>12}{'seconds':>10}{'rows/s':>10}{'anonymous MB':>14}")
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            path = Path(name) / f"{size}.jsonl"
            write_chats(path, size)
            command = [str(Path(sys.executable).with_name("prep")), "lint", str(path), "--statistics", "--no-cache", "--fail-on", "never"]
            measured = measure(command)
            print(f"{size:>12,}{measured.seconds:>10.1f}{size / measured.seconds:>10,.0f}{measured.memory / 1e6:>14,.0f}", flush=True)


if __name__ == "__main__":
    main()
