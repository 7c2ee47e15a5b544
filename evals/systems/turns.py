"""What a language model says of every answer of a chat, given all that the chat has before it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow
from evals.predict.parts import encode_turns
from evals.systems.base import EvalContext
from evals.systems.read import read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def with_turns(
    context: EvalContext, model: Any, tokenizer: "PreTrainedTokenizerBase", who: str, answered: Sequence[tuple[EvalRow, Prediction]]
) -> list[Prediction]:
    """Returns the predictions of chats that were answered, each with the likelihood of all of its answers where a metric reads that.

    A chat that is too long with its last answer, or cannot be encoded whole, keeps what was written, and is counted in a note. Where the
    likelihoods are no numbers, neither is what was written an answer.

    Args:
        context: the options and what systems share.
        model: with the adapter switched on.
        tokenizer: with the chat template as the adapter's run used it.
        who: what the note calls the model.
        answered: the chats, and what was written for each.
    """
    asked = [row for row, _ in answered if context.reads("prediction.parts", row)]
    found = read_rows(context, model, asked, lambda row: encode_turns(tokenizer, row), lambda _done: None)
    given: list[Prediction] = []
    unread: Counter[str] = Counter()
    for row, prediction in answered:
        one = found.get(row.id)
        if isinstance(one, Prediction) and one.state is PredictionState.NOT_A_NUMBER:
            given.append(one)
            continue
        if isinstance(one, Prediction):
            unread[one.detail or one.state.meaning] += 1
        given.append(replace(prediction, parts=one) if isinstance(one, tuple) else prediction)
    if unread:
        reason, more = unread.most_common(1)[0][0], f" (and {len(unread) - 1} other reasons)" if len(unread) > 1 else ""
        context.notes.append(f"{who}: the answers of {unread.total()} of {len(asked)} chats are not scored: {reason}{more}")
    return given
