"""Where an assistant's turn stands in a rendered chat: what is trained of it, and what the chat template writes around the answer."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from templates.conversation import EncodeError
from templates.fitted_chat import INSTRUCTING, FittedChat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int]
# Texts such as chat templates do nothing particular with.
_ANSWER = "loopwright-answer-end"
_OTHER = "loopwright-other-end"


def trained_span(chat: FittedChat, index: int, text: str) -> Span:
    """Returns what message `index` trains in `text`, the rendering of the whole chat, with proof of both ends.

    It begins where the generation prompt of the messages before it ends, a literal prefix of the whole. It ends behind the special token
    that follows the answer, in what the whole has in common with the rendering that ends on this turn: a chat template that closes the
    whole conversation writes more behind that one, which is none of the turn's.

    Raises:
        EncodeError: one of them cannot be proven; the message says which.
    """
    where = chat.where(index)
    before = prompt_before(chat, index, text)
    through = text if index == len(chat.messages) - 1 else _through(chat, index, text)
    start = len(before)
    turn = _shared(text, through)[start:]
    is_whole = turn == through[start:]
    content = chat.messages[index]["content"]
    has_content = content in turn or content.strip() in turn
    if text.startswith(before) and is_whole and not has_content:
        raise EncodeError("the chat template changes the answer's text", where, "Check the chat template's handling of content.")
    has_calls = chat.messages[index].get("tool_calls")
    end = _end_of_calls(chat, index, through, start, turn) if has_calls else _end_of_answer(chat, index, turn, start)
    if not text.startswith(before) or not has_content or (not is_whole and (end is None or not _only_closes(chat, through[start + end :]))):
        raise EncodeError(
            "the chat template renders the messages before this turn otherwise once the turn is there",
            where,
            "Train only the last turn (weight 0 on the others), or use a chat template that keeps earlier turns as they are.",
        )
    if end is None:
        raise EncodeError(
            "no end-of-turn token follows the answer in the chat template",
            where,
            "Without one the model never learns to stop: fix the chat template.",
        )
    return start, start + end


def prompt_before(chat: FittedChat, index: int, text: str | None = None) -> str:
    """Renders the messages before a turn, and the generation prompt that asks for it.

    Chat templates do not render nothing, and some not a system message alone: where the assistant speaks first, the prompt is what the
    rendering of its turn has up to the end of the header with which the template asks for any answer.

    Args:
        chat: the chat.
        index: the turn's.
        text: the rendering that the prompt is to begin; None where there is none yet.

    Raises:
        EncodeError: the chat template refuses these messages.
    """
    opens = _opens(chat, index)
    try:
        if index:
            before = chat.first(index).render(generation_prompt=True)
            if not opens or text is None or text.startswith(before):
                return before
    except EncodeError:
        if not opens:
            raise
    lead, _, _ = _opening(chat, index).partition(_ANSWER)
    header = _generation_prompt(chat)
    found = lead.rfind(header) if header else -1
    return lead if found < 0 else lead[: found + len(header)]


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What a chat template writes around an answer, within what is trained.

    Attributes:
        lead: before it.
        tail: behind it, before the token that closes the turn.
        closing: that token.
    """

    lead: str
    tail: str
    closing: str


def wrapping_of(chat: FittedChat, index: int) -> Wrapping:
    """Returns what the chat template writes around an answer, found by rendering one in its place, so that it holds for this chat.

    Raises:
        EncodeError: the turn cannot be proven.
    """
    probed = chat.with_contents({index: _ANSWER}).first(index + 1)
    text = probed.render()
    start, end = trained_span(probed, index, text)
    lead, _, rest = text[start:end].rpartition(_ANSWER)
    closing = special_pattern(chat.tokenizer).search(rest)
    assert closing is not None, "a trained turn ends behind a special token"
    return Wrapping(lead, rest[: closing.start()], closing.group())


