"""Examples -> token ids: a shared context and one continuation for each choice, or a prompt to be answered.

All ids come from `templates.chat`, so that what is evaluated is what was trained.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from evals.data.rows import EvalRow
from evals.predict.calls import with_call_ends
from templates.chat import AnswerFrame, EncodeError, Message, encode_chat, encode_continuation, encode_prompt, frame_answer
from templates.cloze import fill
from templates.form import Form
from templates.raw_text import encode_blank
from train.inference.requests import BlankRequest, ChoiceRequest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def encode_choices(tokenizer: "PreTrainedTokenizerBase", row: EvalRow, form: Form) -> ChoiceRequest:
    """Encodes an example's choices in a form.

    In chat form the continuation is the choice and its end of turn, which is what was trained, after the generation prompt; in
    verbalizer form it is the choice alone, as raw text after the prompt, by the conventions of lm-evaluation-harness; in a cloze the
    choice and what follows the mask.

    Raises:
        EncodeError: the example does not have the form, or it cannot be encoded with proof.
    """
    return _encode_chat_choices(tokenizer, row) if form == Form.CHAT else _encode_raw_choices(tokenizer, row)


def encode_blanks(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> BlankRequest:
    """Encodes a cloze for a masked model, as it is trained: every word of every choice, with as many masks as it has tokens.

    Raises:
        EncodeError: the example is no cloze, or it cannot be encoded.
    """
    if row.prompt is None or row.target is None or row.mask is None:
        raise EncodeError("the example is no cloze: a masked language model needs a mask in its prompt")
    blanks = [encode_blank(tokenizer, row.prompt, row.mask, text) for text in _put_words(row, row.target)]
    texts = [blank.encoded.input_ids for blank in blanks]
    return BlankRequest(texts, [blank.positions for blank in blanks], [blank.word_ids for blank in blanks], _words_of_choices(row))


def encode_question(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> list[int]:
    """Encodes the prompt of a generation example: everything before its answer, and the generation prompt.

    Raises:
        EncodeError: the chat template is missing or refuses the messages.
    """
    return encode_prompt(tokenizer, _asked(row), row.tools)


def frame_question(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> AnswerFrame:
    """Returns what the chat template writes around the answer of a generation example, which is no part of what is evaluated.

    Raises:
        EncodeError: no end-of-turn token can be proven.
    """
    frame = frame_answer(tokenizer, _asked(row), row.tools)
    return replace(frame, end_ids=with_call_ends(tokenizer, row, frame.end_ids))


def _encode_raw_choices(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> ChoiceRequest:
    if row.prompt is None or row.target is None:
        raise EncodeError("the example has no verbalizer form")
    encoded = [encode_continuation(tokenizer, *fill(row.prompt, row.mask, text)) for text in _put_words(row, row.target)]
    assert all(one.context_ids == encoded[0].context_ids for one in encoded), "the context is encoded apart from the choice"
    continuations = [one.continuation_ids for one in encoded]
    return ChoiceRequest(encoded[0].context_ids, continuations, sum(one.split_apart for one in encoded), _words_of_choices(row))


def _encode_chat_choices(tokenizer: "PreTrainedTokenizerBase", row: EvalRow) -> ChoiceRequest:
    asked = _asked(row)
    assert row.messages is not None
    context_ids = encode_prompt(tokenizer, asked, row.tools)
    continuations = []
    for text in _put_words(row, row.messages[-1]["content"] or ""):
        [encoded] = encode_chat(tokenizer, [*_untrained(asked), _answer(text)], row.tools)  # of one trained turn there is one sequence
        trained = [index for index, weight in enumerate(encoded.loss_weights) if weight > 0]
        if not trained or encoded.input_ids[: trained[0]] != context_ids:
            raise EncodeError("the chat with its answer does not begin with the tokens of its prompt", remedy="Check the chat template.")
        continuations.append(encoded.input_ids[trained[0] : trained[-1] + 1])
    return ChoiceRequest(context_ids, continuations, words_of_choices=_words_of_choices(row))


def _asked(row: EvalRow) -> list[Message]:
    if not row.messages or row.messages[-1]["role"] != "assistant":
        raise EncodeError("the example has no chat form that ends on an answer")
    return row.messages[:-1]


def _untrained(messages: list[Message]) -> list[Message]:
    """Takes earlier answers out of the mask: only the last one is looked for here."""
    return [{**message, "weight": 0} if message["role"] == "assistant" else message for message in messages]


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _put_words(row: EvalRow, answer: str) -> list[str]:
    """Returns the answer with each word of each choice in the place of the right one."""
    if row.choices is None or row.label is None:
        raise EncodeError("the example has no label")
    if not answer.endswith(row.reference):
        raise EncodeError(f"the answer does not end on its choice '{row.reference}'")
    before = answer.removesuffix(row.reference)
    return [before + word for words in _words(row) for word in words]


def _words_of_choices(row: EvalRow) -> tuple[int, ...]:
    return tuple(map(len, _words(row)))


def _words(row: EvalRow) -> tuple[tuple[str, ...], ...]:
    return row.words or tuple((choice,) for choice in row.choices or ())
