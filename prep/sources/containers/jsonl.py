"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from prep.sources.raw_file import Block, RawFile, RejectedRow, block_lines
from prep.sources.source import LINE, RawRows, Record, RecordSource, gather, mark_texts
from prep.sources.strict_json import Decoder

# Below this many lines, reading them one by one costs less than trying once more to read them together.
_FEW_LINES = 2048
_SPACES = " \t\r\n"
_KEYS = r'"\s*:'
_NULLS = r'"\s*:\s*null\b'
# What Polars writes otherwise than Python when it makes text of it (nested values, floats, -0), or reads otherwise (half a character).
# Each is looked for behind the colon of a key. A text may hold the same characters, and then its line goes the slow way for nothing.
_OTHERWISE = r'"\s*:\s*(?:[\[{]|-?[0-9]+[.eE]|-0)|\\u[dD][89a-fA-F]'


class JsonLines(RecordSource):
    """One JSON object a line; blank lines are no rows, and a line that is no object is rejected alone.

    Flat objects of text, whole numbers, truth values and nulls are read a block at a time by Polars; what Polars would read otherwise
    than Python's own parser, or not at all, is read line by line, so that a row's values never depend on the rows around it.
    """

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")

    def records(self, file: RawFile) -> Iterator[Record]:
        """Reads the file line by line."""
        for block in _filled(file.blocks()):
            yield from _records(block, file.options.encoding)

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file block by block where it can, else line by line."""
        columns: dict[str, None] = {}
        is_flat: bool | None = None
        for block in _filled(file.blocks()):
            if is_flat is None:
                is_flat = _begins_flat(block, columns)
            if not is_flat or block.is_overlong or not block.is_clean:
                yield from gather(_records(block, file.options.encoding))
                continue
            whole = _read_whole(block, list(columns))
            if whole is not None:
                yield RawRows(mark_texts(whole, columns))
            else:
                rows, num_slow = _read_lines(block, columns, file.options.encoding)
                is_flat = num_slow * 2 < max(rows.frame.height, 1)
                yield rows


def parse_object(text: str) -> dict[str, Any]:
    """Parses a JSON object, strictly: NaN and Infinity are no JSON.

    Raises:
        ValueError: the text is no JSON object; the message says why.
    """
    value = _DECODER.value(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return value


_DECODER = Decoder()


def _filled(blocks: Iterator[Block]) -> Iterator[Block]:
    """Leaves out blocks of nothing but blank lines, of which a file made for that has millions."""
    return (block for block in blocks if block.is_overlong or not block.text.isspace())


def _records(block: Block, encoding: str) -> Iterator[Record]:
    for number, line in block_lines(block, encoding):
        if isinstance(line, RejectedRow):
            yield line
        elif line.strip():
            yield _record(number, line)


def _record(number: int, line: str) -> Record:
    try:
        return number, parse_object(line)
    except ValueError as error:
        return RejectedRow(number, "bad_json", str(error))


def _begins_flat(block: Block, columns: dict[str, None]) -> bool:
    """Notes the columns of the first line; says whether it is flat, as the others then are likely to be."""
    first = block.text[: block.text.find("\n") + 1] or block.text
    try:
        record = parse_object(first)
    except ValueError:
        return True
    columns.update(dict.fromkeys(name for name in record if name != LINE))
    return not any(isinstance(value, dict | list | float) for value in record.values())


def _decode(text: str, columns: list[str]) -> pl.DataFrame | None:
    """Decodes lines together; None where one of them is no JSON object."""
    try:
        return pl.read_ndjson(text.encode(), schema=dict.fromkeys(columns, pl.String()))
    except pl.exceptions.PolarsError:
        return None


def _has_each_key_once(columns: list[str]) -> pl.Expr:
    """Whether all keys of a line are columns, none of them twice.

    Where a key has a value first and null later, keys and nulls and values add up, and only this tells.
    """
    names = (pl.escape_regex(json.dumps(name, ensure_ascii=False)) for name in columns)
    counts = [pl.col("text").str.count_matches(rf"{name}\s*:") for name in names]
    return pl.all_horizontal(count <= 1 for count in counts) & (pl.sum_horizontal(counts) == pl.col("text").str.count_matches(_KEYS))


def _read_whole(block: Block, columns: list[str]) -> pl.DataFrame | None:
    """Reads a block in one go; None unless that gives what reading its lines one by one would give."""
    if not columns:
        return None
    text = pl.Series([block.text])
    if text.str.contains(_OTHERWISE).item():
        return None
    frame = _decode(block.text, columns)
    num_lines = block.text.count("\n") + (not block.text.endswith("\n"))
    if frame is None or frame.height != num_lines:
        return None
    num_nulls = sum(frame.null_count().row(0))
    num_keys = text.str.count_matches(_KEYS).item() - (text.str.count_matches(_NULLS).item() if num_nulls else 0)
    # More keys than values: a key that is no column, or stands twice, or is text that looks like one.
    if num_keys != frame.height * frame.width - num_nulls:
        return None
    if num_nulls:
        lines = text.str.split("\n").explode().alias("text").to_frame().filter(pl.col("text").str.contains(_NULLS))
        if not lines.select(_has_each_key_once(columns).all()).item():
            return None
    return frame.insert_column(0, pl.int_range(block.first_line, block.first_line + num_lines, eager=True).alias(LINE))


def _read_lines(block: Block, columns: dict[str, None], encoding: str) -> tuple[RawRows, int]:
    """Reads the lines of a block that need it one by one, and the others together; returns them and how many needed it."""
    numbered = pl.DataFrame(list(block_lines(block, encoding)), schema={LINE: pl.Int64, "text": pl.String}, orient="row")
    numbered = numbered.filter(pl.col("text").str.strip_chars() != "")
    # A line that was cut short is the commonest that no parser takes; one of them would send all lines around it the slow way.
    text = pl.col("text").str.strip_chars(_SPACES)
    is_whole = text.str.starts_with("{") & text.str.ends_with("}")
    otherwise = ~is_whole | pl.col("text").str.contains(_OTHERWISE)
    one_by_one = [numbered.filter(otherwise)]
    together: list[pl.DataFrame] = []
    pieces = [numbered.filter(~otherwise)]
    while pieces:
        piece = pieces.pop()
        frame = _decode("\n".join(piece["text"]), list(columns)) if columns and piece.height else None
        if frame is not None and frame.height == piece.height:
            num_values = pl.sum_horizontal(pl.all().is_not_null().cast(pl.Int64))
            num_keys = piece.select(pl.col("text").str.count_matches(_KEYS) - pl.col("text").str.count_matches(_NULLS)).to_series()
            has_no_null = ~pl.col("text").str.contains(_NULLS)
            has_each_once = piece.select(has_no_null | _has_each_key_once(list(columns))).to_series()
            is_plain = (frame.select(num_values).to_series() == num_keys) & has_each_once
            together.append(mark_texts(frame.insert_column(0, piece[LINE]).filter(is_plain), columns))
            one_by_one.append(piece.filter(~is_plain))
        elif piece.height <= _FEW_LINES:
            one_by_one.append(piece)
        else:
            half = piece.height // 2
            pieces += [piece[:half], piece[half:]]
    slow = pl.concat(one_by_one).sort(LINE)
    singles = list(gather(_record(number, text) for number, text in slow.iter_rows()))
    for rows in singles:
        columns.update(dict.fromkeys(rows.own_columns))
    frame = pl.concat([*together, *(rows.frame for rows in singles)], how="diagonal").sort(LINE)
    return RawRows(frame, [row for rows in singles for row in rows.rejected]), slow.height
