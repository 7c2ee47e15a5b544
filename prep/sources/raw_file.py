"""A raw file as its bytes lie on the disk, given out as decoded whole lines in bounded pieces."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import UserError
from loopwright.files import is_utf8
from prep.sources.compression import Unpacked
from prep.sources.source_config import SourceConfig

BLOCK_BYTES = 8 << 20
# A line that is longer is no row of anything that a model could read; its row is rejected.
MAX_LINE_BYTES = 32 << 20
_COMPRESSED = {".gz", ".zst"}
_WIDE = ("utf-16", "utf-32")
_LOOK_BYTES = 1 << 12
_MOSTLY = 0.7
OTHER_ENCODING = "Set 'encoding:' for this source, or give --encoding, such as cp1252 or latin-1."


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be read.

    Attributes:
        line: where it starts, 1-based.
        reason: a word for the accounting, such as `bad_json`.
        detail: what is wrong with it.
    """

    line: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Block:
    r"""Some whole lines of a file.

    Attributes:
        first_line: 1-based number of the first of them.
        text: the lines, each ending on `\n` but for a last one that does not in the file.
        is_clean: every byte decoded; else lines with bytes of another encoding hold lone surrogates.
        is_overlong: the block stands for one line that is longer than `MAX_LINE_BYTES`, and has no text.
    """

    first_line: int
    text: str
    is_clean: bool = True
    is_overlong: bool = False


def marked_encoding(data: bytes) -> str | None:
    """Returns the encoding whose byte-order mark some bytes begin with: UTF-8, UTF-16 or UTF-32, whose mark begins as UTF-16's does."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8" if data.startswith(codecs.BOM_UTF8) else None


def unmarked_wide(data: bytes) -> str | None:
    """Returns the encoding that bytes without a mark show by their zeros: UTF-16, in which every other byte of plain Latin text is one."""
    sample = data[:_LOOK_BYTES]
    half = len(sample) // 2
    for first_zero, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        num_zeros = sample[first_zero::2].count(0)
        if half > 3 and num_zeros > _MOSTLY * half and sample.count(0) == num_zeros:
            return name
    return None


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file of a source.

    Attributes:
        path: where it is.
        options: the source that it belongs to.
        notices: what the user should know of how the file was read, added to while it is.
        opened: the file each time that it was opened, as it lies on the disk: how far it is read shows there.
    """

    path: Path
    options: SourceConfig
    notices: list[str] = field(default_factory=list)
    opened: list[BinaryIO] = field(default_factory=list)

    @property
    def suffix(self) -> str:
        """The file's ending in lower case, that of the packing left out: `.jsonl` of `calls.JSONL.gz`."""
        return data_suffix(self.path)

    def blocks(self) -> Iterator[Block]:
        """Yields the file's lines in blocks of about `BLOCK_BYTES`; a byte-order mark at the start is dropped.

        Raises:
            UserError: the file is empty, cannot be read or unpacked, or is UTF-16 without a mark and without an `encoding:`.
        """
        codec = self.codec()
        if codec.startswith(_WIDE):  # a line end is no single byte there
            yield Block(1, _unify_line_ends(self.text()))
            return
        next_line, is_empty = 1, True
        with self.open() as file:
            for data in _whole_lines(file, self.path):
                if data is None:
                    yield Block(next_line, "", is_overlong=True)
                    next_line += 1
                    is_empty = False
                    continue
                start = data.removeprefix(codecs.BOM_UTF8) if next_line == 1 else data
                is_empty = is_empty and not start.strip()
                try:
                    block = Block(next_line, start.decode(codec))
                except UnicodeDecodeError:
                    block = Block(next_line, start.decode(codec, "surrogateescape"), is_clean=False)
                yield block
                next_line += data.count(b"\n")
        if is_empty:
            raise _empty(self.path)

    def lines(self) -> Iterator[tuple[int, str | RejectedRow]]:
        r"""Yields (1-based number, text) of each line without its line end (`\n` or `\r\n`); a line that cannot be used is a rejected row.

        Raises:
            UserError: as `blocks`.
        """
        for block in self.blocks():
            yield from block_lines(block, self.options.encoding)

    def pieces(self) -> Iterator[str]:
        """Yields the file's text in pieces of about `BLOCK_BYTES`, cut anywhere; bytes of another encoding stand as lone surrogates.

        Raises:
            UserError: as `blocks`.
        """
        decoder = codecs.getincrementaldecoder(self.codec())("surrogateescape")
        is_first, is_empty = True, True
        with self.open() as file:
            while data := _read_some(file, self.path):
                text = decoder.decode(data)
                if is_first and text:
                    text, is_first = text.removeprefix("\ufeff"), False
                is_empty = is_empty and not text.strip()
                yield text
            yield decoder.decode(b"", final=True)
        if is_empty:
            raise _empty(self.path)

    def text(self) -> str:
        """Returns the whole file, decoded, without a byte-order mark.

        Raises:
            UserError: the file is empty, cannot be read or unpacked, or its bytes are not the encoding.
        """
        codec = self.codec()
        with self.open() as file:
            data = _read_all(file, self.path)
        try:
            text = data.decode(codec).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            cause = f"the file is not {codec if codec.startswith(_WIDE) else self.options.encoding}"
            raise UserError(cause, f"{self.path}:{line}", f"{OTHER_ENCODING} Or fix that line.") from error
        if not text.strip():
            raise _empty(self.path)
        return text

    def codec(self) -> str:
        """Returns what decodes the file: the encoding of its byte-order mark, else the one that the source names.

        Raises:
            UserError: no such encoding is known, the file cannot be read, or it is UTF-16 and neither its mark nor its source says so.
        """
        codec = codec_name(self.options.encoding, self.path)
        with self.open() as file:
            head = file.read(_LOOK_BYTES)
        if mark := marked_encoding(head):
            return codec if mark.startswith(_WIDE) and codec.startswith(mark) else mark
        if not codec.startswith(_WIDE) and (found := unmarked_wide(head)):
            remedy = f"Set 'encoding: {found}' for this source, or give --encoding {found}."
            raise UserError(f"the file is {found[:6].upper()} without a mark", str(self.path), remedy)
        return codec

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the file's bytes, unpacked where its name ends in `.gz` or `.zst`.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                self.opened.append(file)
                yield Unpacked(file, self.path) if self.path.suffix.lower() in _COMPRESSED else file  # type: ignore[misc]
        except OSError as error:
            raise UserError(
                f"cannot read the file: {error.strerror or error}", str(self.path), "Check the path and its permissions."
            ) from error


