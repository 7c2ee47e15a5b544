"""One round against another: both rounds' saved predictions, scored anew on the examples that both have."""

from pathlib import Path

from evals.compare.measure import measure
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.role import Role
from evals.data.rows import load_rows
from evals.data.saved import load_predictions
from evals.plan import rows_and_metrics
from evals.reports.results import PREDICTIONS_NAME
from evals.systems.spec import SystemSpec
from loop.record import Comparison, round_dir, round_name
from prep.dataset.manifest import Dataset


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
    dataset = Dataset.open(round_dir(rounds_dir, now) / "dataset")
    rows, metrics, primary = rows_and_metrics(dataset, config)
    common = set.intersection(*(set(predictions) for predictions in answers.values()))
    rows = [row for row in rows if row.id in common]
    if not rows:
        return None
    measured = measure(rows, metrics, answers, roles, config, train_rows=load_rows(dataset, "train")[0])
    num_seeds = max(len(next(iter(predictions.values())).of_seeds) or 1 for predictions in answers.values())
    verdict, detail = judge(
        roles,
        measured.pairs,
        primary,
        config.confidence,
        minimum_effect=config.minimum_effect.get(primary),
        num_seeds=num_seeds,
    )
    return Comparison(before=before, num_common=len(rows), values=measured.values, pairs=measured.pairs, verdict=verdict, detail=detail)
