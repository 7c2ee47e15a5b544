"""Makes the arena: clean chat rows of three tasks with planted defects, and the key to them.

    python benchmarks/arena/make.py DATA_DIR OUT [--seed 1] [--layout system|english|user|bare] [--classes reviews|spam] [--yes-no]
        [--summaries tweetsumm|mts] [--json flat|scored|nested] [--references] [--raw]

Writes train.jsonl, test.jsonl and key.jsonl. The corpora are restaurant reviews (Kotzias et al. 2015) or SMS spam (Almeida et al. 2011),
TweetSumm (Feigenblat et al. 2021) or MTS-Dialog (Ben Abacha et al. 2023), and banking77 (Casanueva et al. 2020), laid out in DATA_DIR as
reviews/, spam/, calls/, medical/ and intents/.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import plant_answers  # noqa: F401  (each registers its kinds)
import plant_pairs  # noqa: F401
import plant_rows  # noqa: F401
import plant_texts  # noqa: F401
from cleaning import clean
from corpora import TASKS, Item, Sources, load
from planting import KINDS, Kind, Row, Workshop
from wording import Wording

NUM_PLANTED = 20
NUM_CLEAN = {"classes": 700, "summary": 550, "intent": 750}
NUM_SPARES = 60
TEST_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Arena:
    """The rows of both files, in the order that they are written in."""

    rows: list[Row]

    def of(self, split: str) -> list[Row]:
        """Returns the rows of `train` or `test`."""
        return [row for row in self.rows if row.split == split]


def make(folder: Path, sources: Sources, wording: Wording, seed: int, *, raw: bool = False) -> Arena:
    """Plants the defects in clean rows; equal arguments give equal rows."""
    chooser = random.Random(seed)
    loaded = load(folder, sources, chooser)
    pools = {task: clean(loaded[task], raw=raw) for task in TASKS}
    for pool in pools.values():
        chooser.shuffle(pool)
    spares = {task: [pool.pop() for _ in range(NUM_SPARES)] for task, pool in pools.items()}
    labels = {task: wording.labels(pools[task]) for task in TASKS}
    shop = Workshop(chooser, wording, spares, labels)
    # Those that only some rows of one task lend themselves to choose first.
    planted = [row for kind in sorted(KINDS.values(), key=lambda kind: len(kind.tasks)) for row in _plant(shop, kind, pools)]
    rows = [row for row in (planted_or_partner for one in planted for planted_or_partner in (one, one.partner)) if row is not None]
    for task, pool in pools.items():
        for item in pool[: NUM_CLEAN[task]]:
            rows.append(shop.row(item))
            rows[-1].split = "test" if chooser.random() < TEST_SHARE else "train"
    chooser.shuffle(rows)
    return Arena(rows)


def _plant(shop: Workshop, kind: Kind, pools: dict[str, list[Item]]) -> list[Row]:
    """Makes the rows of one kind, taking out of the pools the items that they are made of."""
    rows: list[Row] = []
    for task, count in kind.tasks.items():
        for _ in range(count):
            row = _next(shop, kind, pools[task], len(rows))
            if row is not None:
                rows.append(row)
    return rows


def _next(shop: Workshop, kind: Kind, pool: list[Item], number: int) -> Row | None:
    """Returns the next row of a kind, from the first item that lends itself to it."""
    for place in range(len(pool) - 1, -1, -1):
        row = kind.plant(shop, pool[place], number)
        if row is None:
            continue
        item = pool.pop(place)
        row.kind = kind.name
        if kind.how != "alone":
            row.partner = shop.row(item)
            row.partner.split = "test" if kind.how == "leak" else "train"
        elif kind.anywhere and shop.chooser.random() < TEST_SHARE:
            row.split = "test"
        return row
    return None


def write(arena: Arena, folder: Path) -> None:
    """Writes train.jsonl, test.jsonl and key.jsonl (file, line, kind, codes, task, note, related)."""
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[int, tuple[str, int]] = {}
    for split in ("train", "test"):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for line, row in enumerate(arena.of(split), 1):
                places[id(row)] = (f"{split}.jsonl", line)
                file.write(json.dumps({"messages": row.messages}, ensure_ascii=False) + "\n")
    with (folder / "key.jsonl").open("w", encoding="utf-8") as file:
        for row in sorted((row for row in arena.rows if row.kind), key=lambda row: (row.kind, places[id(row)])):
            assert row.kind is not None
            name, line = places[id(row)]
            entry = {"file": name, "line": line, "kind": row.kind, "codes": KINDS[row.kind].codes, "task": row.item.task, "note": row.note}
            if row.partner is not None:
                entry["related"] = dict(zip(("file", "line"), places[id(row.partner)], strict=True))
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layout", choices=["system", "english", "user", "bare"], default="system")
    parser.add_argument("--classes", choices=["reviews", "spam"], default="reviews")
    parser.add_argument("--yes-no", action="store_true", help="answer spam with yes or no")
    parser.add_argument("--summaries", choices=["tweetsumm", "mts"], default="tweetsumm")
    parser.add_argument("--json", choices=["flat", "scored", "nested"], default="flat")
    parser.add_argument("--references", action="store_true", help="an order number in each conversation and its summary")
    parser.add_argument("--raw", action="store_true", help="leave the corpora's own oddities among the clean rows")
    given = parser.parse_args()
    sources = Sources(given.classes, given.summaries, given.references)
    wording = Wording(given.layout, given.classes, given.yes_no, given.summaries, given.json)
    arena = make(given.data, sources, wording, given.seed, raw=given.raw)
    write(arena, given.out)
    counted = Counter(row.kind for row in arena.rows)
    print(f"{len(arena.of('train'))} training and {len(arena.of('test'))} test rows; planted:")
    for name in KINDS:
        print(f"  {counted[name]:3d} {name}")


if __name__ == "__main__":
    main()
