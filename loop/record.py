"""What is kept of a round: `round.json`, written last, says that the round is whole."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from evals.data.contract import MetricValue, PairReport, VerdictDetail
from evals.data.role import Role, role_of_earlier_name
from loopwright.errors import UserError
from loopwright.files import write_atomic

FILE_NAME = "round.json"
_FOLDER_PREFIX = "round-"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(_Model):
    """This round against an earlier one, on the validation examples that both have.

    Saved predictions of both are scored against this round's references, so that a corrected reference counts for both alike.
    """

    before: int  # the earlier round's number
    num_common: int
    values: dict[str, dict[str, MetricValue]]  # round's name -> metric -> value on the common examples
    pairs: list[PairReport]
    verdict: str
    detail: VerdictDetail


class RoundRecord(_Model):
    """One finished round."""

    number: int
    key: str  # hash of all that decides a round: dataset, training and evaluation options
    dataset_key: str
    examples: int
    splits: dict[str, int]
    dropped: dict[str, int]
    num_fixes: int
    num_stale: int
    lint: dict[str, int]  # rule -> findings
    lint_skipped: list[str]
    final_train_loss: float
    validation_loss: float | None
    metrics: dict[str, dict[str, MetricValue]]  # system -> metric -> value on this round's validation split
    roles: dict[str, Role] = {}  # system -> what it was compared as; empty in a record of before roles were written
    verdict: str  # tuned against base
    num_failures: int
    num_drafts: int
    comparison: Comparison | None
    failed_gates: list[str] = []  # in words
    seconds: float

    def save(self, folder: Path) -> None:
        """Writes the record into the round's folder."""
        write_atomic(folder / FILE_NAME, self.model_dump_json(indent=2) + "\n")


def round_dir(rounds_dir: Path, number: int) -> Path:
    """Returns the folder of a round."""
    return rounds_dir / round_name(number)


def round_name(number: int) -> str:
    """Returns the name of a round's folder."""
    return f"{_FOLDER_PREFIX}{number:03d}"


def finished_rounds(rounds_dir: Path) -> list[RoundRecord]:
    """Returns the finished rounds, the first one first.

    Raises:
        UserError: a record cannot be read.
    """
    records = []
    for path in sorted(rounds_dir.glob(f"{_FOLDER_PREFIX}*/{FILE_NAME}")):
        try:
            records.append(RoundRecord.model_validate_json(path.read_bytes()))
        except ValueError as error:
            raise UserError("the record of the round is damaged or of another version", str(path), "Remove that round's folder.") from error
    return sorted(records, key=lambda record: record.number)


def tuned_metrics(record: RoundRecord) -> dict[str, MetricValue]:
    """Returns the metrics of the round's tuned system."""
    roles = record.roles or {name: role_of_earlier_name(name) for name in record.metrics}
    return next((values for name, values in record.metrics.items() if roles[name] is Role.TUNED), {})
