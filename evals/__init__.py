"""Systems under test, scoring, metrics, statistics, failures and their causes, reports."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train")

__all__ = ["EvalsConfig", "EvaluationResult", "JudgeResult", "ScoreReport", "evaluate", "judge_evaluation", "score_dataset"]

if TYPE_CHECKING:
    from evals.api import EvaluationResult, JudgeResult, evaluate, judge_evaluation, score_dataset
    from evals.config import EvalsConfig
    from evals.score.score import ScoreReport
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "EvalsConfig": "evals.config",
            "EvaluationResult": "evals.api",
            "JudgeResult": "evals.api",
            "ScoreReport": "evals.score.score",
            "evaluate": "evals.api",
            "judge_evaluation": "evals.api",
            "score_dataset": "evals.api",
        },
    )
