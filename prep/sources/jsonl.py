"""JSON Lines: one object a line."""

import json
from pathlib import Path
from typing import Any, NoReturn

from prep.source import RawRows, RowCollector, Source, decode_lines


class JsonLines(Source):
    """One JSON object a line; blank lines are no rows, and a line that is no object is rejected alone."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the file line by line."""
        rows = RowCollector()
        for number, line in decode_lines(path, encoding):
            if line is None:
                rows.reject(number, "bad_encoding", f"the line is not {encoding}")
            elif line.strip():
                try:
                    rows.add(number, parse_object(line))
                except ValueError as error:
                    rows.reject(number, "bad_json", str(error))
        return rows.rows()


def parse_object(text: str) -> dict[str, Any]:
    """Parses a JSON object, strictly: NaN and Infinity are no JSON.

    Raises:
        ValueError: the text is no JSON object; the message says why.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from error
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
