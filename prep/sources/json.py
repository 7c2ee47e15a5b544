"""JSON: an array of objects."""

import json
import re
from pathlib import Path

from loopwright.errors import UserError
from prep.source import RawRows, RowCollector, Source, decode_all, read_bytes
from prep.sources.jsonl import JsonLines

_SPACE = re.compile(r"[\s,]*")


class JsonArray(Source):
    """An array of objects. A file that begins with `{` is taken for JSON Lines, whatever its name."""

    name = "json"
    suffixes = (".json",)

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the array element by element, so that each row knows its line."""
        text = decode_all(read_bytes(path), path, encoding)
        start = _SPACE.match(text)
        assert start is not None
        if text[start.end()] == "{":
            return JsonLines().read(path, encoding)
        if text[start.end()] != "[":
            raise UserError("expected an array of objects", f"{path}:1", "Wrap the rows in [ and ], or use one object a line.")
        return self._read_array(path, text, start.end() + 1)

    def _read_array(self, path: Path, text: str, position: int) -> RawRows:
        rows = RowCollector()
        decoder = json.JSONDecoder()
        line, counted = 1, 0
        while True:
            space = _SPACE.match(text, position)
            assert space is not None
            position = space.end()
            line, counted = line + text.count("\n", counted, position), position
            if text.startswith("]", position):
                return rows.rows()
            try:
                value, position = decoder.raw_decode(text, position)
            except (json.JSONDecodeError, RecursionError) as error:
                cause = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
                raise UserError(f"not valid JSON: {cause}", f"{path}:{line}", "Mend the array there, or use one object a line.") from error
            if isinstance(value, dict):
                rows.add(line, value)
            else:
                rows.reject(line, "bad_json", f"expected an object, found {type(value).__name__}")
