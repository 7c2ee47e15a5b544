"""What a model wrote -> its words and its calls of tools: by the tokenizer's own parser, else as the chat template writes them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow
from templates.call_format import call_end_ids, call_format
from templates.call_reader import read_calls
from templates.calls import CallLoss, ReadAnswer, ToolCall, names_of, with_calls
from templates.chat import AnswerFrame, EncodeError, encode_chat
from templates.conversation import Message, decode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIELD = "tool_calls"


def written_prediction(
    tokenizer: "PreTrainedTokenizerBase",
    row: EvalRow,
    frame: AnswerFrame,
    *,
    prompt_ids: Sequence[int],
    said_ids: Sequence[int],
    state: PredictionState,
) -> Prediction:
    """Returns what a model wrote as a prediction: of an example that says of tools with its calls.

    Args:
        tokenizer: the model's.
        row: the example.
        frame: what the model writes around an answer.
        prompt_ids: what it was asked with.
        said_ids: what it wrote, up to the end token.
        state: how it ended.
    """
    text = frame.answer(tokenizer, said_ids)
    if row.calls is None:
        return Prediction(row.id, state, text)
    if _has_parser(tokenizer):
        read = _parsed(tokenizer, row, decode(tokenizer, list(prompt_ids)), decode(tokenizer, list(said_ids)), text)
    else:
        read = read_calls(call_format(tokenizer), frame.answer(tokenizer, said_ids, with_special=True), row.tools)
    return as_prediction(row, state, read if read.calls or read.loss else ReadAnswer(text))


def as_prediction(row: EvalRow, state: PredictionState, read: ReadAnswer) -> Prediction:
    """Returns what was read of an answer as a prediction, its calls behind its text."""
    text = with_calls(read.text, read.calls) if read.calls else read.text
    return Prediction(row.id, state, text, detail=read.detail, calls=read.calls, call_loss=read.loss)


def is_read(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Says whether calls that a model writes can be read."""
    return _has_parser(tokenizer) or call_format(tokenizer) is not None


def with_call_ends(tokenizer: "PreTrainedTokenizerBase", row: EvalRow, end_ids: frozenset[int]) -> frozenset[int]:
    """Returns the tokens at which an answer ends, those that end a turn with calls among them where an example says of tools."""
    return end_ids if row.calls is None else end_ids | call_end_ids(tokenizer)


def num_call_tokens(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> int:
    """Returns how many tokens an answer with calls has in the chat template's notation; 0 where that cannot be told."""
    if not row.calls or not row.messages:
        return 0
    asked: list[Message] = [{**message, "weight": 0} if message["role"] == "assistant" else message for message in row.messages[:-1]]
    try:
        # Of one trained turn there is one sequence.
        return encode_chat(tokenizer, [*asked, {**row.messages[-1], "weight": 1}], row.tools)[0].num_trained_tokens
    except EncodeError:
        return 0


def _has_parser(tokenizer: "PreTrainedTokenizerBase") -> bool:
    template = getattr(tokenizer, "response_template", None)
    return isinstance(template, dict) and _FIELD in (template.get("fields") or {})


def _parsed(tokenizer: "PreTrainedTokenizerBase", row: EvalRow, prompt: str, said: str, text: str) -> ReadAnswer:
    """Reads an answer by the tokenizer's own `response_template`."""
    names = names_of(row.tools)
    try:
        message: dict[str, Any] = tokenizer.parse_response(said, prefix=prompt, tools=row.tools)
        calls = ToolCall.of_message(message.get(_FIELD) or ())
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # whatever its parsers raise at text that they do not take
        return ReadAnswer(text, (), CallLoss.MALFORMED, (str(error).strip() or type(error).__name__).splitlines()[0][:200])
    if not calls:
        return ReadAnswer.without_calls(text, names, "the tokenizer's parser reads no call in it")
    beside = message.get("content")
    return ReadAnswer(beside.strip() if isinstance(beside, str) else "", calls)
