"""`stages.json`: what came of a list of stages, and what each model forgot of the stages before."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.notebook import html_table
from templates.form import Form
from train.runs.proof import Proof, failed_proofs
from train.runs.record import RunRecord

if TYPE_CHECKING:
    import polars as pl

STAGES_NAME = "stages.json"
BASE = "base"


@dataclass(frozen=True, slots=True)
class Score:
    """One model on the validation split of one stage.

    Attributes:
        after: the stage whose model it is; `base`: the model before all of them; `start`: what the first of them began with.
        on: the stage whose validation split it is.
        loss: the mean loss by that stage's objective, in nats: of chats and texts a trained token, of others an example; or None.
        low: where its 95 % interval begins; None where so few rows have none.
        high: where it ends.
        why_not: why there is no loss.
    """

    after: str
    on: str
    loss: float | None
    low: float | None = None
    high: float | None = None
    why_not: str | None = None

    @property
    def shown(self) -> str:
        """For a table."""
        if self.loss is None:
            return f"none: {self.why_not}"
        return f"{self.loss:.4f}" + ("" if self.low is None or self.high is None else f" ({self.low:.4f} to {self.high:.4f})")


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the loss on a stage has changed from that stage's own model to the last one, paired by row.

    Attributes:
        on: the stage.
        rise: above zero where something was forgotten.
        low: where its 95 % interval begins; None where so few rows have none.
        high: where it ends.
    """

    on: str
    rise: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """What it comes to, in words."""
        interval = "" if self.low is None or self.high is None else f" ({self.low:+.4f} to {self.high:+.4f})"
        is_known = self.low is not None and self.high is not None
        what = "unchanged beyond the noise"
        if is_known and self.low is not None and self.low > 0:
            what = "partly forgotten"
        elif is_known and self.high is not None and self.high < 0:
            what = "better still"
        return f"{self.on}: {self.rise:+.4f}{interval} since its own stage, {what}"


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """One stage that is trained.

    Attributes:
        name: the stage's name.
        folder: the run's folder.
        replay: the share of its epochs that was replayed.
        record: what `run.json` says.
    """

    name: str
    folder: Path
    replay: float
    record: RunRecord

    def as_json(self) -> dict[str, Any]:
        """Returns what `stages.json` says of it."""
        record = self.record
        names = ("objective", "dataset", "num_examples", "num_validation_examples", "num_steps", "best_step", "validation_loss", "seconds")
        unit = "trained token" if record.form in {Form.CHAT, Form.COMPLETION} else "example"
        more = {"replay": self.replay, "unit": f"nats per {unit}", "failed_proofs": list(failed_proofs(record.proofs))}
        return {"name": self.name, "run": self.name, **{name: getattr(record, name) for name in names}, **more}


@dataclass(frozen=True, slots=True)
class StagesResult:
    """Stages that are trained.

    Attributes:
        out: their folder; each run lies in a folder of the stage's name.
        stages: all of them, in their order.
        scores: each model on each stage's validation split, model by model.
        changes: of each stage but the last, whether the last model has lost it.
    """

    out: Path
    stages: list[StageOutcome]
    scores: list[Score]
    changes: list[Change]

    @property
    def failed_proofs(self) -> dict[str, Proof]:
        """The proofs at the end of the runs that do not hold, as `stage: proof`."""
        return {f"{one.name}: {name}": proof for one in self.stages for name, proof in failed_proofs(one.record.proofs).items()}

    def as_json(self) -> dict[str, Any]:
        """Returns what `stages.json` says, and `--json` prints."""
        return {
            "stages": [one.as_json() for one in self.stages],
            "matrix": [asdict(one) for one in self.scores],
            "changes": [asdict(one) for one in self.changes],
        }

    def to_polars(self) -> "pl.DataFrame":
        """Returns one row a model and stage: the mean loss with its interval."""
        import polars as pl

        numbers = dict.fromkeys(("loss", "low", "high"), pl.Float64())
        schema = {"after": pl.String(), "on": pl.String(), **numbers, "why_not": pl.String()}
        return pl.DataFrame([asdict(one) for one in self.scores], schema=schema)

    def rows(self) -> list[tuple[str, ...]]:
        """Returns the matrix for a table: a row a model, its name first, and a column a stage."""
        by_model: dict[str, list[str]] = {}
        for one in self.scores:
            by_model.setdefault(one.after, []).append(one.shown)
        return [(name, *shown) for name, shown in by_model.items()]

    def _repr_html_(self) -> str:
        columns = ("after", *(one.name for one in self.stages))
        return html_table(f"stages -> {self.out}", columns, self.rows(), [one.verdict for one in self.changes])


def read_scores(saved: Mapping[str, Any]) -> tuple[list[Score], list[Change]]:
    """Returns the matrix that a `stages.json` holds.

    Raises:
        TypeError: it is of another version.
        KeyError: the same.
    """
    return [Score(**one) for one in saved["matrix"]], [Change(**one) for one in saved["changes"]]
