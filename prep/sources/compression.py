"""Files packed by gzip or Zstandard, unpacked as they are read."""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import UserError

_READ_BYTES = 8 << 20
# Text that people write packs 3 to 20 to 1; rows that share a long prompt, up to a thousand to 1 and more.
_MAX_EXPANSION = 200
_MAX_EXPANSION_ALIKE = 4_500  # where each row says something of its own; the same row over and over packs above 5,000 to 1
_NEW_BYTES_A_ROW = 2  # what little a row says of its own takes, packed
_EXPANSION_FREE_BYTES = 256 << 20
_MAX_WINDOW_BYTES = 1 << 31  # `zstd --long=31`, the longest there is, as public dumps have it; memory is taken as the text grows
_ZSTD_READ_BYTES = 1 << 11  # what these can unpack to, 64 MiB at most, fits into memory


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a `.gz` or `.zst` file, refused where they grow as only a file made for that does."""

    def __init__(self, packed: BinaryIO, path: Path) -> None:
        self._packed = packed
        self._path = path
        self._num_bytes = 0
        self._num_lines = 0
        self._num_objects = 0
        self._read_packed: Callable[[int], bytes]
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
        if path.suffix.lower() == ".gz":
            self._read_packed = gzip.GzipFile(fileobj=packed).read
        else:
            stream = _Zstd(packed)
            self._read_packed = stream.read
            self._errors += (stream.error,)

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Reads up to `size` unpacked bytes; all of them for -1, a piece at a time."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_READ_BYTES), b""))
        try:
            data = self._read_packed(size)
        except self._errors as error:
            remedy = "Pack it again; the file may be cut."
            if "too much memory" in str(error):
                remedy = "Unpack it yourself, and pack it again with 'zstd --long=27'."
            raise UserError(f"cannot unpack the file: {error}", str(self._path), remedy) from error
        self._num_bytes += len(data)
        self._num_lines += data.count(b"\n")
        self._num_objects += data.count(b"},")
        if self._num_bytes > _EXPANSION_FREE_BYTES:
            self._refuse_bomb()
        return data

    def _refuse_bomb(self) -> None:
        num_packed = max(self._packed.tell(), 1)
        num_rows = self._num_lines or self._num_objects  # an array of objects may stand on one line
        says_something = bool(num_rows) and num_packed >= _NEW_BYTES_A_ROW * num_rows
        limit = _MAX_EXPANSION_ALIKE if says_something else _MAX_EXPANSION
        if self._num_bytes > limit * num_packed:
            raise UserError(
                f"the file unpacks to more than {limit:,} times its size, as rows that people wrote never do",
                str(self._path),
                "Unpack it yourself, look at it, and name the unpacked file.",
            )


class _Zstd:
    """The unpacked bytes of a Zstandard file. The library's own reader takes a file that is cut for one that ends there."""

    def __init__(self, packed: BinaryIO) -> None:
        import zstandard

        self.error: type[Exception] = zstandard.ZstdError
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        self._packed = packed
        self._frame = self._unpacker.decompressobj()
        self._is_within_frame = False
        self._ready = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._ready) < size:
            data = self._packed.read(_ZSTD_READ_BYTES)
            if not data:
                if self._is_within_frame:
                    raise EOFError("it ends within a frame")
                break
            while data:
                self._ready += self._frame.decompress(data)
                self._is_within_frame = not self._frame.eof
                data = self._frame.unused_data
                if self._frame.eof:
                    self._frame = self._unpacker.decompressobj()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data
