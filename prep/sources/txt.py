"""Plain text: one row a line."""

from pathlib import Path

from prep.source import RawRows, RowCollector, Source, decode_lines


class Text(Source):
    """Each line that is not blank is a row with one column, `text`."""

    name = "txt"
    suffixes = (".txt",)

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the file line by line."""
        rows = RowCollector()
        for number, line in decode_lines(path, encoding):
            if line is None:
                rows.reject(number, "bad_encoding", f"the line is not {encoding}")
            elif line.strip():
                rows.add(number, {"text": line})
        return rows.rows()
