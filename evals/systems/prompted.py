"""How a language model answers examples: choices by log-likelihood, free text by greedy generation; the others are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.predict.calls import is_read, written_prediction
from evals.predict.requests import encode_choices, encode_question, frame_question
from evals.systems.added import with_added, with_passages
from evals.systems.asked import Asked
from evals.systems.base import EvalContext
from evals.systems.filled import fill_blanks, likeliest
from evals.systems.judged import rank_answers
from evals.systems.spec import SystemSpec
from evals.systems.texts import read_texts
from evals.systems.turns import with_turns
from loopwright.progress import Advance
from templates.chat import AnswerFrame, EncodeError
from templates.chat_options import options_of
from templates.form import Form
from train.inference.generation import all_end_ids, generate
from train.inference.language_model import LanguageModel
from train.inference.loglikelihood import score_choices
from train.inference.requests import ChoiceRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_ENDED = {True: PredictionState.OK, False: PredictionState.UNFINISHED}
_UNREAD = "the chat template writes no calls of tools, or in a way that is not known: none of the model's can be read"


def answer_with_model(context: EvalContext, adapter: str | None, advance: Advance, added: Sequence[SystemSpec] = ()) -> list[Prediction]:
    """Answers every example with the model, one adapter switched on or all of them off, and what is added to each example before it."""
    language_model = context.require_model()
    if added:
        asked = with_added(context, added)
        answers = with_passages(asked, answer_with_model(asked, adapter, advance))
        context.num_split_apart = asked.num_split_apart
        context.asked = asked.asked
        return answers
    with language_model.with_adapter(adapter) as model:
        tokenizer = language_model.tokenizer_of(adapter)
        context.asked = Asked(tokenizer, {row.id: row for row in context.rows}, context.form, language_model.is_masked)
        if language_model.is_masked:
            return fill_blanks(context, model, tokenizer, advance)
        answers = [
            *_choose(context, model, tokenizer, advance),
            *_write(context, model, tokenizer, adapter, advance),
            *read_texts(context, model, tokenizer, advance),
        ]
    return [*answers, *rank_answers(context, adapter, advance)]  # which asks several models


def _choose(context: EvalContext, model: Any, tokenizer: "PreTrainedTokenizerBase", advance: Advance) -> list[Prediction]:
    rows = context.rows_of(Task.CLASSIFICATION)
    language_model = context.require_model()
    failed, ready = [], []
    for row in rows:
        request = _encoded(context, tokenizer, row)
        if isinstance(request, str):
            failed.append(Prediction(row.id, PredictionState.ERROR, detail=request))
        elif context.form == Form.CHAT and len(request.context_ids) + max(map(len, request.continuations)) - 1 > language_model.max_length:
            failed.append(Prediction(row.id, PredictionState.PROMPT_TOO_LONG, detail=_too_long(len(request.context_ids), language_model)))
        else:
            ready.append((row, request))
    advance(len(failed))
    scored = score_choices(
        model,
        [request for _, request in ready],
        max_length=language_model.max_length,
        max_batch_tokens=context.config.max_batch_tokens,
        advance=advance,
    )
    return failed + [likeliest(row, result) for (row, _), result in zip(ready, scored, strict=True)]


def _encoded(context: EvalContext, tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> ChoiceRequest | str:
    """Encodes an example once for all systems that use the chat template alike; a text says why it cannot be encoded."""
    encoded = context.encoded.setdefault(options_of(tokenizer) if context.form == Form.CHAT else None, {})
    if row.id not in encoded:
        try:
            request = encode_choices(tokenizer, row, context.form)
            context.num_split_apart += request.num_split_apart
            encoded[row.id] = request
        except EncodeError as error:
            encoded[row.id] = str(error)
    return encoded[row.id]


def _write(
    context: EvalContext, model: Any, tokenizer: "PreTrainedTokenizerBase", adapter: str | None, advance: Advance
) -> list[Prediction]:
    language_model = context.require_model()
    failed: list[Prediction] = []
    ready: list[tuple[EvalRow, list[int], AnswerFrame]] = []
    for row in context.rows_of(Task.GENERATION):
        try:
            prompt, frame = encode_question(tokenizer, row), frame_question(tokenizer, row)
        except EncodeError as error:
            failed.append(Prediction(row.id, PredictionState.ERROR, detail=str(error)))
            continue
        if len(prompt) >= language_model.max_length:
            failed.append(Prediction(row.id, PredictionState.PROMPT_TOO_LONG, detail=_too_long(len(prompt), language_model)))
        else:
            ready.append((row, prompt, frame))
    advance(len(failed))
    if not ready:
        return failed
    frames = {frame for _, _, frame in ready}
    answers = generate(
        model,
        tokenizer,
        [prompt for _, prompt, _ in ready],
        end_ids=set().union(*(all_end_ids(model, frame) for frame in frames)),
        max_length=language_model.max_length,
        max_new_tokens=context.max_new_tokens + max(frame.num_tokens(tokenizer) for frame in frames),
        max_batch_tokens=context.config.max_batch_tokens,
        advance=advance,
    )
    if any(row.calls for row, _, _ in ready) and not is_read(tokenizer) and _UNREAD not in context.notes:
        context.notes.append(_UNREAD)
    predictions = [
        (row, written_prediction(tokenizer, row, frame, prompt_ids=prompt, said_ids=written.said_ids, state=_ENDED[written.is_finished]))
        for (row, prompt, frame), written in zip(ready, answers, strict=True)
    ]
    return failed + with_turns(context, model, tokenizer, adapter or language_model.name, predictions)


def _too_long(num_tokens: int, language_model: LanguageModel) -> str:
    return f"the prompt has {num_tokens} tokens, and the model's context {language_model.max_length}"
