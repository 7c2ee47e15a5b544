"""Messages and prompts -> token ids and per-token loss weights.

Lint, `prep show`, train and evals all call this module and nothing else, so that the mask that is linted is the mask that is
trained, and the prompt that is trained is the prompt that is evaluated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from templates.answer_frame import AnswerFrame
from templates.chat_options import ChatTemplateConfig, end_ids_of, options_of
from templates.composed import compose
from templates.continuation import Continuation, encode_continuation
from templates.conversation import EncodeError, Message, Span, Tools, decode, load_tokenizer, tokenize
from templates.fitted_chat import INSTRUCTING, FittedChat, fit_chat, texts_of_tools
from templates.thoughts import thought_format
from templates.turns import Turn, prompt_before, read_turn, special_pattern, wrapping_of

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
    "encoding_notices",
    "frame_answer",
    "load_tokenizer",
    "served_kwargs",
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
        num_apart: answers whose tokens differ from those of the text encoded as a whole, as they were encoded apart from their prompt.
        num_thoughts: answers before which a thought of the row's is trained.
        num_closed: answers before which the close of a thought is trained that the prompt opens, as the row holds none.
    """

    text: str
    input_ids: list[int]
    loss_weights: list[float]
    offsets: list[Span]
    trained: list[Span]
    left_out: tuple[int, ...] = ()
    num_apart: int = 0
    num_thoughts: int = 0
    num_closed: int = 0

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


