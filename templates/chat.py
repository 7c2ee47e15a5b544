"""Messages and prompts -> token ids and per-token loss weights.

Lint, `prep show`, train and evals all call this module and nothing else, so that the mask that is linted is the mask that is
trained, and the prompt that is trained is the prompt that is evaluated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from templates.chat_options import ChatTemplateConfig
from templates.conversation import EncodeError, Message, Tools, load_tokenizer
from templates.fitted_chat import INSTRUCTING, FittedChat, fit_chat, texts_of_tools
from templates.turns import Span, prompt_before, special_pattern, trained_span, wrapping_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "AnswerFrame",
    "ChatTemplateConfig",
    "Continuation",
    "EncodeError",
    "Encoded",
    "Message",
    "Piece",
    "Tools",
    "encode_chat",
    "encode_continuation",
    "encode_prompt",
    "frame_answer",
    "load_tokenizer",
]


_ANSWER: Message = {"role": "assistant", "content": "x"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of tokens that are all trained, or all not.

    Attributes:
        text: what the tokens say.
        trained: whether the loss counts them.
        num_tokens: how many they are.
    """

    text: str
    trained: bool
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the model sees it.

    Attributes:
        text: the whole rendering.
        input_ids: token ids, length T.
        loss_weights: of each token, length T; 0 where nothing is trained. `loss_weights[t]` belongs to predicting token t.
        offsets: `[start, end)` of each token in `text`, in characters.
        trained: spans of `text` that are trained: each answer and its end of turn.
        left_out: indices of messages that are not in it: the assistant's first turns, where the chat template takes a user's first.
    """

    text: str
    input_ids: list[int]
    loss_weights: list[float]
    offsets: list[Span]
    trained: list[Span]
    left_out: tuple[int, ...] = ()

    @property
    def num_trained_tokens(self) -> int:
        """The number of tokens with a weight above zero."""
        return sum(weight > 0 for weight in self.loss_weights)

    def pieces(self) -> list[Piece]:
        """Returns the whole text cut where training begins and ends, by the weights of its tokens."""
        pieces: list[Piece] = []
        done = 0
        for trained, run in groupby(zip(self.offsets, self.loss_weights, strict=True), key=lambda token: token[1] > 0):
            ends = [end for (_, end), _ in run]
            pieces.append(Piece(self.text[done : max(ends)], trained, len(ends)))
            done = max(done, *ends)
        if done < len(self.text):  # a tokenizer may give the last white space to no token
            pieces.append(Piece(self.text[done:], trained=False, num_tokens=0))
        return pieces


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """What a chat template writes around an answer: trained as the turn's, and no part of what is answered.

    Attributes:
        lead: before the answer, behind the generation prompt, such as an empty thought.
        tail: behind it, before the end-of-turn token.
        end_ids: tokens at which an answer ends: the one that is trained to close it, and the tokenizer's end token. They differ in some
            models (`<|eot_id|>` and `<|end_of_text|>`); stopping at the second alone would run on into the next turn.
    """

    lead: str
    tail: str
    end_ids: frozenset[int]

    def num_tokens(self, tokenizer: "PreTrainedTokenizerBase") -> int:
        """Returns how many tokens a model writes before and behind an answer, about."""
        return sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in (self.lead, self.tail) if text)

    def answer(self, tokenizer: "PreTrainedTokenizerBase", token_ids: Sequence[int]) -> str:
        """Returns the answer that a model wrote, without the frame where it wrote that, and without special tokens.

        Args:
            tokenizer: the model's.
            token_ids: what was written, up to the end token.
        """
        ids = list(token_ids)
        rest = ""
        if self.lead and _decode(tokenizer, ids).startswith(self.lead):
            # Whole tokens first, so that special tokens of the frame are told from text that spells the same.
            framed = max(count for count in range(len(ids) + 1) if self.lead.startswith(_decode(tokenizer, ids[:count])))
            rest = self.lead.removeprefix(_decode(tokenizer, ids[:framed]))
            ids = ids[framed:]
        text = _decode(tokenizer, ids, skip_special_tokens=True).removeprefix(rest)
        return text.removesuffix(self.tail) if self.tail else text


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


def encode_chat(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> Encoded:
    """Encodes a chat once, as a whole, with weight 1 on each assistant turn's content and tool calls and its end-of-turn token.

    A trained turn begins where the generation prompt of the messages before it ends (which must be a literal prefix of the whole
    rendering, on a token boundary) and ends after the special token that closes the turn. Where either cannot be proven, or the chat
    template leaves something of the chat out, the row is refused: a guessed mask trains the wrong tokens in silence.

    Raises:
        EncodeError: the mask cannot be proven; the message says which turn and why.
    """
    chat = fit_chat(tokenizer, messages, tools)
    text = chat.render()
    trained = [trained_span(chat, index, text) for index, place in enumerate(chat.places) if _is_trained(messages[place])]
    input_ids, offsets = _tokenize(chat, text, generation_prompt=False)
    return Encoded(text, input_ids, _weigh(offsets, trained, text), offsets, trained, chat.left_out)


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> list[int]:
    """Encodes messages and the generation prompt: what the model is given when it is to answer.

    Equal, token for token, to the untrained beginning of `encode_chat` on the same messages with their answer.

    Raises:
        EncodeError: the chat template is missing, refuses the messages or leaves something of them out.
    """
    if any(message["role"] not in INSTRUCTING for message in messages):
        chat = fit_chat(tokenizer, messages, tools, generation_prompt=True)
    else:  # the assistant speaks first: some chat templates do not render what comes before that alone
        chat = fit_chat(tokenizer, [*messages, _ANSWER], tools)
        chat = chat.first(len(chat.messages) - 1)
    return _tokenize(chat, prompt_before(chat, len(chat.messages)), generation_prompt=True)[0]


def frame_answer(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> AnswerFrame:
    """Returns what the chat template writes around the answer to some messages, by the same proof as what is trained.

    Raises:
        EncodeError: no end-of-turn token can be proven.
    """
    chat = fit_chat(tokenizer, [*messages, _ANSWER], tools)
    found = wrapping_of(chat, len(chat.messages) - 1)
    ends = {tokenizer.convert_tokens_to_ids(found.closing), tokenizer.eos_token_id}
    return AnswerFrame(found.lead, found.tail, frozenset(end for end in ends if end is not None))


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


def _is_trained(message: Message) -> bool:
    return message["role"] == "assistant" and message.get("weight", 1) != 0


def _decode(tokenizer: "PreTrainedTokenizerBase", ids: list[int], *, skip_special_tokens: bool = False) -> str:
    text = tokenizer.decode(ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def _tokenize(chat: FittedChat, text: str, *, generation_prompt: bool) -> tuple[list[int], list[Span]]:
    """Tokenises a rendering. Special tokens count as such only where the chat template wrote them, never within a message."""
    tokenizer = chat.tokenizer
    special = special_pattern(tokenizer)
    if any(special.search(told) for told in texts_of_tools(chat)):
        raise EncodeError("a tool or its call holds the text of a special token", remedy="Reword it, or leave that row out.")
    if not any(special.search(message["content"]) for message in chat.messages):
        return _tokenize_plain(tokenizer, text)
    contents = _content_spans(chat, text, generation_prompt=generation_prompt)
    input_ids: list[int] = []
    offsets: list[Span] = []

    def add(start: int, end: int, *, split_special_tokens: bool) -> None:
        ids, spans = _tokenize_plain(tokenizer, text[start:end], split_special_tokens=split_special_tokens)
        input_ids.extend(ids)
        offsets.extend((start + a, start + b) for a, b in spans)

    done = 0
    for match in special.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in contents):
            continue
        add(done, match.start(), split_special_tokens=True)
        add(match.start(), match.end(), split_special_tokens=False)
        done = match.end()
    add(done, len(text), split_special_tokens=True)
    if _decode(tokenizer, input_ids) != text:
        raise EncodeError(
            "a message holds the text of a special token, which this tokenizer cannot encode as plain text",
            remedy="Reword that message.",
        )
    return input_ids, offsets


def _tokenize_plain(tokenizer: "PreTrainedTokenizerBase", text: str, *, split_special_tokens: bool = False) -> tuple[list[int], list[Span]]:
    encoding = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=split_special_tokens, verbose=False
    )
    return list(encoding["input_ids"]), [tuple(span) for span in encoding["offset_mapping"]]


def _content_spans(chat: FittedChat, text: str, *, generation_prompt: bool) -> list[Span]:
    """Finds where each message's content stands in the rendering, by rendering once more with a marker for each content."""
    # A message without content keeps none: a chat template may write it otherwise.
    said = [index for index, message in enumerate(chat.messages) if message["content"]]
    markers = {index: f"\ue000{index}\ue001" for index in said}
    rest = chat.with_contents(markers).render(generation_prompt=generation_prompt)
    scaffold = []
    for marker in markers.values():
        before, found, rest = rest.partition(marker)
        scaffold.append(before)
        if not found or marker in rest:
            break
    scaffold.append(rest)
    spans = []
    position = 0
    for place, index in enumerate(said):
        content = chat.messages[index]["content"]
        after = scaffold[place + 1] if place + 1 < len(scaffold) else None
        position += len(scaffold[place])
        for variant in (content, content.strip()):
            if after is not None and text.startswith(variant + after, position):
                spans.append((position, position + len(variant)))
                position += len(variant)
                break
        else:
            raise EncodeError(
                "the message holds the text of a special token, and the chat template does not show where its content stands",
                chat.where(index),
                "Reword that message.",
            )
    return spans


def _weigh(offsets: list[Span], trained: list[Span], text: str) -> list[float]:
    """Gives weight 1 to the tokens within a trained span, after proving that no token straddles its start."""
    weights = [0.0] * len(offsets)
    token = 0
    for start, end in trained:
        while token < len(offsets) and offsets[token][1] <= start:
            token += 1
        # A tokenizer may leave a leading space out of a token's offsets: then the token before ends short of the join.
        if token == len(offsets) or offsets[token][0] < start or (token and offsets[token - 1][1] < start):
            raise EncodeError(
                f"a token spans the join between prompt and answer, at {text[max(start - 8, 0) : start + 8]!r}",
                remedy="Remove the white space at the start of the answer.",
            )
        while token < len(offsets) and offsets[token][1] <= end:
            weights[token] = 1.0
            token += 1
    return weights
