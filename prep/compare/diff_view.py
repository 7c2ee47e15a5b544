"""A comparison of two datasets, for machines and for people."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loopwright.console import printable
from prep.compare.diff import ChangedExample, DatasetDiff, LabelShare
from prep.compare.diff_rows import CAUSES
from prep.text.diff import render_words, shorten, word_diff

if TYPE_CHECKING:
    from rich.console import RenderableType

_MAX_LABELS = 12
_MAX_VALUE = 60


def diff_json(found: DatasetDiff) -> dict[str, Any]:
    """Returns the comparison as `prep diff --json` prints it; `added`, `removed`, `changed` and `by_cause` count raw rows."""
    tally = found.tally
    return {
        "added": found.count("added"),
        "removed": found.count("removed"),
        "changed": found.count("changed"),
        "by_cause": found.by_cause,
        "dropped": found.by_reason("dropped"),
        "no_longer_dropped": found.by_reason("no_longer_dropped"),
        "replaced_in_place": tally.in_place,
        "moved": {f"{one} -> {other}": number for (one, other), number in sorted(tally.moved.items())},
        "examples": {
            **{status: tally.examples[status] for status in ("added", "removed", "changed")},
            "before": found.before.splits,
            "after": found.after.splits,
            "by_template": {name: dict(zip(("before", "after"), counts, strict=True)) for name, counts in found.by_template.items()},
        },
        "templates": [asdict(change) for change in found.templates],
        "config": {path: {"before": before, "after": after} for path, (before, after) in found.config.items()},
        "labels": [asdict(share) for share in found.labels],
        "lint": None if found.lint is None else {code: {"before": before, "after": after} for code, (before, after) in found.lint.items()},
        "samples": [_sample_json(sample) for sample in found.samples],
    }


def _sample_json(sample: ChangedExample) -> dict[str, Any]:
    after = sample.after
    parts = [{"part": part, "before": before, "after": now} for part, before, now in changed_parts(sample.cause, sample.before, after)]
    return {**{key: after[key] for key in ("id", "row_id", "source", "line")}, "cause": sample.cause, "parts": parts}


def changed_parts(cause: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    """Yields (part, text before, text after) of what differs in an example: its fields after a fix, else its rendering, else its place.

    Args:
        cause: a key of `CAUSES`.
        before: an example, with `EXAMPLE_SCHEMA`.
        after: the same example later.
    """
    if cause == "fix":
        one, other = (_fields(row) for row in (before, after))
    elif cause == "template":
        one, other = (rendered_parts(row) for row in (before, after))
    else:
        one, other = ({key: row[key] for key in ("split", "source", "group")} for row in (before, after))
    for part in dict.fromkeys((*one, *other)):
        if one.get(part) != other.get(part):
            yield part, one.get(part), other.get(part)


def _fields(row: dict[str, Any]) -> dict[str, str | None]:
    fields = json.loads(row["fields"])
    return {
        name: value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in fields.items()
    }


def rendered_parts(row: dict[str, Any]) -> dict[str, str | None]:
    """Returns the texts that an example renders to, by where they stand in it: each message, prompt, target, text, choices and so on."""
    parts: dict[str, str | None] = {}
    for name in ("messages", "chosen", "rejected"):
        for number, message in enumerate(row[name] or []):
            parts[f"{name}[{number}] {message['role']}"] = message["content"]
    parts |= {name: row[name] for name in ("prompt", "target", "mask", "text", "extras") if row[name] is not None}
    if row["wanted"] is not None:
        parts["wanted"] = "yes" if row["wanted"] else "no"
    if row["choices"]:
        parts["choices"] = ", ".join(row["choices"])
    return parts


def render_diff(found: DatasetDiff) -> "RenderableType":
    """Returns the comparison for people: counts by cause, what was set otherwise, shares of labels, and changed examples word by word."""
    from rich.console import Group
    from rich.text import Text

    blocks: list[RenderableType] = [Text(_headline(found), style="bold")]
    if found.is_same and not found.config and not found.templates:
        return Group(*blocks)
    blocks.append(_cause_table(found))
    blocks += [Text(line) for line in _remarks(found)]
    if any(share.before != share.after for share in found.labels):
        blocks.append(_label_table(found.labels))
    if found.lint is not None:
        blocks.append(_lint_table(found.lint))
    blocks += [render_change(sample.cause, sample.before, sample.after) for sample in found.samples]
    return Group(*blocks)


def _headline(found: DatasetDiff) -> str:
    counts = ", ".join(f"{found.count(status):,} {status}" for status in ("added", "removed", "changed"))
    same = found.before.rows.kept - found.count("removed") - found.count("changed")
    return f"{found.before.name} -> {found.after.name}: raw rows: {counts}, {same:,} as they were"


def _cause_table(found: DatasetDiff) -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("cause")
    table.add_column("raw rows", justify="right")
    table.add_column("which means")
    for cause, number in found.by_cause.items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.by_reason(cause).items())
        if number:
            table.add_row(cause, f"{number:,}", printable(f"{CAUSES[cause]} ({reasons})" if reasons else CAUSES[cause]))
    return table


def _remarks(found: DatasetDiff) -> Iterator[str]:
    for change in found.templates:
        versions = f" (version {change.before} -> {change.after})" if change.change == "edited" else ""
        yield printable(f"template {change.name}: {change.change}{versions}")
    for path, (before, after) in found.config.items():
        yield printable(f"config {path}: {_value(before)} -> {_value(after)}")
    if found.tally.in_place:
        yield (
            f"{found.tally.in_place:,} rows left a line at which another came: edited in the source? "
            "A row without a 'key:' is named by its content, so that an edit makes another row of it."
        )
    if found.tally.moved:
        moved = ", ".join(f"{one} -> {other} {number:,}" for (one, other), number in sorted(found.tally.moved.items()))
        yield f"examples that moved: {moved}"
    for name, (before, after) in found.by_template.items():
        if before != after:
            yield printable(f"examples of {name}: {before:,} -> {after:,}")


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}…"


def _label_table(labels: list[LabelShare]) -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shifted = sorted(labels, key=lambda share: -abs(share.share_after - share.share_before))[:_MAX_LABELS]
    caption = f"the {_MAX_LABELS} largest shifts of {len(labels):,}; all of them with --json" if len(labels) > _MAX_LABELS else None
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    for column in ("template", "split", "label"):
        table.add_column(column, overflow="fold")
    for column in ("before", "after", "share before", "share after", "points"):
        table.add_column(column, justify="right")
    for share in labels:
        if share in shifted:
            points = 100 * (share.share_after - share.share_before)
            numbers = (f"{share.before:,}", f"{share.after:,}", f"{share.share_before:.1%}", f"{share.share_after:.1%}", f"{points:+.1f}")
            table.add_row(printable(share.template), share.split, printable(share.label), *numbers)
    return table


def _lint_table(counts: dict[str, tuple[int, int]]) -> "RenderableType":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not counts:
        return Text("lint: no rule finds anything in either")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("lint rule")
    for column in ("before", "after", "change"):
        table.add_column(column, justify="right")
    for code, (before, after) in counts.items():
        table.add_row(code, f"{before:,}", f"{after:,}", f"{after - before:+,}")
    return table


def render_change(cause: str, before: dict[str, Any], after: dict[str, Any]) -> "RenderableType":
    """Returns a panel with what differs in one example, word by word."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    lines: list[Text] = []
    for part, one, other in changed_parts(cause, before, after):
        lines += [Text(printable(part), style="bold cyan"), render_words(shorten(word_diff(one or "", other or "")))]
    title = Text(printable(f"{cause}  {after['source']}:{after['line']}  {after['split']}  {after['template']}"))
    return Panel(Group(*lines), title=title, subtitle=Text(printable(after["id"])), title_align="left", subtitle_align="left")
