"""Plain text."""

from collections.abc import Iterator

from prep.sources.raw_file import RawFile, RejectedRow
from prep.sources.source import Record, RecordSource


class Text(RecordSource):
    """Text with one column, `text`: a row a line that is not blank, or with `unit:` a row a paragraph, or one row a file."""

    name = "txt"
    suffixes = (".txt", ".md")
    options = frozenset({"unit"})

    def records(self, file: RawFile) -> Iterator[Record]:
        """Reads the file line by line."""
        if file.options.unit == "line":
            for number, line in file.lines():
                if isinstance(line, RejectedRow):
                    yield line
                elif line.strip():
                    yield number, {"text": line}
            return
        part: list[str] = []
        start, bad = 1, None
        for number, line in file.lines():
            if isinstance(line, RejectedRow):
                bad = bad or line
                continue
            if file.options.unit == "paragraph" and not line.strip():
                yield from _part(start, part, bad)
                part, bad = [], None
                continue
            start = start if part or bad else number
            part.append(line)
        yield from _part(start, part, bad)


def _part(start: int, lines: list[str], bad: RejectedRow | None) -> Iterator[Record]:
    """One row of several lines; a line that cannot be used takes its whole paragraph with it, which would have a hole without it."""
    if bad is not None:
        yield bad
    elif any(line.strip() for line in lines):
        yield start, {"text": "\n".join(lines).strip("\n")}
