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
        if text.startswith("{", start.end()):
            return JsonLines().read(path, encoding)
        if not text.startswith("[", start.end()):
            raise UserError("expected an array of objects", f"{path}:1", "Wrap the rows in [ and ], or use one object a line.")
        return self._read_array(path, text, start.end() + 1)

    def _read_array(self, path: Path, text: str, position: int) -> RawRows:
        rows = RowCollector()
        constants: list[str] = []  # NaN and Infinity, which are no JSON
        decoder = json.JSONDecoder(parse_constant=constants.append)
        line, counted = 1, 0
        while True:
            space = _SPACE.match(text, position)
            assert space is not None
            position = space.end()
            line, counted = line + text.count("\n", counted, position), position
            if text.startswith("]", position):
                if text[position + 1 :].strip():
                    raise UserError("something follows the array", f"{path}:{line}", "Keep one array, or use one object a line.")
                return rows.rows()
            try:
                value, position = decoder.raw_decode(text, position)
            except (ValueError, RecursionError) as error:
                cause = "nested too deeply" if isinstance(error, RecursionError) else getattr(error, "msg", str(error))
                raise UserError(f"not valid JSON: {cause}", f"{path}:{line}", "Mend the array there, or use one object a line.") from error
            if constants:
                rows.reject(line, "bad_json", f"{constants[0]} is not JSON")
                constants.clear()
            elif isinstance(value, dict):
                rows.add(line, value)
            else:
                rows.reject(line, "bad_json", f"expected an object, found {type(value).__name__}")
