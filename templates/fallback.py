"""The fallback: rows that are not rendered column-wise go through Jinja one by one, in several processes where there are many."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import polars as pl

from loopwright.errors import UserError
from templates.compile import MESSAGES_TYPE
from templates.template import Template
from templates.worker import DETAIL, GAVE_UP, LIST_PARTS, REASON, TEXT_PARTS, TRUTH_PART, Columns, TimeBudget, receive, render_columns, send

__all__ = ["DETAIL", "REASON", "RENDERED_SCHEMA", "ROW_ID", "SHOTS", "JinjaPool", "render_frame", "usable_cores"]

# Columns of the rows beside the template's inputs: what its choices are seeded by, and its demonstrations.
ROW_ID, SHOTS = "#row_id", "shots"
RENDERED_SCHEMA = pl.Schema(
    {
        "messages": MESSAGES_TYPE,
        "prompt": pl.String(),
        "target": pl.String(),
        "mask": pl.String(),
        "text": pl.String(),
        "chosen": MESSAGES_TYPE,
        "rejected": MESSAGES_TYPE,
        "wanted": pl.Boolean(),
        "extras": pl.String(),
        REASON: pl.String(),
        DETAIL: pl.String(),
    }
)
_SERVE = "from templates.worker import serve; serve()"
# Starting a process takes as long as rendering about this many rows.
_MIN_ROWS = 2_000
_MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 200, 2_000
_MAX_BATCH_BYTES = 16 << 20
# The sandbox bounds each row's work to about a second; this is for what it might not foresee.
_SECONDS_A_BATCH = 30.0
_SECONDS_A_ROW = 2.0


def usable_cores() -> int:
    """Returns how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def render_frame(template: Template, rows: pl.DataFrame, time_budget: TimeBudget | None = None) -> pl.DataFrame:
    """Renders rows with Jinja, one by one, in this process.

    Args:
        template: the template.
        rows: a column for each of its inputs; one that is not there is missing in all rows. `#row_id` seeds the template's choices, and
            `shots` holds its demonstrations, as a list of structs or as the JSON of one.
        time_budget: with rows that go past the template's limits, where these rows are not the first.

    Returns:
        `RENDERED_SCHEMA`, in the order of the rows. A row that cannot be rendered has a reason and a detail and nothing else.

    Raises:
        UserError: many rows go past the template's limits, and that took too long.
    """
    return _to_frame(render_columns(template, *_to_columns(template, rows), time_budget))


def _to_columns(template: Template, rows: pl.DataFrame) -> tuple[dict[str, list[Any]], list[str] | None, int]:
    names = [*template.header.inputs, *([SHOTS] if template.shots else [])]
    columns = {name: rows[name].to_list() for name in names if name in rows.columns}
    return columns, rows[ROW_ID].to_list() if ROW_ID in rows.columns else None, rows.height


def _to_frame(columns: Columns) -> pl.DataFrame:
    series = {name: pl.Series(name, columns[name], pl.String) for name in (*TEXT_PARTS, REASON, DETAIL)}
    series[TRUTH_PART] = pl.Series(TRUTH_PART, columns[TRUTH_PART], pl.Boolean)
    series |= {name: _to_lists(*columns[name]) for name in LIST_PARTS}
    return pl.DataFrame([series[name].alias(name) for name in RENDERED_SCHEMA])


def _to_lists(lengths: list[int | None], roles: list[str], contents: list[str | None]) -> pl.Series:
    """Returns a series of lists of messages. Made of dictionaries, it would take a hundred times as long."""
    counts = pl.Series("count", lengths, pl.UInt32)
    if counts.null_count() == len(counts):
        return pl.Series([None] * len(counts), dtype=MESSAGES_TYPE)
    row = pl.select(pl.int_range(len(counts), dtype=pl.UInt32)).to_series().repeat_by(counts.fill_null(0)).explode(empty_as_null=False)
    flat = pl.DataFrame({"role": roles, "content": contents}, schema={"role": pl.String, "content": pl.String}).to_struct("message")
    grouped = pl.DataFrame([row.alias("row").set_sorted(), flat]).group_by("row", maintain_order=True).agg("message")["message"]
    # A rendering has at least one message where it has a list of them at all.
    present = counts.is_not_null()
    place = pl.select(pl.when(present).then(present.cast(pl.UInt32).cum_sum() - 1)).to_series()
    return grouped.cast(MESSAGES_TYPE).gather(place)


class _Ended(Exception):
    """A worker's process has ended, or was ended because it took too long."""


