"""The map of a run's rows, by what the training ledger saw of each (dataset cartography: Swayamdipta et al., 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.curves import Cloud, Dot, cloud
from train.runs.folder import LEDGER_NAME

MOST_DOTS = 1500
MOST_LISTED = 12
_NEVER, _SOMETIMES, _ALWAYS = "never correct", "correct in some epochs", "correct in every epoch"


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What a page says of a row beside its losses: where it stands, and how many tokens all its sequences have."""

    location: str
    num_tokens: int


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row of one of the page's lists."""

    id: str
    location: str
    confidence: float
    variability: float
    correctness: float
    loss: float
    first_learned: int | None
    times_forgotten: int


@dataclass(frozen=True, slots=True)
class RowMap:
    """The map and its lists.

    Attributes:
        plot: confidence over variability; None where no row was seen twice.
        num_rows: rows that training saw.
        num_dots: those that are drawn.
        most_seen: in how many epochs a row was seen, at most.
        num_never: rows that were never correct.
        num_forgotten: rows that were correct in one epoch and not in the next.
        hardest: the rows of the least confidence.
        ambiguous: the rows of the greatest variability; none where no row was seen twice.
        forgotten: the rows that were forgotten most often.
    """

    plot: Cloud | None
    num_rows: int
    num_dots: int
    most_seen: int
    num_never: int
    num_forgotten: int
    hardest: list[ListedRow]
    ambiguous: list[ListedRow]
    forgotten: list[ListedRow]


def read_dynamics(run_dir: Path) -> pl.DataFrame | None:
    """Returns a line for each row that training saw, by its id; None where the run has no ledger that can be read.

    Columns: confidence (mean over the epochs of exp(-loss), at most 1), variability (the standard deviation of the same), correctness (the
    share of the epochs in which it was correct), num_seen (epochs), loss (in the last of them), first_learned, times_forgotten,
    num_trained_tokens.
    """
    try:
        ledger = pl.read_parquet(run_dir / LEDGER_NAME)
        probability = pl.col("loss").cast(pl.Float64).neg().exp().clip(0.0, 1.0)
        return (
            ledger.sort("id", "epoch")
            .group_by("id", maintain_order=True)
            .agg(
                confidence=probability.mean(),
                variability=probability.std(ddof=0),
                correctness=pl.col("correct").cast(pl.Float64).mean(),
                num_seen=pl.len(),
                loss=pl.col("loss").last(),
                first_learned=pl.col("first_learned").first(),
                times_forgotten=pl.col("times_forgotten").first(),
                num_trained_tokens=pl.col("num_trained_tokens").first(),
            )
        )
    except (pl.exceptions.PolarsError, OSError):
        return None


def row_map(dynamics: pl.DataFrame, facts: Mapping[str, RowFacts]) -> RowMap:
    """Returns the map of a run's rows, of at least one.

    Args:
        dynamics: as `read_dynamics` gives it.
        facts: of each row; what is not known of one is left blank.
    """
    is_repeated = pl.col("num_seen") > 1
    repeated = dynamics.filter(is_repeated)
    drawn = repeated.gather_every(max(1, -(-len(repeated) // MOST_DOTS)))  # evenly over the ids: any time the same
    forgotten = dynamics.filter(pl.col("times_forgotten") > 0)

    def listed(rows: pl.DataFrame, by: str, *, descending: bool) -> list[ListedRow]:
        first = rows.sort(by, "id", descending=[descending, False]).head(MOST_LISTED)
        return [_listed(row, facts) for row in first.iter_rows(named=True)]

    return RowMap(
        plot=_plot(drawn, facts) if len(drawn) else None,
        num_rows=len(dynamics),
        num_dots=len(drawn),
        most_seen=_greatest(dynamics, "num_seen"),
        num_never=len(dynamics.filter(pl.col("correctness") == 0)),
        num_forgotten=len(forgotten),
        hardest=listed(dynamics, "confidence", descending=False),
        ambiguous=listed(repeated, "variability", descending=True),
        forgotten=listed(forgotten, "times_forgotten", descending=True),
    )


def _greatest(frame: pl.DataFrame, column: str) -> int:
    return int(frame.select(pl.col(column).max()).item())


def _plot(drawn: pl.DataFrame, facts: Mapping[str, RowFacts]) -> Cloud:
    groups: Sequence[tuple[str, pl.Expr]] = (
        (_ALWAYS, pl.col("correctness") == 1),
        (_SOMETIMES, (pl.col("correctness") > 0) & (pl.col("correctness") < 1)),
        (_NEVER, pl.col("correctness") == 0),
    )
    dots = [(name, [_dot(row, facts) for row in drawn.filter(belongs).iter_rows(named=True)]) for name, belongs in groups]
    return cloud("Rows by confidence and variability", dots, x_name="variability", y_name="confidence", height=420.0)


def _dot(row: dict[str, object], facts: Mapping[str, RowFacts]) -> Dot:
    confidence, variability, name = row["confidence"], row["variability"], str(row["id"])
    assert isinstance(confidence, float) and isinstance(variability, float)
    where = f" ({facts[name].location})" if name in facts else ""
    return Dot(variability, confidence, f"{name}{where}: confidence {confidence:.3f}, variability {variability:.3f}")


def _listed(row: dict[str, object], facts: Mapping[str, RowFacts]) -> ListedRow:
    known = facts.get(str(row["id"]))
    shown = {name: row[name] for name in ListedRow.__dataclass_fields__ if name != "location"}
    return ListedRow(**shown, location="" if known is None else known.location)  # type: ignore[arg-type]