def data_suffix(path: Path) -> str:
    """Returns a path's ending in lower case, that of the packing left out."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        del suffixes[-1]
    return suffixes[-1] if suffixes else ""


def block_lines(block: Block, encoding: str) -> Iterator[tuple[int, str | RejectedRow]]:
    """Yields (1-based number, text) of the lines of a block; a line that cannot be used is a rejected row."""
    if block.is_overlong:
        yield block.first_line, RejectedRow(block.first_line, "too_long", f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")
        return
    for number, line in numbered_lines(block):
        if block.is_clean or is_utf8(line):
            yield number, line
        else:
            yield number, RejectedRow(number, "bad_encoding", f"the line is not {encoding}")


def numbered_lines(block: Block) -> Iterator[tuple[int, str]]:
    """Yields (1-based number, text) of the lines of a block as they stand, without their line ends; an overlong one has no text."""
    if block.is_overlong:
        return
    lines = block.text.split("\n")
    if block.text.endswith("\n"):
        del lines[-1]
    for number, line in enumerate(lines, start=block.first_line):
        yield number, line.removesuffix("\r")


def codec_name(encoding: str, path: Path) -> str:
    """Returns the one name of a text encoding that goes by many.

    Raises:
        UserError: there is none of that name.
    """
    try:
        name = codecs.lookup(encoding).name
        b"a".decode(name, "replace")  # refuses codecs that are no text encoding, such as hex
    except LookupError as error:
        raise UserError(f"unknown encoding '{encoding}'", str(path), "Use a name such as utf-8, latin-1 or gb18030.") from error
    return name


def _whole_lines(file: BinaryIO, path: Path) -> Iterator[bytes | None]:
    """Yields whole lines of about `BLOCK_BYTES` together; None for one line that is too long."""
    rest = b""
    is_skipping = False
    old_mac: bool | None = None
    while data := _read_some(file, path):
        if old_mac is None:
            old_mac = b"\n" not in data and b"\r" in data
        if old_mac:
            data = data.replace(b"\r", b"\n")
        if is_skipping:
            end = data.find(b"\n")
            if end < 0:
                continue
            data, is_skipping = data[end + 1 :], False
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            if len(rest) > MAX_LINE_BYTES:
                yield None
                rest, is_skipping = b"", True
            continue
        whole, rest = rest + data[:end], data[end:]
        first_end = whole.find(b"\n") + 1
        if first_end > MAX_LINE_BYTES:
            yield None
            whole = whole[first_end:]
        if whole:
            yield whole
    if rest:
        yield rest


def _read_some(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.read(BLOCK_BYTES)
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path), "Check the path and its permissions.") from error


def _read_all(file: BinaryIO, path: Path) -> bytes:
    return b"".join(iter(lambda: _read_some(file, path), b""))


def _unify_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


def _empty(path: Path) -> UserError:
    return UserError("the file is empty", str(path), "Give a file with at least one row.")
