"""Train rows that also stand in an evaluation split, as lint finds them: an evaluation would measure memory."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from prep.lint.options import LintOptions
from prep.lint.run import lint
from prep.text.normalise import normalise
from templates.form import Form
from train.data.examples import TrainingExample
from train.data.mixture import SEPARATOR, MixedDataset

CODES = ("LEK401", "LEK402")
_MOST_NAMED = 20
_READ = ("id", "split", "text", "prompt", "messages", "extras", "chosen", "rejected", "wanted")


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


def find_leaks(dataset: Dataset, train: list[TrainingExample], form: Form, config_path: Path | None = None) -> Leaks:
    """Returns the train examples that LEK401 or LEK402 finds in validation or test too.

    Findings that the dataset's config suppresses, or that a person kept, count for nothing, as in lint.

    Args:
        dataset: the built dataset.
        train: what is trained on.
        form: what of a row is trained.
        config_path: the dataset's config, where it does not lie beside it; of a mixture, each dataset's own lies beside it.

    Raises:
        UserError: the dataset cannot be read.
    """
    if isinstance(dataset, MixedDataset):
        return _find_in_mixture(dataset, train, form)
    return _find(dataset, train, config_path)


def _find(dataset: Dataset, train: list[TrainingExample], config_path: Path | None = None) -> Leaks:
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


def _find_in_mixture(dataset: MixedDataset, train: list[TrainingExample], form: Form) -> Leaks:
    """Looks within each dataset as lint does, and across them for the same input: near-duplicates are not looked for there."""
    ids: set[str] = set()
    unasked: set[str] = set()
    for name, part in dataset.parts.items():
        prefix = name + SEPARATOR
        own = [replace(one, id=one.id.removeprefix(prefix)) for one in train if one.dataset == name]
        found = _find(part, own)
        ids |= {prefix + one for one in found.ids}
        unasked |= {prefix + one for one in found.unasked}
    across = _across(dataset, {one.id for one in train}, form)
    ids |= across
    return Leaks([one.id for one in train if one.id in ids], [one.id for one in train if one.id in unasked | across])


def _across(dataset: MixedDataset, trained: set[str], form: Form) -> set[str]:
    """Returns the ids of train examples whose input, by LEK401's measure of equal, is an evaluation row's of another dataset."""
    held_out: dict[str, set[str]] = {}
    inputs: dict[str, tuple[str, str]] = {}
    for name, part in dataset.parts.items():
        for row in part.examples().select(_READ).collect().iter_rows(named=True):
            key, id_ = _input_key(row, form), f"{name}{SEPARATOR}{row['id']}"
            if key and row["split"] != "train":
                held_out.setdefault(key, set()).add(name)
            elif key and id_ in trained:
                inputs[id_] = name, key
    return {id_ for id_, (name, key) in inputs.items() if held_out.get(key, set()) - {name}}


def _input_key(row: dict[str, Any], form: Form) -> str:
    """Returns what a row gives the model to read, so that equal ones are equal; of plain text, the text."""
    if form == Form.COMPLETION:
        return normalise(row["text"] or "")
    if form == Form.VERBALIZER:
        return normalise(row["prompt"] or "")
    found = messages_of(row)
    return normalise("\n".join(str(one["content"] or "") for one in found.asked if one["role"] != "system"))


def leak_error(dataset: Dataset, leaks: list[str], train: list[TrainingExample]) -> UserError:
    """Returns the refusal of a run on train examples that leak."""
    rows = {example.id: f"{example.row_id} ({example.location})" for example in train}
    named = ", ".join(rows[one] for one in leaks[:_MOST_NAMED])
    if len(leaks) > _MOST_NAMED:
        named += f" and {len(leaks) - _MOST_NAMED} more"
    count = f"{len(leaks)} train rows also appear" if len(leaks) > 1 else "1 train row also appears"
    mixed = isinstance(dataset, MixedDataset)
    folders = [part.path for part in dataset.parts.values()] if isinstance(dataset, MixedDataset) else [dataset.path]
    seen = "; ".join(f"prep lint {folder} --select {','.join(CODES)}" for folder in folders)
    within = "Take those within one dataset out: prep fix propose" if mixed else "Take them out: prep fix propose"
    across = " What stands in train of one and in validation or test of another, leave out of one of them." if mixed else ""
    return UserError(
        f"{count} in validation or test{' of a dataset of the mixture' if mixed else ''}, or nearly so: scores there would measure memory. "
        f"Rows: {named}",
        ", ".join(map(str, folders)),
        f"See them: {seen}. {within} {'DATASET' if mixed else folders[0]}, and build again.{across} "
        "Or train on them all the same: --leaks allow (train: {leaks: allow}).",
    )
