"""One round against another: both rounds' saved predictions, scored anew on the examples that both have."""

from pathlib import Path

from evals.compare.measure import measure
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.prediction import num_seeds
from evals.data.role import Role
from evals.data.saved import load_predictions
from evals.plan import Scoring
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
    scoring = Scoring.of(dataset, config)
    common = set.intersection(*(set(predictions) for predictions in answers.values()))
    rows = [row for row in scoring.rows if row.id in common]
    if not rows:
        return None
    measured = measure(rows, scoring.metrics, answers, roles, config, train_rows=scoring.train_rows)
    verdict, detail = judge(
        roles,
        measured.pairs,
        scoring.primary,
        config.confidence,
        minimum_effect=config.minimum_effect.get(scoring.primary),
        num_seeds=max(map(num_seeds, answers.values())),
    )
    return Comparison(before=before, num_common=len(rows), values=measured.values, pairs=measured.pairs, verdict=verdict, detail=detail)
