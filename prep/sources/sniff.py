"""What a file without a telling name holds, by its first bytes."""

import codecs
from collections import Counter
from pathlib import Path

from loopwright.errors import UserError
from prep.sources.raw_file import RawFile
from prep.sources.source_config import SourceConfig

_LOOK_BYTES = 1 << 16
_MIN_LINES = 2  # one line alone shows no regularity
_PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": None, b"BZh": None, b"\xfd7zXZ": None}


def sniff_format(path: Path, options: SourceConfig) -> str | None:
    """Returns the name of the format that a file's beginning shows, or None where it shows none for certain.

    Raises:
        UserError: the file is packed and its name does not say so, or it cannot be read.
    """
    raw = RawFile(path, options)
    with raw.open() as file:
        data = file.read(_LOOK_BYTES)
    for magic, suffix in _PACKED.items():
        if data.startswith(magic):
            remedy = f"Let its name end in '{suffix}'." if suffix else "Unpack it, or pack it as .gz or .zst."
            raise UserError("the file is packed", str(path), remedy)
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    text = codecs.getincrementaldecoder(raw.codec())("replace").decode(data).removeprefix("\ufeff").lstrip()
    if text.startswith(("{", "[{", "[\n", "[ ", "[\r")):
        return "json"
    if text.startswith("WEBVTT"):
        return "vtt"
    return _sniff_table(text, is_whole=len(data) < _LOOK_BYTES)


def _sniff_table(text: str, *, is_whole: bool) -> str | None:
    """Takes for a table what has equally many delimiters, one at least, in each line."""
    lines = [line for line in text.splitlines() if line.strip()]
    lines = lines if is_whole else lines[:-1]  # the last may be cut
    if len(lines) < _MIN_LINES:
        return None
    for delimiter, name in (("\t", "tsv"), (",", "csv"), (";", "csv"), ("|", "csv")):
        counts = Counter(line.count(delimiter) for line in lines)
        if set(counts) - {0} == set(counts) and len(counts) == 1:
            return name
    return None
