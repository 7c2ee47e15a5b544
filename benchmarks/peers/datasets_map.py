"""The same files through `datasets.map` with the same Jinja templates.

python datasets_map.py RAW.jsonl OUT [NUM_PROC].
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

from datasets import load_dataset
from jinja2 import Environment, Template
from plain_loop import CHOICES, SPLITS, split_of


@cache
def templates() -> tuple[Template, ...]:
    """The compiled templates, made anew in each process: they cannot be pickled."""
    sources = (
        "You sort restaurant reviews. Answer with one word: positive or negative.",
        "{{ text | trim }}",
        "Review: {{ text | trim }}\nThe guest's opinion, positive or negative:",
        " {{ label }}",
    )
    environment = Environment(keep_trailing_newline=True)
    return tuple(environment.from_string(source) for source in sources)


def render(row: dict[str, Any]) -> dict[str, Any]:
    """One row with its messages and its prompt."""
    system, user, prompt, target = templates()
    return {
        "split": split_of(row["text"]),
        "messages": [
            {"role": "system", "content": system.render(row)},
            {"role": "user", "content": user.render(row)},
            {"role": "assistant", "content": row["label"]},
        ],
        "prompt": prompt.render(row),
        "choices": CHOICES,
        "label": CHOICES.index(row["label"]),
        "target": target.render(row),
    }


def main(raw: Path, out: Path, num_proc: int | None) -> None:
    """Writes chat and verbalizer lines a split, and one Parquet file."""
    rows = load_dataset("json", data_files=str(raw), split="train", cache_dir=str(out / "cache"))
    rendered = rows.map(render, remove_columns=["text", "stars", "label"], num_proc=num_proc)
    for output in ("chat", "verbalizer"):
        (out / output).mkdir(parents=True)
    for split in SPLITS:
        part = rendered.filter(lambda names, wanted=split: [name == wanted for name in names], batched=True, input_columns="split")
        part.select_columns(["messages"]).to_json(out / "chat" / f"{split}.jsonl", force_ascii=False)
        columns = ["id", "prompt", "choices", "label", "target"]
        part.select_columns(columns).to_json(out / "verbalizer" / f"{split}.jsonl", force_ascii=False)
    rendered.to_parquet(out / "examples.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
