"""Systems under test, scoring, metrics, statistics, failures and their causes, reports."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train")

__all__ = [
    "EvalsConfig",
    "EvaluationComparison",
    "EvaluationResult",
    "JudgeResult",
    "ScoreReport",
    "compare_evaluations",
    "evaluate",
    "judge_evaluation",
    "score_dataset",
    "style_distance",
]

if TYPE_CHECKING:
    from evals.api import EvaluationResult, JudgeResult, compare_evaluations, evaluate, judge_evaluation, score_dataset
    from evals.compare.voice import style_distance
    from evals.comparison import EvaluationComparison
    from evals.config import EvalsConfig
    from evals.score.score import ScoreReport
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "EvalsConfig": "evals.config",
            "EvaluationComparison": "evals.comparison",
            "EvaluationResult": "evals.api",
            "JudgeResult": "evals.api",
            "ScoreReport": "evals.score.score",
            "compare_evaluations": "evals.api",
            "evaluate": "evals.api",
            "judge_evaluation": "evals.api",
            "score_dataset": "evals.api",
            "style_distance": "evals.compare.voice",
        },
    )
