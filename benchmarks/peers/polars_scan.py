"""A bare Polars scan, written by hand for this one template: one filtered sink a file, no row ids, no checks, no accounting.

python polars_scan.py RAW.jsonl OUT.
"""

import sys
from pathlib import Path

import polars as pl

SYSTEM = "You sort restaurant reviews. Answer with one word: positive or negative."
SPLITS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}


def message(role: str, content: pl.Expr) -> pl.Expr:
    """One message as a struct."""
    return pl.struct(role=pl.lit(role), content=content)


def main(raw: Path, out: Path) -> None:
    """Writes chat and verbalizer lines a split, and one Parquet file."""
    text = pl.col("text").str.strip_chars()
    rows = pl.scan_ndjson(raw, schema={"id": pl.String, "text": pl.String, "label": pl.String, "stars": pl.Int64})
    rendered = rows.select(
        "id",
        messages=pl.concat_list(message("system", pl.lit(SYSTEM)), message("user", text), message("assistant", pl.col("label"))),
        prompt=pl.concat_str(pl.lit("Review: "), text, pl.lit("\nThe guest's opinion, positive or negative:")),
        choices=pl.lit(["negative", "positive"], pl.List(pl.String)),
        label=pl.col("label").replace_strict(["negative", "positive"], [0, 1], return_dtype=pl.Int64),
        target=pl.concat_str(pl.lit(" "), pl.col("label")),
        tenth=pl.col("text").str.to_lowercase().hash() % 10,
    )
    sinks = [rendered.drop("tenth").sink_parquet(out / "examples.parquet", lazy=True)]
    for output, columns in (("chat", ["messages"]), ("verbalizer", ["id", "prompt", "choices", "label", "target"])):
        (out / output).mkdir(parents=True)
        for split, tenths in SPLITS.items():
            part = rendered.filter(pl.col("tenth").is_in(list(tenths))).select(columns)
            sinks.append(part.sink_ndjson(out / output / f"{split}.jsonl", lazy=True))
    pl.collect_all(sinks)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
