"""Which facts of an answer stand in what it was made from."""

from functools import lru_cache

from evals.data.prediction import Prediction
from evals.data.rows import EvalRow
from evals.metrics.facts.wanted import wanted_facts
from prep.text.facts import Fact, FactIndex


def supported_facts(row: EvalRow, prediction: Prediction) -> list[tuple[Fact, bool]]:
    """Returns the facts of an answer, each value once, and whether the source or the reference holds it.

    The source is all that the model was given: the messages before its answer, and the passages that were looked up for it.
    """
    facts = wanted_facts(prediction.answer)
    if not facts:
        return []
    sources = [_index(text) for text in (row.reference, row.input_text, *(prediction.passages or ()))]
    return [(fact, any(source.holds(fact) for source in sources)) for fact in facts]


@lru_cache(maxsize=4096)
def _index(text: str) -> FactIndex:
    """Several systems answer the same input, and several metrics look at each."""
    return FactIndex(text)
