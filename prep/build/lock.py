"""Two builds to one folder do not run at once, and what a killed one left behind is removed."""

import glob
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopwright.errors import UserError


@contextmanager
def build_lock(out: Path) -> Iterator[None]:
    """Holds the lock of a dataset's folder, which the operating system takes back when the process ends, however it ends.

    Temporary folders of earlier builds to `out` that were killed are removed: who holds the lock knows that nobody is at work in them.

    Raises:
        UserError: another build to `out` is at work, or the folder beside it cannot be written.
    """
    from filelock import FileLock, Timeout

    out = out.resolve()
    # Where there are no locks of the system's, none is better than a file that outlives a killed build.
    lock = FileLock(out.parent / f".{out.name}.lock", blocking=False, mode=0o600, fallback_to_soft=False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        remedy = "Wait until it is done, or name another folder with --out."
        raise UserError("another build to this folder is at work", str(out), remedy) from error
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", str(out), "Check the folder's permissions and the free space.") from error
    try:
        for left in out.parent.glob(f".{glob.escape(out.name)}.new-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        # Removed while it is held: who opened it meanwhile sees that it is gone. Windows removes no open file, and it stays.
        with suppress(PermissionError):
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