@cache
def special_pattern(tokenizer: "PreTrainedTokenizerBase") -> re.Pattern[str]:
    """Matches any special token of the tokenizer, the longest first."""
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return re.compile("|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) or r"(?!)")


def _opens(chat: FittedChat, index: int) -> bool:
    """Says whether nobody has spoken before a turn."""
    return all(message["role"] in INSTRUCTING for message in chat.messages[:index])


def _through(chat: FittedChat, index: int, text: str) -> str:
    """Renders a chat up to the end of a turn.

    Where the chat template does not render an opening without the question that follows, it is what the whole has up to the special token
    behind the answer, which another answer in its place shows.
    """
    try:
        return chat.first(index + 1).render()
    except EncodeError:
        head, _, rest = chat.with_contents({index: _ANSWER}).render().partition(_ANSWER)
        closing = special_pattern(chat.tokenizer).search(rest)
        content: str = chat.messages[index]["content"]
        ends = [head + variant + rest[: closing.end()] for variant in (content, content.strip())] if closing else []
        found = next((end for end in ends if text.startswith(end)), None)
        if found is not None and _opens(chat, index):
            return found
        raise


def _opening(chat: FittedChat, index: int) -> str:
    """Renders a chat up to an answer that the assistant opens it with, or whole where the chat template wants a question in it."""
    try:
        return chat.first(index).followed_by({"role": "assistant", "content": _ANSWER}).render()
    except EncodeError:
        if index >= len(chat.messages):
            raise
        return chat.with_contents({index: _ANSWER}).render()


def _generation_prompt(chat: FittedChat) -> str:
    """Returns what the chat template adds to a question to ask for its answer; nothing where it refuses a bare question."""
    asked = chat.first(0).followed_by({"role": "user", "content": _OTHER})
    try:
        question, prompt = asked.render(), asked.render(generation_prompt=True)
    except EncodeError:
        return ""
    return prompt[len(_shared(question, prompt)) :]


def _end_of_answer(chat: FittedChat, index: int, turn: str, start: int) -> int | None:
    """Returns where the special token ends that follows the answer in its turn, which begins at `start` of the rendering."""
    content: str = chat.messages[index]["content"]
    if not content.strip() or turn.count(content) > 1 or special_pattern(chat.tokenizer).search(content):
        # An answer that may stand in several places stands where another one would.
        lead, found, _ = chat.with_contents({index: _ANSWER}).first(index + 1).render()[start:].partition(_ANSWER)
        for variant in (content, content.strip()) if found else ():
            if turn.startswith(lead + variant) and (end := _special_at(chat, turn, len(lead + variant))):
                return end
    # The last answer that a special token follows: the chat template may have written the same words itself before it.
    content = content if content in turn else content.strip()
    place = turn.rfind(content)
    while place >= 0:
        if end := _special_at(chat, turn, place + len(content)):
            return end
        place = turn.rfind(content, 0, place + len(content) - 1) if place else -1
    return None


def _end_of_calls(chat: FittedChat, index: int, through: str, start: int, turn: str) -> int | None:
    """Returns where the last special token of a turn with calls ends: what calls look like is the chat template's own.

    What the template writes at the end of a conversation only is told by a tool's answer behind the calls.
    """
    try:
        answered = chat.first(index + 1).followed_by({"role": "tool", "content": _OTHER}).render()
    except EncodeError:
        answered = through
    shared = _shared(turn, answered[start:])
    ends = [match.end() for match in special_pattern(chat.tokenizer).finditer(turn)]
    closed = [end for end in ends if end <= len(shared)]
    return closed[-1] if closed and _only_closes(chat, turn[closed[-1] :]) else ends[-1] if ends else None


def _special_at(chat: FittedChat, turn: str, place: int) -> int | None:
    """Returns where the special token ends that stands at a place, white space before it; None where there is none."""
    space = len(turn) - len(turn[place:].lstrip())
    found = special_pattern(chat.tokenizer).match(turn, space)
    return found.end() if found else None


def _only_closes(chat: FittedChat, rest: str) -> bool:
    """Says whether a text is nothing but special tokens: what a chat template closes a conversation with."""
    return not special_pattern(chat.tokenizer).sub("", rest).strip()


def _shared(a: str, b: str) -> str:
    """Returns the beginning that two texts have in common."""
    if a.startswith(b) or b.startswith(a):
        return min(a, b, key=len)
    return a[: next(place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other)]
