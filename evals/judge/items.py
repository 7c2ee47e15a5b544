"""What is judged: the answers of a finished evaluation, each with the example that it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from evals.data.contract import Report
from evals.data.role import Role
from evals.data.rows import EvalRow, load_rows
from evals.data.saved import read_predictions
from evals.judge.contract import ItemState, Kind
from evals.reports.results import PREDICTIONS_NAME, read_report
from evals.reports.table import short_names
from loopwright.errors import UserError, did_you_mean
from prep.dataset.manifest import MANIFEST_NAME, Dataset

_OTHER_DATASET = "Give the dataset that was evaluated with --dataset, or evaluate again: evals run."


@dataclass(frozen=True, slots=True)
class Item:
    """An example with the answers to judge.

    Attributes:
        row: the example.
        answers: one of each system that is judged, one or two; None where a system has none.
    """

    row: EvalRow
    answers: tuple[str | None, ...]

    @property
    def settled(self) -> ItemState | None:
        """How the example ends without anybody being asked; None where a judge has to say."""
        if None in self.answers:
            return ItemState.NO_ANSWER
        return ItemState.IDENTICAL if len(self.answers) == 2 and self.answers[0] == self.answers[1] else None

    @property
    def texts(self) -> tuple[str, ...]:
        """The answers of an example that has all of them."""
        return tuple(text for text in self.answers if text is not None)


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished evaluation.

    Attributes:
        folder: where it lies.
        report: its report.json.
        rows: the examples, in the order of the dataset.
        answers: system -> example id -> its text, of those that have one.
    """

    folder: Path
    report: Report
    rows: list[EvalRow]
    answers: dict[str, dict[str, str]]

    @classmethod
    def open(cls, folder: Path, dataset: Path | None = None) -> "Finished":
        """Opens an evaluation's folder and the dataset that it is about.

        Of a run from several seeds the answers are those of the seed of the median loss, which stand first.

        Args:
            folder: what `evals run` wrote.
            dataset: where the dataset is now; default: where report.json says.

        Raises:
            UserError: there is no evaluation, or its dataset is gone or another one now.
        """
        report = read_report(folder)
        frame = read_predictions(folder / PREDICTIONS_NAME)
        rows = _rows(report, frame, dataset or Path(report.dataset))
        first = frame.unique(["system", "id"], keep="first", maintain_order=True).filter(pl.col("prediction").is_not_null())
        answers: dict[str, dict[str, str]] = {system: {} for system in report.systems}
        for system, id_, text in first.select("system", "id", "prediction").iter_rows():
            answers.setdefault(system, {})[id_] = text
        return cls(folder, report, rows, answers)

    def choose(self, named: Sequence[str], kind: Kind) -> list[str]:
        """Returns the systems to judge: two to compare, the tuned one and its base, or one.

        Args:
            named: as the user calls them; empty for the default.
            kind: what is judged.

        Raises:
            UserError: there are no such systems, or not so many.
        """
        number = 2 if kind is Kind.PAIRWISE else 1
        known = list(self.answers)
        chosen = [self._find(name) for name in named] or self._default(kind)
        if len(set(chosen)) != number:
            what = "two systems, to compare their answers" if number == 2 else "one system, whose answers pass or fail"
            remedy = f"Name {'two' if number == 2 else 'one'} with --systems. This evaluation has: {', '.join(known)}."
            raise UserError(f"a judge needs {what}, and has {', '.join(chosen) or 'none'}", str(self.folder), remedy)
        return chosen

    def items(self, systems: Sequence[str]) -> list[Item]:
        """Returns the examples with the answers of some systems."""
        return [Item(row, tuple(self.answers[system].get(row.id) for system in systems)) for row in self.rows]

    def _default(self, kind: Kind) -> list[str]:
        roles = {label: system.role for label, system in self.report.systems.items()}
        found = [next((label for label, role in roles.items() if role is wanted), None) for wanted in (Role.TUNED, Role.BASE)]
        there = [label for label in found if label is not None]
        return there if kind is Kind.PAIRWISE else there[:1] or list(roles)[:1]

    def _find(self, name: str) -> str:
        short = {said: label for label, said in short_names(self.report).items()}
        known = list(self.answers)
        found = name if name in known else short.get(name)
        if found is None:
            raise UserError(f"the evaluation has no system '{name}'", "--systems", did_you_mean(name, known))
        return found


def _rows(report: Report, frame: pl.DataFrame, path: Path) -> list[EvalRow]:
    """Returns the examples that were evaluated, from the dataset as it is now.

    Raises:
        UserError: the dataset is not there, was built anew from other data or by another config, or its examples are others.
    """
    if not (path / MANIFEST_NAME).is_file():
        raise UserError(f"the dataset of this evaluation is not at '{path}'", str(path), f"It may have been moved. {_OTHER_DATASET}")
    dataset = Dataset.open(path)
    if dataset.manifest.key != report.dataset_key:
        cause = f"the dataset is another one than was evaluated: its key is {dataset.manifest.key[:8]}, and report.json has "
        raise UserError(f"{cause}{report.dataset_key[:8]}", str(path), _OTHER_DATASET)
    wanted = set(frame["id"])
    rows = [row for row in load_rows(dataset, report.split)[0] if row.id in wanted]  # type: ignore[arg-type]  # a split that was evaluated
    references = dict(frame.select("id", "reference").unique("id").iter_rows())
    if len(rows) < len(wanted) or any(row.reference != references[row.id] for row in rows):
        raise UserError("the dataset's examples are no longer those that were evaluated", str(path), _OTHER_DATASET)
    return rows
