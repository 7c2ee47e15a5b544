"""Plain lines of JSON, read whole columns at a time: the chats and pairs of texts that make up most training files.

A line is read here only where one regular expression proves all of it: valid JSON, the expected keys once and in their order, text where
text belongs. Everything else goes the careful way, line by line; both ways give the same rows, which a test holds together.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from prep.dataset.schema import MESSAGES
from prep.lint.frame.lines import BOM
from prep.lint.frame.turns import turn_columns
from prep.sources.raw_file import Block, RawFile, block_lines
from prep.sources.shapes.prompt_completion import PAIRS
from prep.sources.source_config import SourceConfig
from prep.sources.strict_json import Decoder
from prep.text.normalise import hash_column, hash_input
from templates.form import Form

_SPACE = r"[ \t\r]*"
# No half of a surrogate pair: an escape that begins with D8 to DF goes the careful way.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-Ce-fE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})))*"'
_ROLES = '"(?:system|user|assistant)"'
_LINE = "line"


@dataclass(frozen=True, slots=True)
class PlainShape:
    """A shape of lines that can be read by columns.

    Attributes:
        keys: the record's keys, in the order in which the lines have them.
        pattern: matches a whole line of that shape, and nothing else.
    """

    keys: tuple[str, ...]
    pattern: str

    @property
    def pair(self) -> tuple[str, str]:
        """The keys of prompt and completion, of a pair of texts."""
        first, second = self.keys
        return (first, second) if self.keys in PAIRS else (second, first)

    @property
    def is_chat(self) -> bool:
        """Whether the lines hold messages; else they hold a pair of texts."""
        return self.keys == ("messages",)


def plain_shape(first: str) -> PlainShape | None:
    """Returns the shape of a file by its first line, or None where its lines are to be read one by one."""
    try:
        record = Decoder().value(first)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    keys = tuple(record)
    if keys == ("messages",) and isinstance(record["messages"], list) and record["messages"]:
        order = tuple(record["messages"][0]) if isinstance(record["messages"][0], dict) else ()
        if set(order) != {"role", "content"}:
            return None
        message = _object({key: _ROLES if key == "role" else _STRING for key in order})
        array = rf"\[{_SPACE}{message}(?:{_SPACE},{_SPACE}{message})*{_SPACE}\]"
        return PlainShape(keys, _whole_line({"messages": array}))
    if keys in PAIRS or keys[::-1] in PAIRS:
        return PlainShape(keys, _whole_line(dict.fromkeys(keys, _STRING)))
    return None


def _object(values: dict[str, str]) -> str:
    pairs = (rf'"{re.escape(key)}"{_SPACE}:{_SPACE}{value}' for key, value in values.items())
    return rf"\{{{_SPACE}" + f"{_SPACE},{_SPACE}".join(pairs) + rf"{_SPACE}\}}"


def _whole_line(values: dict[str, str]) -> str:
    return f"^{_SPACE}{_object(values)}{_SPACE}$"


def read_plain(block: Block, shape: PlainShape, split: str) -> tuple[pl.DataFrame, list[int]]:
    """Returns the lines of a block that are of a shape, and the numbers of those that are not.

    Args:
        block: whole lines of a file.
        shape: what they should be.
        split: the split of the file's rows.

    Returns:
        Columns `line`, `row_id` (without the number of a copy), `task`, `system`, `input`, `answer`, `messages`; and line numbers.
    """
    lines = pl.DataFrame(
        [(number, text if isinstance(text, str) else None) for number, text in block_lines(block, "UTF-8")],
        schema={_LINE: pl.Int64, "text": pl.String},
        orient="row",
    )
    plain = lines["text"].str.contains(shape.pattern).fill_null(False)
    read = _decode(lines.filter(plain), shape)
    others = lines.filter(~plain & (lines["text"].is_null() | (lines["text"].str.strip_chars() != "")))
    return read.select(_columns(shape, split)), others[_LINE].to_list()


def _decode(lines: pl.DataFrame, shape: PlainShape) -> pl.DataFrame:
    dtype: pl.DataType = MESSAGES if shape.is_chat else pl.String()
    schema = dict.fromkeys(shape.keys, dtype)
    if lines.is_empty():
        return pl.DataFrame(schema={_LINE: pl.Int64(), **schema})
    read = pl.read_ndjson("\n".join(lines["text"]).encode(), schema=schema)
    assert read.height == lines.height
    return read.insert_column(0, lines[_LINE])


def _columns(shape: PlainShape, split: str) -> list[pl.Expr]:
    canonical = _canonical(shape)
    row_id = hash_column(hash_input(pl.lit(split), canonical))
    if not shape.is_chat:
        prompt, completion = shape.pair
        return [
            pl.col(_LINE),
            row_id.alias("row_id"),
            hash_column(hash_input(pl.lit(Form.VERBALIZER), pl.lit(""))).alias("task"),
            pl.lit("").alias("system"),
            pl.col(prompt).alias("input"),
            pl.col(completion).alias("answer"),
            pl.lit(None, MESSAGES).alias("messages"),
        ]
    chat = turn_columns(pl.col("messages"))
    return [
        pl.col(_LINE),
        row_id.alias("row_id"),
        hash_column(hash_input(pl.lit(Form.CHAT), chat.system)).alias("task"),
        chat.system.alias("system"),
        chat.input.alias("input"),
        chat.answer.alias("answer"),
        pl.col("messages"),
    ]


def _canonical(shape: PlainShape) -> pl.Expr:
    """The record as `canonical_json` writes it: compact, keys in order."""
    if not shape.is_chat:
        return pl.struct(sorted(shape.keys)).struct.json_encode()
    message = pl.struct(pl.element().struct.field("content"), pl.element().struct.field("role"))
    return pl.struct(pl.col("messages").list.eval(message)).struct.json_encode()


def plain_blocks(path: Path, encoding: str = "utf-8") -> tuple[PlainShape, Iterator[Block]] | None:
    """Returns a file's shape and its blocks of lines; None where it is to be read the careful way."""
    file = RawFile(path, SourceConfig(path=str(path), encoding=encoding))
    try:
        with file.open() as opened:
            if opened.read(len(BOM)) == BOM:
                return None
        blocks = file.blocks()
        first = next(blocks, None)
    except UserError:
        return None  # the careful way says what is wrong
    if first is None or first.is_overlong:
        return None
    shape = plain_shape(first.text.lstrip().partition("\n")[0])
    return None if shape is None else (shape, chain([first], blocks))
