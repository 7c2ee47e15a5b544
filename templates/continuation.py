"""Raw contexts and what follows them, as token ids: the verbalizer form, in training and evaluation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from templates.conversation import EncodeError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Continuation:
    """A context and what follows it, encoded jointly as lm-evaluation-harness 0.4 does it.

    Attributes:
        context_ids: token ids of the context, beginning-of-sequence token included where the tokenizer adds one.
        continuation_ids: token ids whose log-probabilities are summed. Never empty.
        split_apart: a token spanned the join and left nothing, so that the two were encoded apart.
    """

    context_ids: list[int]
    continuation_ids: list[int]
    split_apart: bool


def encode_continuation(tokenizer: "PreTrainedTokenizerBase", context: str, continuation: str) -> Continuation:
    """Encodes raw context and continuation jointly, by the conventions of lm-evaluation-harness 0.4.

    Trailing white space of the context moves into the continuation. An empty context becomes the beginning-of-sequence token, or
    the end-of-sequence token where there is none. A beginning-of-sequence token that the context begins with is not doubled; any
    other special token in the text is text, unlike there: a corpus must not be able to end a sequence.

    Raises:
        EncodeError: the continuation has no token at all.
    """
    stripped = context.rstrip()
    continuation = context[len(stripped) :] + continuation
    if not stripped:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        return _continuation([start], _encode_raw(tokenizer, continuation, special_tokens=False), split_apart=False)
    written = tokenizer.bos_token is not None and stripped.startswith(tokenizer.bos_token)
    start_ids = [tokenizer.bos_token_id] if written else []
    if written:
        stripped = stripped.removeprefix(tokenizer.bos_token)
    whole = start_ids + _encode_raw(tokenizer, stripped + continuation, special_tokens=not written)
    context_ids = start_ids + _encode_raw(tokenizer, stripped, special_tokens=not written)
    if len(whole) > len(context_ids):
        return _continuation(context_ids, whole[len(context_ids) :], split_apart=False)
    return _continuation(context_ids, _encode_raw(tokenizer, continuation, special_tokens=False), split_apart=True)


def _continuation(context_ids: list[int], continuation_ids: list[int], *, split_apart: bool) -> Continuation:
    if not continuation_ids:
        raise EncodeError("the continuation has no token", remedy="Give each choice at least one character.")
    return Continuation(context_ids, continuation_ids, split_apart)


def _encode_raw(tokenizer: "PreTrainedTokenizerBase", text: str, *, special_tokens: bool) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=special_tokens, split_special_tokens=True)
    # Some tokenizers close every text with an end token; a continuation after it would score a text that never occurs.
    while special_tokens and ids and ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]
    return ids