def encode_chat(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> tuple[Encoded, ...]:
    """Encodes a chat with weight 1 on each assistant turn's answer, tool calls and end-of-turn token, behind what a server would give.

    Where the whole rendering holds each trained turn behind the generation prompt of the messages before it, on a token boundary and with
    nothing around the answer, it is encoded once, as a whole. Elsewhere each trained turn is `encode_prompt` of the messages before it and
    the turn: one sequence for as long as the chat template keeps what it wrote before, else a further one.

    Where a turn cannot be proven, or the chat template leaves something of the chat out, the row is refused: a guessed mask trains the
    wrong tokens in silence.

    Raises:
        EncodeError: the mask cannot be proven; the message says which turn and why.
    """
    chat = fit_chat(tokenizer, messages, tools)
    text = chat.render()
    trained = [index for index, place in enumerate(chat.places) if _is_trained(messages[place])]
    turns = {index: read_turn(chat, index, text) for index in trained}
    spans = _spans_in(text, turns.values())
    if spans is not None:
        input_ids, offsets = _tokenize(chat, text, generation_prompt=False)
        weights = _weigh(offsets, spans)
        if weights is not None:
            return (_counting(Encoded(text, input_ids, weights, offsets, spans, chat.left_out), turns.values()),)
    first, *others = _compose(chat, turns)
    return (_counting(first, turns.values()), *others)


def encoding_notices(encoded: Sequence[Encoded]) -> list[str]:
    """Returns what a person should know of how a chat was encoded: each a sentence without its end."""
    said = []
    if encoded[0].left_out:
        said.append("the assistant speaks first, which the chat template does not take: that turn is left out, and not trained")
    if closed := sum(one.num_closed for one in encoded):
        said.append(f"the generation prompt opens a thought, and {_answers(closed)} no 'reasoning': its close is trained")
    if len(encoded) > 1:
        said.append(f"the chat template rewrites earlier turns: the chat is trained as {len(encoded)} sequences")
    if apart := sum(one.num_apart for one in encoded):
        said.append(f"a token would span prompt and answer: {_answers(apart)} tokens of its own")
    return said


def _answers(count: int) -> str:
    return "1 answer has" if count == 1 else f"{count} answers have"


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


def served_kwargs(tokenizer: "PreTrainedTokenizerBase", *, thinks: bool) -> dict[str, Any]:
    """Returns the chat template's variables with which a model is asked as it was trained.

    Args:
        tokenizer: the model's.
        thinks: whether it was trained on thoughts; where the template can be kept from opening one, this decides.
    """
    return {**dict.fromkeys(thought_format(tokenizer).switch, thinks), **options_of(tokenizer).kwargs}


def frame_answer(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None) -> AnswerFrame:
    """Returns what a model writes around the answer to some messages, by the same function as what is trained.

    Raises:
        EncodeError: no end-of-turn token can be proven.
    """
    chat = fit_chat(tokenizer, [*messages, _ANSWER], tools)
    last = len(chat.messages) - 1
    turn = read_turn(chat, last)
    closing = special_pattern(tokenizer).match(turn.end)
    ends = {*end_ids_of(tokenizer), *([] if closing is None else [tokenizer.convert_tokens_to_ids(closing.group())])}
    thought_end = turn.lead if turn.closes_thought else chat.thoughts.closing
    return AnswerFrame(turn.lead, wrapping_of(chat, last, turn.prompt), thought_end.strip(), frozenset(ends))


def _is_trained(message: Message) -> bool:
    return message["role"] == "assistant" and message.get("weight", 1) != 0


def _tokenize(chat: FittedChat, text: str, *, generation_prompt: bool) -> tuple[list[int], list[Span]]:
    """Tokenises a rendering. Special tokens count as such only where the chat template wrote them, never within a message."""
    tokenizer = chat.tokenizer
    special = special_pattern(tokenizer)
    if any(special.search(told) for told in texts_of_tools(chat)):
        raise EncodeError("a tool or its call holds the text of a special token", remedy="Reword it, or leave that row out.")
    if not any(special.search(message["content"]) for message in chat.messages):
        return tokenize(tokenizer, text)
    contents = _content_spans(chat, text, generation_prompt=generation_prompt)
    input_ids: list[int] = []
    offsets: list[Span] = []

    def add(start: int, end: int, *, split_special_tokens: bool) -> None:
        ids, spans = tokenize(tokenizer, text[start:end], split_special_tokens=split_special_tokens)
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
    if decode(tokenizer, input_ids) != text:
        raise EncodeError(
            "a message holds the text of a special token, which this tokenizer cannot encode as plain text",
            remedy="Reword that message.",
        )
    return input_ids, offsets


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


def _spans_in(text: str, turns: Iterable[Turn]) -> list[Span] | None:
    """Returns where a rendering holds each turn behind its prompt; None where it does not hold one so."""
    spans = []
    for turn in turns:
        start = len(turn.prompt)
        if not text.startswith(turn.prompt) or not text.startswith(turn.text, start):
            return None
        spans.append((start, start + len(turn.text)))
    return spans


def _compose(chat: FittedChat, turns: Mapping[int, Turn]) -> Iterator[Encoded]:
    """Encodes each turn behind the prompt that is given for it."""
    parts = ((turn, *_tokenize(chat.first(index), turn.prompt, generation_prompt=True)) for index, turn in turns.items())
    for one in compose(chat.tokenizer, parts):
        weights = [float(trained) for trained in one.trained]
        yield Encoded(one.text, one.input_ids, weights, one.offsets, one.spans, chat.left_out, one.num_apart)


def _counting(encoded: Encoded, turns: Iterable[Turn]) -> Encoded:
    """Returns the first sequence of a chat with the counts of the whole."""
    turns = list(turns)
    thoughts, closed = sum(turn.thinks for turn in turns), sum(turn.closes_thought for turn in turns)
    return replace(encoded, num_thoughts=thoughts, num_closed=closed)


def _weigh(offsets: list[Span], trained: list[Span]) -> list[float] | None:
    """Gives weight 1 to the tokens within a trained span; None where a token straddles the start of one."""
    weights = [0.0] * len(offsets)
    token = 0
    for start, end in trained:
        while token < len(offsets) and offsets[token][1] <= start:
            token += 1
        # A tokenizer may leave a leading space out of a token's offsets: then the token before ends short of the join.
        if token == len(offsets) or offsets[token][0] < start or (token and offsets[token - 1][1] < start):
            return None
        while token < len(offsets) and offsets[token][1] <= end:
            weights[token] = 1.0
            token += 1
    return weights
