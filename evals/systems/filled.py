"""How a masked language model answers examples: the words of a cloze by their log-likelihood at the mask."""

import math
from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.predict.requests import encode_blanks
from evals.systems.base import EvalContext
from loopwright.progress import Advance
from templates.chat import EncodeError
from train.inference.blanks import score_blanks
from train.inference.loglikelihood import Scored
from train.inference.requests import BlankRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def fill_blanks(context: EvalContext, model: Any, tokenizer: "PreTrainedTokenizerBase", advance: Advance) -> list[Prediction]:
    """Answers every cloze with a masked model; other examples are errors, as it can answer none of them."""
    limit = context.require_model().max_length
    failed: list[Prediction] = []
    ready: list[tuple[EvalRow, BlankRequest]] = []
    for row in context.rows:
        try:
            if row.task is Task.GENERATION:
                raise EncodeError("a masked language model writes no text")
            request = encode_blanks(tokenizer, row)
        except EncodeError as error:
            failed.append(Prediction(row.id, PredictionState.ERROR, detail=str(error)))
            continue
        longest = max(map(len, request.texts))
        if longest > limit:
            detail = f"the text has {longest} tokens, and the model's context {limit}"
            failed.append(Prediction(row.id, PredictionState.PROMPT_TOO_LONG, detail=detail))
        else:
            ready.append((row, request))
    advance(len(failed))
    requests = [request for _, request in ready]
    scored = score_blanks(model, requests, max_batch_tokens=context.config.max_batch_tokens, advance=advance)
    return failed + [likeliest(row, result) for (row, _), result in zip(ready, scored, strict=True)]


def likeliest(row: EvalRow, scored: Scored) -> Prediction:
    """Returns the choice of the highest log-likelihood as a prediction."""
    assert row.choices is not None
    if not all(map(math.isfinite, scored.loglikelihoods)):
        return Prediction(row.id, PredictionState.NOT_A_NUMBER, detail="the model gives no finite log-likelihood")
    best = max(range(len(row.choices)), key=scored.loglikelihoods.__getitem__)
    return Prediction(row.id, PredictionState.PROMPT_CUT if scored.is_cut else PredictionState.OK, row.choices[best], scored.loglikelihoods)
