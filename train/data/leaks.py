"""Train rows that also stand in an evaluation split, as lint finds them: an evaluation would measure memory."""

from pathlib import Path

from loopwright.errors import UserError
from prep.lint.options import LintOptions
from prep.lint.run import lint
from train.data.examples import TrainingExample

CODES = ("LEK401", "LEK402")
_MOST_NAMED = 20


def find_leaks(dataset_dir: Path, train: list[TrainingExample], config_path: Path | None = None) -> list[str]:
    """Returns the ids of the train examples that LEK401 or LEK402 finds in validation or test too, in the dataset's order.

    Findings that the dataset's config suppresses, or that a person kept, count for nothing, as in lint.

    Args:
        dataset_dir: the built dataset.
        train: what is trained on.
        config_path: the dataset's config, where it does not lie beside it.

    Raises:
        UserError: the dataset cannot be read.
    """
    report = lint(dataset_dir, options=LintOptions(select=CODES), config_path=config_path)
    named = {other for one in report.diagnostics for other in (one.id, *one.related)}
    return [example.id for example in train if example.id in named]


def leak_error(dataset_dir: Path, leaks: list[str], train: list[TrainingExample]) -> UserError:
    """Returns the refusal of a run on train examples that leak."""
    rows = {example.id: f"{example.row_id} ({example.location})" for example in train}
    named = ", ".join(rows[one] for one in leaks[:_MOST_NAMED])
    if len(leaks) > _MOST_NAMED:
        named += f" and {len(leaks) - _MOST_NAMED} more"
    count = f"{len(leaks)} train rows also appear" if len(leaks) > 1 else "1 train row also appears"
    return UserError(
        f"{count} in validation or test, or nearly so: scores there would measure memory. Rows: {named}",
        str(dataset_dir),
        f"See them: prep lint {dataset_dir} --select {','.join(CODES)}. Take them out: prep fix propose {dataset_dir}, and build again. "
        "Or train on them all the same: --leaks allow (train: {leaks: allow}).",
    )
