"""A dataset's files: JSON Lines an output and split, examples.parquet, dropped.jsonl."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import polars as pl

from loopwright.files import PRIVATE_MODE
from prep.build.background import Sink
from prep.build.render import line_column
from prep.dataset.manifest import has_form
from prep.dataset.messages import messages_of
from prep.dataset.schema import EXAMPLE_SCHEMA
from prep.dataset.splits import SPLIT_NAMES
from templates.form import Form

DROPPED_SCHEMA = {"source": pl.String, "line": pl.Int64, "id": pl.String, "reason": pl.String, "detail": pl.String}
# Reasons that the config or a person asked for; with every other reason something is wrong with the row.
INTENDED_DROPS = frozenset({"duplicate", "near_duplicate", "near_eval", "fix_drop", "no_example", "resampled", "mixture"})
# Twice the size of zstd, for half of the time; writing this file is the largest part of a build.
_COMPRESSION: Final = "snappy"
_LINE_SCHEMA = pl.Schema({"line": pl.String()})


class DatasetWriter:
    """Writes examples as they come: `examples.parquet`, and `<output>/<split>.jsonl` for each output and split.

    A split without a row is an empty file.

    Args:
        folder: an empty folder.
        outputs: the outputs to write.
    """

    def __init__(self, folder: Path, outputs: list[Form]) -> None:
        self._outputs = outputs
        self._stack = ExitStack()
        self.splits: dict[str, int] = dict.fromkeys(SPLIT_NAMES, 0)
        self.filled: set[str] = set()
        self._examples = Sink(EXAMPLE_SCHEMA, lambda rows: rows.sink_parquet(folder / "examples.parquet", compression=_COMPRESSION))
        self._lines: dict[tuple[Form, str], Sink] = {}
        for output in outputs:
            (folder / output).mkdir()
            for split in SPLIT_NAMES:
                self._lines[output, split] = Sink(_LINE_SCHEMA, _lines_to(folder / output / f"{split}.jsonl"))

    def __enter__(self) -> Self:
        for sink in (self._examples, *self._lines.values()):
            self._stack.enter_context(sink)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, examples: pl.DataFrame) -> None:
        """Writes the next examples: `EXAMPLE_SCHEMA` but for their position, which is given here; their lines may stand beside them.

        Raises:
            OSError: a file could not be written.
        """
        first = pl.col("split").replace_strict(self.splits, return_dtype=pl.Int64)
        place = pl.int_range(pl.len(), dtype=pl.Int64).over("split")
        placed = examples.with_columns(position=first + place).select(EXAMPLE_SCHEMA.names())
        self._examples.put(placed)
        for output in self._outputs:
            lines = output_lines(examples, output)
            for split in SPLIT_NAMES:
                part = lines.filter(pl.col("split") == split).select("line")
                if part.height:
                    self._lines[output, split].put(part)
                    self.filled.add(f"{output}/{split}.jsonl")
        for split, count in examples["split"].value_counts().iter_rows():
            self.splits[split] += count


def _lines_to(path: Path) -> Any:
    # One column of JSON written without quotes is the file as it should be.
    return lambda rows: rows.sink_csv(path, quote_style="never", include_header=False)


def output_lines(examples: pl.DataFrame, output: Form) -> pl.DataFrame:
    """Returns the JSON line of each example that has the form of an output, as one column, `line`, beside `split`.

    Lines that the compiled template gave (`line_column`) are taken as they are.
    """
    rows = examples.filter(has_form(output))
    given = line_column(output)
    if given not in rows.columns:
        return _encode_lines(rows, output)
    if not rows[given].null_count():
        return rows.select("split", line=given)
    numbered = rows.with_row_index("order")
    rest = numbered.filter(pl.col(given).is_null())
    encoded = pl.concat([rest.select("order"), _encode_lines(rest, output)], how="horizontal")
    both = [numbered.filter(pl.col(given).is_not_null()).select("order", "split", line=given), encoded]
    return pl.concat(both).sort("order").drop("order")


def _encode_lines(rows: pl.DataFrame, output: Form) -> pl.DataFrame:
    if output is Form.CHAT:
        line = pl.struct("messages").struct.json_encode()
        if rows["extras"].null_count() < rows.height:
            line = pl.when(pl.col("extras").is_null()).then(line).otherwise(_chat_line())
    elif output is Form.VERBALIZER:
        parts = ("id", "prompt", "choices", "label", "target")
        line = pl.struct(parts).struct.json_encode()
        if rows["mask"].null_count() < rows.height:
            line = pl.when(pl.col("mask").is_null()).then(line).otherwise(pl.struct(*parts, "mask").struct.json_encode())
    elif output is Form.COMPLETION:
        line = pl.struct("text").struct.json_encode()
    elif output is Form.UNPAIRED:
        line = pl.struct("messages", "extras", "wanted").map_batches(_unpaired_lines, return_dtype=pl.String)
    else:
        line = pl.struct(
            input=pl.struct(messages=pl.col("messages")), preferred_output=pl.col("chosen"), non_preferred_output=pl.col("rejected")
        ).struct.json_encode()
    return rows.select("split", line=line)


def _chat_line() -> pl.Expr:
    """Returns the JSON line of a chat whose messages have more than role and content: calls of tools, names, weights."""

    def merge(rows: pl.Series) -> pl.Series:
        return pl.Series(rows.name, [None if row["extras"] is None else merged_line(row) for row in rows], pl.String)

    return pl.struct("messages", "extras").map_batches(merge, return_dtype=pl.String)


def _unpaired_lines(rows: pl.Series) -> pl.Series:
    """Returns the JSON lines of answers that are judged by themselves: prompt, completion and label, as TRL names them."""
    lines = []
    for row in rows:
        found = messages_of(row)
        tools = {"tools": found.tools} if found.tools else {}
        line = {"prompt": found.asked, "completion": [found.answer], "label": found.wanted, **tools}
        lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    return pl.Series(rows.name, lines, pl.String)


def merged_line(row: dict[str, Any]) -> str:
    """Returns one chat with its extras as JSON."""
    found = messages_of(row)
    tools = {"tools": found.tools} if found.tools else {}
    return json.dumps({"messages": found.messages, **tools}, ensure_ascii=False, separators=(",", ":"))


def write_dropped(dropped: pl.DataFrame, path: Path) -> None:
    """Writes every raw row that is not in the dataset: source, line, id, reason, detail. The details quote the corpus: mode 0600."""
    path.touch(mode=PRIVATE_MODE)
    dropped.sort("source", "line", maintain_order=True).write_ndjson(path)
