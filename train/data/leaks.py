"""Train rows that also stand in an evaluation split, as lint finds them: an evaluation would measure memory."""

from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.lint.options import LintOptions
from prep.lint.run import lint
from train.data.examples import TrainingExample

CODES = ("LEK401", "LEK402")
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Leaks:
    """Train examples that are also in validation or test, in the dataset's order.

    Attributes:
        ids: all of them.
        unasked: those but for the ones that the config itself puts there: the same line of a file that it names for both splits, as whoever
            tries whether a model can learn a handful of rows by heart does.
    """

    ids: list[str]
    unasked: list[str]


def find_leaks(dataset: Dataset, train: list[TrainingExample], config_path: Path | None = None) -> Leaks:
    """Returns the train examples that LEK401 or LEK402 finds in validation or test too.

    Findings that the dataset's config suppresses, or that a person kept, count for nothing, as in lint.

    Args:
        dataset: the built dataset.
        train: what is trained on.
        config_path: the dataset's config, where it does not lie beside it.

    Raises:
        UserError: the dataset cannot be read.
    """
    report = lint(dataset.path, options=LintOptions(select=CODES), config_path=config_path)
    # A finding is of the evaluation row, and relates it to those of train.
    found = [(one.id or "", other) for one in report.diagnostics for other in one.related]
    if not found:
        return Leaks([], [])
    rows = dataset.examples().select("id", "source", "line").collect()
    places = {id_: (source, line) for id_, source, line in rows.iter_rows()}
    named = {other for _, other in found}
    unasked = {other for one, other in found if places.get(one) != places.get(other)}
    return Leaks([one.id for one in train if one.id in named], [one.id for one in train if one.id in unasked])


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
