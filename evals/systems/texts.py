"""What a language model says of plain texts."""

from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import Task
from evals.predict.parts import Windows, encode_text
from evals.systems.base import EvalContext
from evals.systems.read import read_rows
from loopwright.progress import Advance

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_texts(context: EvalContext, model: Any, tokenizer: "PreTrainedTokenizerBase", advance: Advance) -> list[Prediction]:
    """Scores every plain text, those longer than a window by strides.

    Args:
        context: the examples and what systems share.
        model: with the adapter switched on.
        tokenizer: the model's.
        advance: told how many texts are done.
    """
    rows = context.rows_of(Task.TEXT)
    if not rows:
        return []
    windows = (context.windows or Windows.of()).within(context.require_model().max_length)
    if windows.told not in context.notes:
        context.notes.append(windows.told)
    found = read_rows(context, model, rows, lambda row: encode_text(tokenizer, row, windows), advance)
    return [one if isinstance(one, Prediction) else Prediction(id_, PredictionState.OK, parts=one) for id_, one in found.items()]
