"""Files packed by gzip or Zstandard, unpacked as they are read."""

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import UserError

_READ_BYTES = 8 << 20
# gzip packs at most about 1,030 to 1; text that people write packs 3 to 20 to 1.
_MAX_EXPANSION = 200
_EXPANSION_FREE_BYTES = 256 << 20
_MAX_WINDOW_BYTES = 1 << 27  # what `zstd --long` writes by default; a larger one asks for that much memory
_ZSTD_READ_BYTES = 1 << 11  # what these can unpack to, 64 MiB at most, fits into memory


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a `.gz` or `.zst` file, refused where they grow as only a file made for that does."""

    def __init__(self, packed: BinaryIO, path: Path) -> None:
        self._packed = packed
        self._path = path
        self._num_bytes = 0
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
            raise UserError(f"cannot unpack the file: {error}", str(self._path), "Pack it again; the file may be cut.") from error
        self._num_bytes += len(data)
        if self._num_bytes > _EXPANSION_FREE_BYTES and self._num_bytes > _MAX_EXPANSION * max(self._packed.tell(), 1):
            raise UserError(
                f"the file unpacks to more than {_MAX_EXPANSION} times its size, as text that people wrote never does",
                str(self._path),
                "Unpack it yourself, look at it, and name the unpacked file.",
            )
        return data


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
