"""Work in the background: files that are written while the next rows are prepared, rows that are read while the last ones are used."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from types import TracebackType
from typing import Self, TypeVar

import polars as pl

from loopwright.files import os_errors
from prep.build.row_store import lazy_frame

T = TypeVar("T")
_WAITING_FRAMES = 2
_POLL_SECONDS = 0.2


class Sink:
    """One file, written by a Polars sink on a thread of its own; `put` waits where the file falls behind, so that memory stays bounded.

    Args:
        schema: of the frames.
        write: takes the lazy frame of all frames and writes it, such as `lambda rows: rows.sink_parquet(path)`.
    """

    def __init__(self, schema: pl.Schema, write: Callable[[pl.LazyFrame], None]) -> None:
        self._schema = schema
        self._write = write
        self._frames: queue.Queue[pl.DataFrame | None] = queue.Queue(_WAITING_FRAMES)
        self._error: BaseException | None = None
        self._is_abandoned = False
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the file. After an error it is left incomplete: whoever opened it throws it away.

        Raises:
            OSError: the file could not be written.
        """
        self._is_abandoned = error is not None
        self._offer(None)
        self._thread.join()
        if error is None:
            self._raise_error()

    def put(self, frame: pl.DataFrame) -> None:
        """Hands over the next rows.

        Raises:
            OSError: the file could not be written.
        """
        self._offer(frame)
        self._raise_error()

    def _offer(self, frame: pl.DataFrame | None) -> None:
        while self._thread.is_alive():
            try:
                self._frames.put(frame, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def _raise_error(self) -> None:
        if self._error is not None:
            with os_errors():
                raise self._error

    def _run(self) -> None:
        try:
            self._write(lazy_frame(self._taken, self._schema))
        except BaseException as error:  # raised again where the file is waited for
            self._error = error

    def _taken(self) -> Iterator[pl.DataFrame]:
        while (frame := self._frames.get()) is not None:
            if not self._is_abandoned:
                yield frame


def ahead(items: Iterator[T], num_waiting: int = _WAITING_FRAMES) -> Iterator[T]:
    """Yields what an iterator yields, which goes on in a thread of its own meanwhile, no more than `num_waiting` items ahead."""
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(num_waiting)
    is_abandoned = threading.Event()

    def offer(item: T | None, error: BaseException | None) -> None:
        while not is_abandoned.is_set():
            try:
                waiting.put((item, error), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for item in items:
                offer(item, None)
                if is_abandoned.is_set():
                    return
        except BaseException as error:  # raised again where the items are taken
            offer(None, error)
        else:
            offer(None, StopIteration())

    # In a copy of the context: registries find there what they find here.
    thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        is_abandoned.set()
        thread.join()
