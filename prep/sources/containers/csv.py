"""Delimited text: comma-separated values and their kin."""

import csv
from collections.abc import Iterator

from prep.sources.containers.delimited import read_delimited
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source


class Csv(Source):
    """CSV with a header line or `columns:`, quoted fields, newlines within quotes.

    The delimiter is `delimiter:`, else the one that the first line has most of. A row that is quoted wrongly, or has another number of
    fields than the header, is rejected alone.
    """

    name = "csv"
    suffixes = (".csv",)
    options = frozenset({"delimiter", "columns"})

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file, some thousand rows at a time."""
        return read_delimited(file, delimiter=file.options.delimiter, quoting=csv.QUOTE_MINIMAL)
