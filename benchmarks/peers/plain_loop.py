"""What one would write by hand: json, Jinja, json, a row at a time.

python plain_loop.py RAW.jsonl OUT.
"""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import xxhash
from jinja2 import Environment

SPLITS = ("train", "validation", "test")
CHOICES = ["negative", "positive"]
PARQUET_BATCH = 50_000


def split_of(text: str) -> str:
    """The same division as the build's, so that the files can be compared byte by byte."""
    share = xxhash.xxh3_64_intdigest(" ".join(text.lower().split()).encode(), 34) / 2**64
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def dump(value: Any) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def main(raw: Path, out: Path) -> None:
    """Writes chat and verbalizer lines a split, and one Parquet file."""
    environment = Environment(keep_trailing_newline=True)
    system = environment.from_string("You sort restaurant reviews. Answer with one word: positive or negative.")
    user = environment.from_string("{{ text | trim }}")
    prompt = environment.from_string("Review: {{ text | trim }}\nThe guest's opinion, positive or negative:")
    target = environment.from_string(" {{ label }}")
    files = {}
    for output in ("chat", "verbalizer"):
        (out / output).mkdir(parents=True)
        files |= {(output, split): (out / output / f"{split}.jsonl").open("w", encoding="utf-8") for split in SPLITS}
    kept: list[dict[str, Any]] = []
    frames: list[pl.DataFrame] = []
    with raw.open(encoding="utf-8") as rows:
        for line in rows:
            row = json.loads(line)
            split = split_of(row["text"])
            messages = [
                {"role": "system", "content": system.render(row)},
                {"role": "user", "content": user.render(row)},
                {"role": "assistant", "content": row["label"]},
            ]
            rendered = {
                "id": row["id"],
                "prompt": prompt.render(row),
                "choices": CHOICES,
                "label": CHOICES.index(row["label"]),
                "target": target.render(row),
            }
            files["chat", split].write(dump({"messages": messages}))
            files["verbalizer", split].write(dump(rendered))
            kept.append({"split": split, "messages": messages, **rendered})
            if len(kept) == PARQUET_BATCH:
                frames.append(pl.DataFrame(kept))
                kept = []
    pl.concat([*frames, *([pl.DataFrame(kept)] if kept else [])]).write_parquet(out / "examples.parquet")
    for file in files.values():
        file.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
