"""A dataset's files: JSON Lines an output and split, examples.parquet, dropped.jsonl."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from loopwright.files import PRIVATE_MODE
from prep.config import SPLIT_NAMES

DROPPED_SCHEMA = {"source": pl.String, "line": pl.Int64, "id": pl.String, "reason": pl.String, "detail": pl.String}
# Reasons that the config or a person asked for; with every other reason something is wrong with the row.
INTENDED_DROPS = frozenset({"duplicate", "near_duplicate", "near_eval", "fix_drop"})


@contextmanager
def os_errors() -> Iterator[None]:
    """Turns what Polars raises when a disk takes no more into the OSError that lies behind it."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        raise OSError(str(error)) from error


def output_lines(examples: pl.LazyFrame, output: str) -> pl.LazyFrame:
    """Returns the JSON line of each example that has the form of an output, as one column, `line`, beside `split`."""
    if output == "chat":
        # Where the template pairs a preference or a text with its messages, those are not a chat to train on.
        rows = examples.filter(pl.col("messages").is_not_null() & pl.col("chosen").is_null())
        value = pl.struct(messages=pl.col("messages"))
    elif output == "verbalizer":
        rows = examples.filter(pl.col("prompt").is_not_null())
        value = pl.struct("id", "prompt", "choices", "label", "target")
    elif output == "completion":
        rows = examples.filter(pl.col("text").is_not_null())
        value = pl.struct("text")
    else:
        rows = examples.filter(pl.col("chosen").is_not_null())
        value = pl.struct(
            input=pl.struct(messages=pl.col("messages")), preferred_output=pl.col("chosen"), non_preferred_output=pl.col("rejected")
        )
    return rows.select("split", line=value.struct.json_encode())


def write_outputs(examples: pl.DataFrame, outputs: list[str], folder: Path) -> list[str]:
    """Writes `<output>/<split>.jsonl` for each output and split, an empty split as an empty file.

    Returns:
        The files that hold at least one row, relative to the folder.
    """
    filled = []
    for output in outputs:
        (folder / output).mkdir()
        lines = output_lines(examples.lazy(), output).collect()
        for split in SPLIT_NAMES:
            part = lines.filter(pl.col("split") == split).select("line")
            path = folder / output / f"{split}.jsonl"
            # One column of JSON written without quotes is the file as it should be.
            part.write_csv(path, quote_style="never", include_header=False)
            if part.height:
                filled.append(f"{output}/{split}.jsonl")
    return filled


def write_dropped(dropped: pl.DataFrame, path: Path) -> None:
    """Writes every raw row that is not in the dataset: source, line, id, reason, detail. The details quote the corpus: mode 0600."""
    dropped.sort("source", "line", maintain_order=True).write_ndjson(path)
    path.chmod(PRIVATE_MODE)
