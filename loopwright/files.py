"""Writing that is whole or not there at all: files and folders appear under their name only when they are complete."""

import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loopwright.errors import UserError

PRIVATE_MODE = 0o600
_PUBLIC_MODE = 0o644
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write_atomic(path: Path, data: str | bytes, *, private: bool = False) -> None:
    """Writes a file beside its place and renames it there. Private files (they hold corpus text) get mode 0600.

    Raises:
        UserError: the file cannot be written; nothing of it is left behind.
    """
    with atomic_file(path, private=private) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on a clean exit it becomes `path`, on an error it is removed.

    Raises:
        UserError: the file cannot be written, or the path is a folder, a pipe or a device.
    """
    path = Path(os.path.realpath(path))  # through a link: what is replaced is the file, not the link
    _require_replaceable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(PRIVATE_MODE if private else _PUBLIC_MODE)
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Makes sure that a folder can be made and written to, before hours of work go into what it is to hold. Leaves nothing behind.

    Raises:
        UserError: it cannot.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=existing)).rmdir()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def require_output_file(path: Path) -> None:
    """Makes sure that a file can be written, or replaced, before hours of work go into what it is to hold.

    Raises:
        UserError: its folder cannot be written to, or the path is a folder, a pipe or a device.
    """
    _require_replaceable(path)
    require_writable(Path(os.path.realpath(path)).parent)


def _require_replaceable(path: Path) -> None:
    """Refuses a device above all: a rename by root would put a plain file in the place of the system's /dev/null."""
    try:
        is_other = path.exists() and not path.is_file()
    except OSError as error:
        raise _cannot_write(path, error) from error
    if is_other:
        raise UserError(f"cannot write: it is {'a folder' if path.is_dir() else 'a pipe or a device'}", str(path), "Name a file.")


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yields an empty folder beside `path`; on a clean exit it takes the place of `path` in one step.

    Killed at any moment, the old folder is whole: on Linux the two are exchanged by one system call. Elsewhere the old
    folder is renamed aside first, and `path` is missing for an instant.

    Raises:
        UserError: the folder cannot be written.
    """
    path = path.resolve()  # through a link: what is replaced is the folder, not the link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.new-", dir=path.parent))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            _exchange(temporary, path)
        else:
            temporary.rename(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_file(path: Path, kind: str = "file") -> None:
    """Makes sure that what is there, if anything is, can be read to an end: a pipe would be waited for, and /dev/zero has none.

    Raises:
        UserError: it is a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise UserError(f"the {kind} is {what}", str(path), "Name a file.")


def is_utf8(text: str) -> bool:
    """Says whether UTF-8 can hold a text; it cannot hold half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON document, indented, keys in the order given."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, rows: Iterable[Any], *, private: bool = False) -> None:
    """Writes one JSON object a line. An empty list gives an empty file."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomic(path, lines, private=private)


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Reads a JSON Lines file that Loopwright wrote, skipping blank lines.

    Raises:
        UserError: the file is not there, or a line is not a JSON object.
    """
    return [row for _, row in numbered_json_lines(path)]


def numbered_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the 1-based line of each object beside it; otherwise as `read_json_lines`."""
    require_file(path)
    try:
        # Not splitlines(): JSON leaves U+2028, U+0085 and others as they are within a string.
        lines = path.read_bytes().decode("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the file: {error}", str(path), "Check the path and its permissions.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"not valid JSON: {error}", f"{path}:{number}", "Mend or remove that line.") from error
        if not isinstance(row, dict):
            raise UserError("expected a JSON object", f"{path}:{number}", "Mend or remove that line.")
        yield number, row


def read_json(path: Path) -> Any:
    """Reads a JSON document.

    Raises:
        UserError: the file is not there or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the file: {error.strerror}", str(path), "Check the path and its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"not valid JSON: {error}", str(path), "Mend it, or have it written again.") from error


@contextmanager
def os_errors() -> Iterator[None]:
    """Turns what Polars raises when a disk takes no more into the OSError that lies behind it."""
    import polars as pl

    try:
        yield
    except pl.exceptions.ComputeError as error:
        raise OSError(str(error)) from error


def _exchange(new: Path, old: Path) -> None:
    """Swaps two folders: afterwards `new`'s name holds the old content."""
    with suppress(AttributeError, OSError, TypeError):  # the last where there is no C library to ask
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        if renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(old), _RENAME_EXCHANGE) == 0:
            return
    aside = Path(tempfile.mkdtemp(prefix=f".{old.name}.old-", dir=old.parent))
    old.rename(aside / old.name)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("r+b") as file:  # Windows syncs what is open for writing alone
        os.fsync(file.fileno())


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write: {error.strerror or error}", str(path), "Check the folder's permissions and the free space, then run it again."
    )
