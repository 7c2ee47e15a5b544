"""Tab-separated text."""

import csv
from collections.abc import Iterator

from prep.sources.containers.delimited import read_delimited
from prep.sources.raw_file import RawFile
from prep.sources.source import RawRows, Source


class Tsv(Source):
    """TSV with a header line or `columns:`. Quotes are ordinary characters: a row is a line, a field is what stands between tabs."""

    name = "tsv"
    suffixes = (".tsv", ".tab")
    options = frozenset({"delimiter", "columns"})

    def read(self, file: RawFile) -> Iterator[RawRows]:
        """Reads the file; a row with another number of fields than the header is rejected."""
        return read_delimited(file, delimiter=file.options.delimiter or "\t", quoting=csv.QUOTE_NONE)
