"""Stable hashes: the same on every machine, Python and Polars version, because identities on disk are made of them."""

import hashlib
from pathlib import Path

from loopwright.errors import UserError

_FILE_CHUNK_BYTES = 1 << 20


def hash_text(*parts: str | None) -> str:
    """Returns 32 hex digits: the 128-bit xxh3 of the parts, each length-prefixed so that no separator can be forged.

    A None part differs from an empty one.
    """
    import xxhash

    encoded = (None if part is None else part.encode("utf-8", "surrogatepass") for part in parts)
    return xxhash.xxh3_128_hexdigest(b"".join(b"-;" if data is None else b"%d:%b" % (len(data), data) for data in encoded))


def hash_bytes(content: bytes) -> str:
    """Returns the sha256 of bytes, in hex, as `hash_file` of a file that holds them."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """Returns the sha256 of a file's bytes, in hex.

    Raises:
        UserError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_FILE_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path), "Check the path and its permissions.") from error
    return digest.hexdigest()