class _Worker:
    """One process, and the pipes to it."""

    def __init__(self, templates: Sequence[Template]) -> None:
        # Not multiprocessing: a fork can hang on the locks of Polars' threads, and its other ways run the user's main script once more.
        # A session of its own, so that Ctrl-C reaches the pool alone, which then ends the workers; -P, or the current folder could give
        # the modules.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", "-c", _SERVE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True)  # noqa: S603
        self._is_late = False
        with suppress(OSError):  # where it has ended, the first request finds out
            send(self._stdin, [(template.source, template.location, template.words_in) for template in templates])

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def ask(self, request: Any, seconds: float) -> Columns:
        """Sends a request and waits for the reply.

        Raises:
            _Ended: the process has ended, or takes longer than so many seconds; the message says which.
        """
        alarm = threading.Timer(seconds, self._expire)
        alarm.daemon = True
        alarm.start()
        try:
            send(self._stdin, request)
            reply: Columns = receive(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, ValueError) as error:
            code = self._process.wait()
            how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
            raise _Ended(f"took longer than {seconds:,.0f} s" if self._is_late else f"ended ({how})") from error
        finally:
            alarm.cancel()
        return reply

    def _expire(self) -> None:
        self._is_late = True
        self.kill()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Lets the process end, and waits for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # of what was not yet written to a process that has ended
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()


class JinjaPool:
    """Renders batches of rows with Jinja in several processes. Use it in a `with` statement.

    The processes start when more than a few thousand rows have come; fewer are rendered in this process, at once. What comes back is the
    same either way, and does not depend on the number of processes.

    Args:
        templates: those that batches name by index.
        num_workers: processes; default: as many as there are cores to run on.
    """

    def __init__(self, templates: Sequence[Template], num_workers: int | None = None) -> None:
        self._templates = list(templates)
        self._num_workers = num_workers or usable_cores()
        self._num_seen = 0
        self._time_budgets = [TimeBudget() for _ in self._templates]
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._failure: UserError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if kind is not None:
            self._kill()
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def submit(self, index: int, rows: pl.DataFrame) -> Future[pl.DataFrame]:
        """Renders one batch with a template, as `render_frame` does.

        The future raises a UserError where a worker's process ends or takes too long, or where row after row goes past the template's
        limits; all others are stopped then.
        """
        self._num_seen += rows.height
        if self._threads is None and self._num_seen <= _MIN_ROWS:
            done: Future[pl.DataFrame] = Future()
            try:
                done.set_result(render_frame(self._templates[index], rows, self._time_budgets[index]))
            except UserError as error:
                done.set_exception(error)
            return done
        return self._start().submit(self._render, index, rows)

    def map(self, index: int, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Renders batches with a template and yields what they give, in their order; only a few are held at a time.

        Raises:
            UserError: as `submit`.
        """
        pending: deque[Future[pl.DataFrame]] = deque()
        for frame in frames:
            pending.append(self.submit(index, frame))
            while len(pending) > 2 * self._num_workers or (pending and pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def render(self, index: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Renders a whole frame with a template, in batches.

        Raises:
            UserError: as `submit`.
        """
        if rows.is_empty() or (rows.height <= _MIN_ROWS and self._threads is None):
            return self.submit(index, rows).result()
        per_row = max(1, int(rows.estimated_size()) // rows.height)
        shared = max(_MIN_BATCH_ROWS, -(-rows.height // (2 * self._num_workers)))  # so that all have work, and finish about together
        size = max(1, min(_MAX_BATCH_ROWS, shared, _MAX_BATCH_BYTES // per_row))
        return pl.concat(self.map(index, rows.iter_slices(size)))

    def _start(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._workers = [_Worker(self._templates) for _ in range(self._num_workers)]
            for worker in self._workers:
                self._idle.put(worker)
            self._threads = ThreadPoolExecutor(self._num_workers, thread_name_prefix="jinja")
        return self._threads

    def _render(self, index: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Has a worker render a batch. One thread a worker, so that there is always an idle one."""
        template = self._templates[index]
        worker = self._idle.get()
        try:
            reply = worker.ask((index, *_to_columns(template, rows)), _SECONDS_A_BATCH + _SECONDS_A_ROW * rows.height)
        except _Ended as error:
            cause = f"a process that renders '{template.name}' {error}, within {rows.height} rows"
            remedy = "Nothing was written. It may have run out of memory: free some, or shorten the longest rows."
            raise self._fail(UserError(cause, template.location, remedy)) from error
        finally:
            self._idle.put(worker)
        if GAVE_UP in reply:
            raise self._fail(UserError(*reply[GAVE_UP]))
        return _to_frame(reply)

    def _fail(self, error: UserError) -> UserError:
        """Stops all workers; returns the first error, of which the others are a consequence."""
        with self._lock:
            if self._failure is None:
                self._failure = error
                self._kill()
            return self._failure

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()
