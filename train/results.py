"""What the library calls of `train` return of a run, and of an export."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.errors import UserError
from loopwright.notebook import html_table
from train.runs.exported import ExportRecord
from train.runs.folder import LEDGER_NAME, weights_dir
from train.runs.proof import Proof, failed_proofs, proofs_summary
from train.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished training run.

    Attributes:
        out: the run's folder; `evals.evaluate` takes it as `adapter`.
        record: what `run.json` says.
    """

    out: Path
    record: RunRecord

    def to_polars(self) -> pl.DataFrame:
        """Returns the training ledger: one row an example and epoch, with its mean loss per trained token (nats).

        Raises:
            UserError: the run's folder is no longer there, or damaged.
        """
        try:
            return pl.read_parquet(weights_dir(self.out) / LEDGER_NAME)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError("the training ledger cannot be read", str(self.out / LEDGER_NAME), "Train again.") from error

    @property
    def failed_proofs(self) -> dict[str, Proof]:
        """The proofs at the end of the run that do not hold: where there are any, do not trust it."""
        return failed_proofs(self.record.proofs)

    def _repr_html_(self) -> str:
        record = self.record
        rows: list[tuple[str, object]] = [
            ("model", record.model),
            ("objective", record.objective),
            ("examples", record.num_examples),
            ("steps", record.num_steps),
            ("train loss (nats per trained token)", record.final_train_loss),
            ("validation loss", record.validation_loss),
            ("seconds", record.seconds),
        ]
        left_out = len(record.dropped_too_long) + len(record.dropped_other_form)
        notes = [f"left out: {left_out:,} examples"] if left_out else []
        notes += [proofs_summary(record.proofs)] if self.failed_proofs else []
        return html_table(f"run -> {self.out}", ("", "value"), rows, notes)


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A run as a folder that other programs load.

    Attributes:
        out: the folder.
        record: what `export.json` says.
    """

    out: Path
    record: ExportRecord

    def _repr_html_(self) -> str:
        record, difference = self.record, self.record.difference
        rows: list[tuple[str, object]] = [
            ("run", record.run),
            ("validation examples", record.num_validation_examples),
            ("loss as trained", record.loss_before),
            ("loss as exported", record.loss_after),
            ("difference", None if difference is None else difference.value),
            ("bytes", sum(one.bytes for one in record.files.values())),
        ]
        notes = [*([] if record.not_measured is None else [f"not measured: {record.not_measured}"]), *record.notes]
        return html_table(f"{record.to} -> {self.out}", ("", "value"), rows, notes)
