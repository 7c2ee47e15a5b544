"""Renders rows with Jinja in plain Python lists: the inner loop of the fallback, and the process that runs it for a pool.

Polars is not imported here: a worker starts in a fifth of a second, and takes little memory.
"""

import gc
import marshal
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, BinaryIO

from loopwright.errors import UserError
from templates.rendered import OverLimitError, Rendered, RenderError
from templates.template import Template, parse_template

TEXT_PARTS = ("prompt", "target", "mask", "text", "extras")
LIST_PARTS = ("messages", "chosen", "rejected")
TRUTH_PART = "wanted"
REASON, DETAIL = "#reason", "#detail"
# What a batch gives: each text part as its values; of each list part (number of messages a row, None for none), roles, contents; the
# reasons and details of rows that fail. Only what `marshal` knows, which packs it faster than pickle does.
Columns = dict[str, Any]

_NOTHING = Rendered()
_LENGTH_BYTES = 8
# Jinja's contexts are cycles, and a batch makes thousands: looked for as rarely as memory allows.
_GC_THRESHOLD = 20_000
# The reply to a batch that was given up: cause, location, remedy.
GAVE_UP = "#gave up"
_PATIENCE_SECONDS = 20.0
_BEARABLE_SHARE = 10  # one row in so many may go past the limits, however long that takes


class TimeBudget:
    """How long the rows of a template went past its limits.

    Each row is stopped after a second or so, and yet a template that loops for ever in each of a million rows would take days to say so.
    """

    def __init__(self) -> None:
        self._num_rows = self._num_over = 0
        self._seconds = 0.0

    def count(self, template: Template, seconds: float, error: RenderError | None) -> None:
        """Counts one row.

        Args:
            template: what the row was rendered with.
            seconds: the time that it took.
            error: why it failed.

        Raises:
            UserError: too many rows were stopped by the limits, and took too long.
        """
        self._num_rows += 1
        if not isinstance(error, OverLimitError):
            return
        self._num_over += 1
        self._seconds += seconds
        if self._seconds > _PATIENCE_SECONDS and self._num_over * _BEARABLE_SHARE > self._num_rows:
            over = f"{self._num_over:,} of the first {self._num_rows:,} rows went past its limits, which took {self._seconds:,.0f} s"
            remedy = "Mend its loops, or leave the long rows out of the source."
            raise UserError(f"the template '{template.name}' is given up: {over}. The last: {error.cause}", template.location, remedy)


def render_columns(
    template: Template,
    columns: Mapping[str, Sequence[Any]],
    row_ids: Sequence[str] | None,
    num_rows: int,
    time_budget: TimeBudget | None = None,
) -> Columns:
    """Renders rows one by one.

    Args:
        template: the template.
        columns: each field's values; one that is not given is missing in all rows.
        row_ids: what the template's choices depend on.
        num_rows: how many rows there are.
        time_budget: with rows of the same template, those of earlier batches included; default: with these alone.

    Returns:
        The columns of what they render to. A row that cannot be rendered has a reason and a detail and nothing else.

    Raises:
        UserError: the time budget is used up.
    """
    time_budget = time_budget or TimeBudget()
    rendered = _render(template, columns, row_ids, num_rows, time_budget, is_checked=False)
    # Half of a surrogate pair, which JSON can write, is no character and cannot be stored. Looked for in the whole batch at once, as hardly
    # any has one.
    return rendered if _is_storable(rendered) else _render(template, columns, row_ids, num_rows, time_budget, is_checked=True)


def _render(
    template: Template,
    columns: Mapping[str, Sequence[Any]],
    row_ids: Sequence[str] | None,
    num_rows: int,
    time_budget: TimeBudget,
    *,
    is_checked: bool,
) -> Columns:
    texts: dict[str, list[str | None]] = {part: [] for part in TEXT_PARTS}
    lists: dict[str, tuple[list[int | None], list[str], list[str | None]]] = {part: ([], [], []) for part in LIST_PARTS}
    truths: list[bool | None] = []
    problems: dict[str, list[str | None]] = {REASON: [], DETAIL: []}
    for fields, row_id in zip(_rows(columns, num_rows), row_ids or repeat("", num_rows), strict=True):
        reason = detail = failure = None
        started = time.perf_counter()
        try:
            rendered = template.render(fields, row_id)
            if is_checked:
                _check_storable(rendered, template)
        except RenderError as error:
            rendered, failure = _NOTHING, error
            reason, detail = error.reason, f"template '{template.name}': {error.cause}"
        time_budget.count(template, time.perf_counter() - started, failure)
        problems[REASON].append(reason)
        problems[DETAIL].append(detail)
        truths.append(rendered.wanted)
        for part, values in texts.items():
            values.append(getattr(rendered, part))
        for part, (lengths, roles, contents) in lists.items():
            messages = getattr(rendered, part)
            lengths.append(None if messages is None else len(messages))
            for message in messages or ():
                roles.append(message["role"])
                contents.append(message["content"])
    return {**texts, **lists, TRUTH_PART: truths, **problems}


def _rows(columns: Mapping[str, Sequence[Any]], num_rows: int) -> Iterator[dict[str, Any]]:
    names = list(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)) if names else repeat({}, num_rows)


def _strings(columns: Columns) -> Iterator[str]:
    texts = (columns[part] for part in TEXT_PARTS)
    contents = (columns[part][2] for part in LIST_PARTS)
    return (text for text in chain.from_iterable(chain(texts, contents, [columns[DETAIL]])) if text is not None)


def _is_storable(columns: Columns) -> bool:
    try:
        "".join(_strings(columns)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_storable(rendered: Rendered, template: Template) -> None:
    lists = [messages or [] for messages in (rendered.messages, rendered.chosen, rendered.rejected)]
    texts = [getattr(rendered, part) for part in TEXT_PARTS] + [message["content"] for message in chain.from_iterable(lists)]
    try:
        "".join(text for text in texts if text is not None).encode()
    except UnicodeEncodeError as error:
        broken = f"the text has half of a surrogate pair, \\u{ord(error.object[error.start]):04x}, which is no character"
        raise RenderError(broken, f"template '{template.name}'", "Mend the row.") from error


def send(stream: BinaryIO, value: Any) -> None:
    """Writes one message."""
    data = marshal.dumps(value)
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "little"))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Reads one message.

    Raises:
        EOFError: the other side has closed the stream.
    """
    size = stream.read(_LENGTH_BYTES)
    data = stream.read(int.from_bytes(size, "little")) if len(size) == _LENGTH_BYTES else b""
    if not data:
        raise EOFError
    return marshal.loads(data)  # noqa: S302 (written by our own process)


def serve() -> None:
    """Runs a worker: receives the templates, then renders a batch for each request, until the pool closes its end."""
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed must not get among the replies
    templates = [_load(*given) for given in receive(requests)]
    time_budgets = [TimeBudget() for _ in templates]
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    while True:
        try:
            index, columns, row_ids, num_rows = receive(requests)
        except EOFError:
            return
        try:
            reply = render_columns(templates[index], columns, row_ids, num_rows, time_budgets[index])
        except UserError as error:
            reply = {GAVE_UP: (error.cause, error.location, error.remedy)}
        try:
            send(replies, reply)
        except BrokenPipeError:  # the pool is gone
            os._exit(1)


def _load(source: str, location: str, words_in: str | None) -> Template:
    template = parse_template(source, location)
    return template if words_in is None else template.in_language(words_in)
