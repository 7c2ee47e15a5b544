"""The rows that an export leaves out because its target would refuse them, listed beside it with what is wrong with each."""

from pathlib import Path
from typing import Any

from loopwright.files import write_json_lines
from prep.targets.checks.rules import Problem
from prep.targets.rows import ExportRow


class Dropped:
    """The list, as it grows."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def add(self, row: ExportRow, split: str, errors: list[Problem]) -> None:
        """Notes a row with all that is wrong with it."""
        source, _, line = row.location.rpartition(":")
        reasons = [{"rule": one.rule, "field": one.field, "message": one.message} for one in errors]
        self._rows.append({"source": source, "line": int(line), "id": row.id, "split": split, "reasons": reasons})

    def write(self, out: Path) -> Path | None:
        """Writes the list beside an export's folder, not into it, where a loader would take it for rows; removes an older one.

        Returns:
            Where it is; None where no row was dropped.

        Raises:
            UserError: it cannot be written.
        """
        path = out.with_name(f"{out.name}.dropped.jsonl")
        if not self._rows:
            path.unlink(missing_ok=True)
            return None
        write_json_lines(path, self._rows, private=True)
        return path
