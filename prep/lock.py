"""Two builds to one folder do not run at once, and what a killed one left behind is removed."""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.errors import UserError


@contextmanager
def build_lock(out: Path) -> Iterator[None]:
    """Holds the lock of a dataset's folder, which the operating system takes back when the process ends, however it ends.

    Temporary folders of earlier builds to `out` that were killed are removed: who holds the lock knows that nobody is at work in them.

    Raises:
        UserError: another build to `out` is at work, or the folder beside it cannot be written.
    """
    out = out.resolve()
    lock = out.parent / f".{out.name}.lock"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle = _open_locked(lock)
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", str(out), "Check the folder's permissions and the free space.") from error
    if handle is None:
        raise UserError("another build to this folder is at work", str(out), "Wait until it is done, or name another folder with --out.")
    try:
        for left in out.parent.glob(f".{glob.escape(out.name)}.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        # Removed while it is held: who opened it meanwhile sees that it is gone and tries again.
        lock.unlink(missing_ok=True)
        os.close(handle)


def _open_locked(path: Path) -> int | None:
    """Returns the handle of the locked file, or None where another process holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        try:
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # its last holder removed it between our opening and our locking
