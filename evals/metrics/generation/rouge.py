"""ROUGE through rouge-score, with a tokenizer that does not throw other scripts away."""

from functools import cache
from typing import Any

from evals.metrics.words import ScriptTokenizer


def rouge_f(kind: str, prediction: str, reference: str) -> float:
    """Returns the F1 of one kind of ROUGE (`rouge1`, `rouge2`, `rougeL`, `rougeLsum`), in [0, 1]."""
    return float(_scorer(kind).score(reference, prediction)[kind].fmeasure)


@cache
def _scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=ScriptTokenizer())
