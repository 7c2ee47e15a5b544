"""What a command sets for its whole process, before the libraries that read it are imported."""

import os
import signal
import sys

_ALLOCATOR = "_RJEM_MALLOC_CONF"
_HOLD_MEMORY = "dirty_decay_ms:10000,muzzy_decay_ms:10000"


def prepare_process() -> None:
    """Sets how threads wait, what is kept in memory and when it is given back, and lets a command that is told to stop clean up."""
    # Read when torch is first imported. By default its idle threads spin for long: beside another busy process a training step then takes
    # two to four times as long. A short spin keeps nine tenths of the speed on an idle machine. Measured in benchmarks/README.md.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Read when torch is first imported. oneDNN keeps the kernels of the last 1,024 shapes, and few micro-batches have the size of another:
    # what it keeps lies between the tensors of a step, and leaves holes in the heap into which the next ones do not fit. A step needs some
    # dozens. Measured in benchmarks/README.md.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    # Read when Polars is first imported. Its allocator gives memory back after a tenth of a second, only to ask for it again: held for ten
    # seconds, a build of a million rows takes half of the page faults.
    os.environ.setdefault(_ALLOCATOR, _HOLD_MEMORY)
    # So that what a command keeps in temporary folders, which is corpus text, goes when it is told to stop.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def release_memory_early() -> None:
    """Has Polars give memory back soon, for a command that makes many passes; to be called before Polars is imported.

    What each pass holds for the next adds up: lint of 300,000 rows takes 1.3 GB at the most instead of 1.7.
    """
    if os.environ.get(_ALLOCATOR) == _HOLD_MEMORY:
        os.environ[_ALLOCATOR] = "dirty_decay_ms:500,muzzy_decay_ms:500"
