"""Near-duplicate pairs: the shared index against brute force and against datasketch, in one run; and how it grows.

    pip install datasketch
    python benchmarks/duplicates.py [--data FILE ...] [--rows 20000] [--threshold 0.7] [--growth 100000,1000000]

Rows are texts of the given CSV, TSV, JSON and JSON Lines files (generated reviews without any), a tenth of them with a planted copy in
which words are changed, added, left out or swapped. Brute force compares the word pairs of all rows with all; it shares no code with the
index but what a word is. Each tool is timed from the texts to pairs that it has proven.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from build import write_reviews
from scipy.sparse import csr_matrix

from prep.lint.detectors.near_pairs import near_pairs
from prep.text.near_index import NearIndex
from prep.text.shingles import jaccard, shingles
from prep.text.words import words

Pairs = set[tuple[int, int]]


def read_texts(paths: list[Path]) -> list[str]:
    """Returns the strings of some files that have three words at least, each once."""
    texts: dict[str, None] = {}
    for path in paths:
        if path.suffix in {".csv", ".tsv"}:
            separator = "\t" if path.suffix == ".tsv" else ","
            frame = pl.read_csv(path, separator=separator, infer_schema=False, quote_char=None if separator == "\t" else '"')
            values: Iterable[object] = (value for column in frame for value in column)
        else:
            lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else []
            rows = [json.loads(line) for line in lines] or json.loads(path.read_text(encoding="utf-8"))
            values = (value for row in rows for value in row.values())
        texts.update(dict.fromkeys(value for value in values if isinstance(value, str) and len(value.split()) >= 3))
    return list(texts)


def plant(texts: list[str], num_rows: int) -> list[str]:
    """Returns so many rows in random order: texts, and for one in ten a copy in which one to three words are otherwise."""
    chooser = random.Random(17)
    num_planted = num_rows // 10
    rows = chooser.sample(texts, min(num_rows - num_planted, len(texts)))
    vocabulary = sorted({word for row in rows[:2000] for word in row.split()})
    for text in chooser.sample(rows, min(num_planted, len(rows))):
        changed = text.split()
        for _ in range(chooser.randint(1, 3)):
            place = chooser.randrange(len(changed))
            kind = chooser.choice(["change", "add", "drop", "swap", "mark"])
            if kind == "change":
                changed[place] = chooser.choice(vocabulary)
            elif kind == "add":
                changed.insert(place, chooser.choice(vocabulary))
            elif kind == "drop" and len(changed) > 1:
                del changed[place]
            elif kind == "swap" and place:
                changed[place - 1], changed[place] = changed[place], changed[place - 1]
            else:
                changed[place] += "!"
        rows.append(" ".join(changed))
    chooser.shuffle(rows)
    return rows


def brute_force(rows: list[str], threshold: float) -> Pairs:
    """Compares all rows with all: those with the given Jaccard of word pairs."""
    columns: dict[str, int] = {}
    places = [(row, columns.setdefault(pair, len(columns))) for row, text in enumerate(rows) for pair in shingles(text) if pair]
    matrix = csr_matrix((np.ones(len(places), np.float32), tuple(zip(*places, strict=True))), shape=(len(rows), len(columns)))
    sizes = np.asarray(matrix.sum(axis=1)).ravel()
    found: Pairs = set()
    for start in range(0, len(rows), 500):
        shared = (matrix[start : start + 500] @ matrix.T).tocoo()
        near = shared.data / (sizes[start + shared.row] + sizes[shared.col] - shared.data) >= threshold
        one, other = start + shared.row[near], shared.col[near]
        found.update(zip(one[one < other].tolist(), other[one < other].tolist(), strict=True))
    return found


def one_word_apart(rows: list[str]) -> Pairs:
    """Returns the rows of five words and sixteen characters or more that are the same but for one word of each."""
    without: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for row, text in enumerate(rows):
        found = tuple(words(text))
        if len(text) >= 16 and 5 <= len(found) <= 20:
            for place in range(len(found) + 1):
                without[found[:place] + found[place + 1 :]].add(row)
    return {pair for same in without.values() for pair in combinations(sorted(same), 2)}


def index_pairs(rows: list[str], threshold: float, *, one_word: bool) -> Pairs:
    """The index that lint and build share."""
    with tempfile.TemporaryDirectory() as folder:
        index = NearIndex(Path(folder), threshold, one_word=one_word)
        index.add(pl.Series(rows))
        return set(index.pairs().select("a", "b").iter_rows())


def datasketch_pairs(rows: list[str], threshold: float, weights: tuple[float, float]) -> Pairs:
    """MinHash of 128 permutations and LSH, each candidate then proven as the index proves it."""
    from datasketch import MinHash, MinHashLSH

    sets = [shingles(row) for row in rows]
    hashes = list(MinHash.generator([[pair.encode() for pair in one] for one in sets], num_perm=128))
    index = MinHashLSH(threshold=threshold, num_perm=128, weights=weights)
    found: Pairs = set()
    for row, hashed in enumerate(hashes):
        found.update((other, row) for other in index.query(hashed) if jaccard(sets[row], sets[other]) >= threshold)
        index.insert(row, hashed)
    return found


def compare(rows: list[str], threshold: float) -> None:
    """Prints recall, precision and time of each tool."""
    # Of rows with the same word pairs the first stands for the others, here as there.
    firsts: dict[frozenset[str], int] = {}
    first = [firsts.setdefault(shingles(row), place) for place, row in enumerate(rows)]

    def standing(pairs: Pairs) -> Pairs:
        mapped = ((first[a], first[b]) for a, b in pairs)
        return {(min(pair), max(pair)) for pair in mapped if pair[0] != pair[1]}

    started = time.perf_counter()
    near = standing(brute_force(rows, threshold))
    either = near | standing(one_word_apart(rows))
    print(f"{len(rows):,} rows; brute force: {len(near):,} pairs at {threshold}, {len(either):,} with those one word apart")
    print(f"({time.perf_counter() - started:.1f} s)")
    tools = {
        "index": (near, lambda: index_pairs(rows, threshold, one_word=False)),
        "index, with one word apart": (either, lambda: index_pairs(rows, threshold, one_word=True)),
        f"datasketch {version('datasketch')}": (near, lambda: datasketch_pairs(rows, threshold, (0.5, 0.5))),
        f"datasketch {version('datasketch')}, for recall": (near, lambda: datasketch_pairs(rows, threshold, (0.1, 0.9))),
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    busy: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, (expected, run) in tools.items():
            started, busy_before = time.perf_counter(), time.process_time()
            pairs = run()
            seconds[name].append(time.perf_counter() - started)
            busy[name].append(time.process_time() - busy_before)
            if len(seconds[name]) == 1:
                found = standing(pairs)
                recall, precision = len(found & expected) / len(expected), len(found & expected) / max(len(found), 1)
                print(f"{name}: recall {recall:.4f}, precision {precision:.4f}")
    for name in tools:
        wall, processor = median(seconds[name]), median(busy[name])
        print(f"{name}: {wall:.2f} s, {wall / median(seconds['index']):.1f} times the index; ", end="")
        print(f"{processor:.2f} s of processor time, {processor / median(busy['index']):.1f} times")


def grow(num_rows: int) -> None:
    """Prints time and peak memory of the pairs of generated reviews, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reviews(folder / "reviews.jsonl", num_rows)
        rows = pl.scan_ndjson(folder / "reviews.jsonl").select(
            template=pl.lit(""), form=pl.lit("chat"), input_body="text", answer=pl.lit("")
        )
        rows.with_row_index("position").sink_parquet(folder / "frame.parquet")
        subprocess.run([sys.executable, __file__, "--measure", name], check=True)


def measure(folder: Path) -> None:
    """Prints what `grow` measures."""
    started = time.perf_counter()
    frame = pl.scan_parquet(folder / "frame.parquet")
    pairs = near_pairs(frame, folder, threshold=0.7).select(pl.len()).collect().item()
    num_rows = frame.select(pl.len()).collect().item()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    seconds = f"{time.perf_counter() - started:.1f} s ({time.process_time():.1f} s of processor time)"
    print(f"{num_rows:,} reviews: {seconds}, {memory:,.0f} MB at most, {pairs:,} pairs")


def main() -> None:
    """Reads the arguments and runs what they ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--growth", default="100000")
    parser.add_argument("--measure", type=Path)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    if options.rows:
        texts = read_texts(options.data)
        if not texts:
            with tempfile.TemporaryDirectory() as name:
                write_reviews(Path(name) / "reviews.jsonl", options.rows)
                texts = read_texts([Path(name) / "reviews.jsonl"])
        compare(plant(texts, options.rows), options.threshold)
    for num_rows in filter(None, options.growth.split(",")):
        grow(int(num_rows))


if __name__ == "__main__":
    main()
