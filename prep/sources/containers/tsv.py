"""Tab-separated text."""

import csv
from collections.abc import Iterator

from prep.sources.containers.delimited import read_delimited
from prep.sources.containers.tab_quotes import is_quoted_header, unquoted
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source


class Tsv(Source):
    """TSV with a header line or `columns:`. A row is a line, a field is what stands between tabs.

    Quotes are ordinary characters, such as inch marks, but for those that stand around a field as in a CSV.
    """

    name = "tsv"
    suffixes = (".tsv", ".tab")
    options = frozenset({"delimiter", "columns"})

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file; a row with another number of fields than the header is rejected."""
        delimiter = file.options.delimiter or "\t"
        if is_quoted_header(next((line for _, line in file.lines() if isinstance(line, str) and line.strip()), ""), delimiter):
            return read_delimited(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL)
        return unquoted(read_delimited(file, delimiter=delimiter, quoting=csv.QUOTE_NONE), file)
