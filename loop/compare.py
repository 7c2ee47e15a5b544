"""One round against another: both rounds' saved predictions, scored anew on the examples that both have."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from evals.compare.measure import measure
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.prediction import PartScore, Prediction, PredictionState
from evals.data.role import Role
from evals.plan import rows_and_metrics
from evals.reports.results import PREDICTIONS_NAME, read_predictions
from evals.systems.spec import SystemSpec
from loop.record import Comparison, round_dir, round_name
from prep.dataset.manifest import Dataset


def load_predictions(path: Path) -> dict[str, Prediction]:
    """Returns the tuned system's saved predictions of one evaluation, by example id.

    Args:
        path: `predictions.parquet`.

    Raises:
        UserError: the file cannot be read.
    """
    tuned = read_predictions(path).filter(pl.col("role") == Role.TUNED.value)
    found: dict[str, list[Prediction]] = {}
    for row in tuned.iter_rows(named=True):
        prediction = Prediction(
            id=row["id"],
            state=PredictionState(row["state"]),
            text=row["prediction"],
            loglikelihoods=None if row["choice_loglikelihoods"] is None else tuple(row["choice_loglikelihoods"]),
            parts=None if row["parts"] is None else tuple(PartScore(**part) for part in row["parts"]),
            detail=row["detail"],
            seed=row["seed"],
        )
        found.setdefault(prediction.id, []).append(prediction)
    # The first of several seeds is that of the median loss.
    return {id_: first if not others else replace(first, of_seeds=(first, *others)) for id_, (first, *others) in found.items()}


def compare_rounds(rounds_dir: Path, *, now: int, before: int, config: EvalsConfig) -> Comparison | None:
    """Compares two rounds' adapters.

    Args:
        rounds_dir: the folder of the rounds.
        now: number of the round that has just been evaluated; its dataset gives the references.
        before: number of an earlier round.
        config: resamples, confidence and seed.

    Returns:
        None where the two have no validation example in common.
    """
    answers = {
        str(SystemSpec("adapter", round_name(number))): load_predictions(round_dir(rounds_dir, number) / "evals" / PREDICTIONS_NAME)
        for number in (now, before)
    }
    roles = dict.fromkeys(answers, Role.TUNED)
    rows, metrics, primary = rows_and_metrics(Dataset.open(round_dir(rounds_dir, now) / "dataset"), config)
    common = set.intersection(*(set(predictions) for predictions in answers.values()))
    rows = [row for row in rows if row.id in common]
    if not rows:
        return None
    measured = measure(rows, metrics, answers, roles, config)
    verdict, detail = judge(roles, measured.pairs, primary, config.confidence)
    return Comparison(before=before, num_common=len(rows), values=measured.values, pairs=measured.pairs, verdict=verdict, detail=detail)
