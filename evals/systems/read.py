"""What a language model says of examples that it reads: the log-likelihood of their parts, or why there is none."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from evals.data.prediction import PartScore, Prediction, PredictionState
from evals.data.rows import EvalRow
from evals.predict.parts import AskedParts
from evals.systems.base import EvalContext
from loopwright.progress import Advance
from templates.chat import EncodeError
from train.inference.parts import score_parts

Read = dict[str, tuple[PartScore, ...] | Prediction]
"""Example id -> its parts; or the prediction that says why it has none."""


def read_rows(context: EvalContext, model: Any, rows: Sequence[EvalRow], encode: Callable[[EvalRow], AskedParts], advance: Advance) -> Read:
    """Returns what a model says of the parts of some examples.

    Args:
        context: the options, and how long the model's context is.
        model: with the adapter that is to read switched on.
        rows: the examples.
        encode: turns one into what is asked.
        advance: told how many examples are done.
    """
    limit = context.require_model().max_length
    found: Read = {}
    ready: list[tuple[EvalRow, AskedParts]] = []
    for row in rows:
        try:
            asked = encode(row)
        except EncodeError as error:
            found[row.id] = Prediction(row.id, PredictionState.ERROR, detail=str(error))
            continue
        if asked.request.longest > limit:
            detail = f"the text has {asked.request.longest} tokens, and the model's context {limit}"
            found[row.id] = Prediction(row.id, PredictionState.PROMPT_TOO_LONG, detail=detail)
        else:
            ready.append((row, asked))
    advance(len(found))
    requests = [asked.request for _, asked in ready]
    scored = score_parts(model, requests, max_batch_tokens=context.config.max_batch_tokens, advance=advance)
    return found | {row.id: _parts(row, asked, values) for (row, asked), values in zip(ready, scored, strict=True)}


def _parts(row: EvalRow, asked: AskedParts, values: Sequence[float]) -> tuple[PartScore, ...] | Prediction:
    if all(map(math.isfinite, values)):
        return asked.scored(values)
    return Prediction(row.id, PredictionState.NOT_A_NUMBER, detail="the model gives no finite log-likelihood")
