"""What a build did, for people."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from loopwright.console import console, notice
from prep.build.run import BuildResult
from prep.build.split import smallest_difference
from prep.dataset.manifest import UnreadInfo
from prep.sources.unread import describe_unread

# Below this, fewer than about 1 in 16 changed answers would go unseen: no reason to worry people.
_WORTH_SAYING = 0.06
_MAX_UNREAD = 12


def small_split_warning(splits: Mapping[str, int]) -> str | None:
    """Returns what a small split for evaluation cannot show; None where it is large enough, or there is none."""
    name = "test" if splits.get("test") else "validation"
    num_rows = splits.get(name, 0)
    smallest = smallest_difference(num_rows)
    if not num_rows or smallest < _WORTH_SAYING:
        return None
    return f"With {num_rows:,} {name} examples, differences under about {100 * smallest:.0f} points are noise"


def unread_lines(unread: Mapping[str, UnreadInfo]) -> list[str]:
    """Returns what is said of the keys that nothing reads: each with its count and its first row, and what can be done."""
    if not unread:
        return []
    found = [f"  {line}" for line in describe_unread(unread, _MAX_UNREAD)]
    columns = "To use a column, name it as an input of a template, or map it to one under 'fields:'."
    nested = "What stands within a message has no place in a chat: move it to a column." if any("[]" in path for path in unread) else ""
    return ["not read, so not in the dataset:", *found, f"{columns} {nested}".rstrip()]


def print_build(result: BuildResult) -> None:
    """Prints a build's accounting to stderr."""
    manifest = result.manifest
    if result.cached:
        notice(f"{result.out}: nothing has changed since the last build; nothing to do")
    for line in result.notices:
        notice(line)
    notice(f"{manifest.name} -> {result.out}")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("raw rows read", "kept", "dropped", "examples", *manifest.splits):
        table.add_column(column, justify="right")
    counts = (manifest.rows.read, manifest.rows.kept, sum(manifest.rows.dropped.values()), manifest.examples, *manifest.splits.values())
    table.add_row(*(f"{count:,}" for count in counts))
    console().print(table)
    for reason, count in manifest.rows.dropped.items():
        notice(f"  dropped {count:,}: {reason}")
    if manifest.rows.dropped:
        notice(f"  each row that was dropped, and why: {result.out / 'dropped.jsonl'}")
    for line in unread_lines(manifest.unread):
        notice(f"  {line}")
    if (warning := small_split_warning(manifest.splits)) is not None:
        notice(f"  {warning}")
    for template, reasons in result.not_rendered.items():
        for reason, count in reasons.items():
            notice(f"  {template} could not render {count:,} rows that other templates did: {reason}")
    if manifest.canaries is not None:
        planted = f"{manifest.canaries.count:,} canaries planted in train"
        notice(f"  {planted}: a model that is trained on this dataset is for measuring what it keeps, and not to be shipped")
    if manifest.fixes.applied:
        notice(f"  {manifest.fixes.applied:,} fixes applied")
    for stale in manifest.fixes.stale:
        moved = f"; row {stale['moves_to']} now has the old values" if stale["moves_to"] else ""
        why = "the row is not in the data" if stale["now"] is None else f"the row was {stale['then']} and is {stale['now']}"
        notice(f"  {manifest.config['fixes']}:{stale['line']}: this fix no longer applies: {why}{moved}")
