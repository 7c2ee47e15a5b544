"""What a build did, for people."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from loopwright.console import console, notice
from prep.build import BuildResult


def print_build(result: BuildResult) -> None:
    """Prints a build's accounting to stderr."""
    manifest = result.manifest
    if result.cached:
        notice(f"{result.out}: nothing has changed since the last build; nothing to do")
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
    for template, reasons in result.not_rendered.items():
        for reason, count in reasons.items():
            notice(f"  {template} could not render {count:,} rows that other templates did: {reason}")
    if manifest.fixes.applied:
        notice(f"  {manifest.fixes.applied:,} fixes applied")
    for stale in manifest.fixes.stale:
        moved = f"; row {stale['moves_to']} now carries the old values" if stale["moves_to"] else ""
        notice(f"  stale fix at {manifest.config['fixes']}:{stale['line']}: then {stale['then']}, now {stale['now']}{moved}")
