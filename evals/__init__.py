"""Systems under test, scoring, metrics, statistics, failures and their causes, reports."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train")

__all__ = ["EvalsConfig", "EvaluationResult", "ScoreReport", "evaluate", "score_dataset", "style_distance"]

if TYPE_CHECKING:
    from evals.api import EvaluationResult, evaluate, score_dataset
    from evals.compare.voice import style_distance
    from evals.config import EvalsConfig
    from evals.score.score import ScoreReport
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "EvalsConfig": "evals.config",
            "EvaluationResult": "evals.api",
            "ScoreReport": "evals.score.score",
            "evaluate": "evals.api",
            "score_dataset": "evals.api",
            "style_distance": "evals.compare.voice",
        },
    )
