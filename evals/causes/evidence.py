"""What lint says of the rows behind the predictions: candidate causes of failures."""

from collections.abc import Iterable
from pathlib import Path

from evals.data.rows import EvalRow
from loopwright.errors import UserError
from prep.lint.run import lint


def lint_evidence(dataset_path: Path, rows: Iterable[EvalRow], notes: list[str]) -> dict[str, dict[str, str]]:
    """Returns example id -> lint code -> message, for every example of a row that a diagnostic names or refers to.

    Args:
        dataset_path: a built dataset.
        rows: the evaluated and the train examples.
        notes: told where lint cannot run; an evaluation does without it.
    """
    try:
        report = lint(dataset_path)
    except UserError as error:
        notes.append(f"failures are not joined with lint: {error}")
        return {}
    ids_of: dict[str, list[str]] = {}
    row_of: dict[str, str] = {}
    for row in rows:
        ids_of.setdefault(row.row_id, []).append(row.id)
        row_of[row.id] = row.row_id
    found: dict[str, dict[str, str]] = {}
    for diagnostic in report.diagnostics:
        # Lint reports a raw row once, whichever of its examples it saw first: the finding holds for all of them.
        row_ids = {diagnostic.row_id, *(row_of.get(related) for related in diagnostic.related)}
        for row_id in row_ids - {None}:
            for example_id in ids_of.get(str(row_id), []):
                found.setdefault(example_id, {}).setdefault(diagnostic.code, diagnostic.message)
    return found
