"""Tab-separated text with a header line."""

import csv
from pathlib import Path

from prep.source import RawRows, Source
from prep.sources.csv import decode_delimited, read_delimited


class Tsv(Source):
    """TSV with a header line. Quotes are ordinary characters: a row is a line, a field is what stands between tabs."""

    name = "tsv"
    suffixes = (".tsv", ".tab")

    def read(self, path: Path, encoding: str) -> RawRows:
        """Reads the file; a row with another number of fields than the header is rejected."""
        return read_delimited(path, decode_delimited(path, encoding), delimiter="\t", quoting=csv.QUOTE_NONE)
