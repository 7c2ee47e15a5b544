"""What an assistant's turn trains: the answer and what ends it, behind the prompt that a server would give."""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from templates.chat_options import end_ids_of, options_of
from templates.conversation import EncodeError, shared
from templates.fitted_chat import INSTRUCTING, FittedChat
from templates.thoughts import split_inline, without_empty_thought

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Texts such as chat templates do nothing particular with.
_ANSWER = "loopwright-answer-end"
_THOUGHT = "loopwright-thought-end"
_OTHER = "loopwright-other-end"


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the assistant as it is trained.

    Attributes:
        prompt: what the model is given: the messages before the turn, and the generation prompt.
        lead: what it has to write before the answer, in the chat template's notation: a thought that the row holds, the close of a thought
            that the prompt opens, or a header of the answer that the generation prompt leaves to the model.
        answer: the content.
        calls: the calls of tools, in the chat template's notation.
        end: the tokens that end the turn.
        thinks: the lead holds a thought of the row's.
        closes_thought: the lead closes a thought that the prompt opens, and the row holds none.
    """

    prompt: str
    lead: str
    answer: str
    calls: str
    end: str
    thinks: bool = False
    closes_thought: bool = False

    @property
    def text(self) -> str:
        """All that is trained."""
        return self.lead + self.answer + self.calls + self.end


def read_turn(chat: FittedChat, index: int, text: str | None = None) -> Turn:
    """Returns what message `index` trains, found by rendering another answer in its place.

    What the generation prompt supplies is no part of it, nor what the chat template writes around an answer that is no answer's: white
    space, or an empty thought.

    Args:
        chat: the chat.
        index: the turn's.
        text: the rendering of the whole chat, where there is one.

    Raises:
        EncodeError: the template changes the answer, nothing ends the turn, or the prompt opens a thought, which the config refuses.
    """
    prompt = prompt_before(chat, index, text)
    if chat.messages[index].get("tool_calls"):
        return _turn_with_calls(chat, index, prompt, text)
    if plain := _plain_turn(chat, index, prompt, text):
        return plain
    thought, answer = _thought_and_answer(chat, index, prompt)
    head, tail = _around(chat.with_thought(index, _THOUGHT) if thought else chat, index)
    end = _end(chat, index, tail)
    answer = _as_rendered(chat, index, answer, head.replace(_THOUGHT, thought), text)
    if thought and not chat.thoughts.is_closed(prompt):
        return Turn(prompt, _thinking(chat, prompt, head, thought), answer, "", end, thinks=True)
    if chat.thoughts.is_opened(prompt):
        _require_closing(chat, index)
        return Turn(prompt, chat.thoughts.close_of(prompt), answer, "", end, closes_thought=True)
    return Turn(prompt, _header(chat, prompt, head), answer, "", end)


def wrapping_of(chat: FittedChat, index: int, prompt: str) -> tuple[str, str]:
    """Returns what the chat template writes before an answer, behind its prompt, and what behind it, before the token that ends the turn.

    None of it is trained; a model that was trained elsewhere on whole renderings writes it.
    """
    head, tail = _around(chat, index)
    end = special_pattern(chat.tokenizer).search(tail)
    return head[len(prompt) :] if head.startswith(prompt) else "", tail[: end.start()] if end else ""


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


@cache
def special_pattern(tokenizer: "PreTrainedTokenizerBase") -> re.Pattern[str]:
    """Matches any special token of the tokenizer, the longest first."""
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return re.compile("|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) or r"(?!)")


def _thought_and_answer(chat: FittedChat, index: int, prompt: str) -> tuple[str, str]:
    """Returns what a turn thinks and what it answers; a thought in tags may open its content."""
    thought, content = chat.thought_of(index), chat.messages[index]["content"]
    if not thought and chat.thoughts.is_opened(prompt):  # a template that renders no thoughts has left this one to the model
        return split_inline(content) or (str(chat.messages[index].get("reasoning", "")), content)
    return thought, content


def _opens(chat: FittedChat, index: int) -> bool:
    """Says whether nobody has spoken before a turn."""
    return all(message["role"] in INSTRUCTING for message in chat.messages[:index])


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
    return prompt[len(shared(question, prompt)) :]


def _plain_turn(chat: FittedChat, index: int, prompt: str, text: str | None) -> Turn | None:
    """Returns a turn of which the whole rendering shows everything: the answer follows the prompt, and one special token the answer."""
    if text is None or not text.startswith(prompt) or chat.thought_of(index) or chat.thoughts.is_opened(prompt):
        return None
    content: str = chat.messages[index]["content"]
    for answer in dict.fromkeys((content, content.strip())):
        found = _special(chat, text, len(prompt) + len(answer)) if text.startswith(answer, len(prompt)) else None
        if answer and found and not _special(chat, text, found.end()):
            return Turn(prompt, "", answer, "", found.group())
    return None


def _special(chat: FittedChat, text: str, place: int) -> re.Match[str] | None:
    return special_pattern(chat.tokenizer).match(text, place)


def _around(chat: FittedChat, index: int, followed: bool = False) -> tuple[str, str]:
    """Renders a chat up to a turn with another answer in its place, and returns what stands before and behind that answer.

    Args:
        chat: the chat.
        index: the turn's.
        followed: a question follows it.
    """
    probed = chat.with_contents({index: _ANSWER})
    through = probed.first(index + 1)
    try:
        text = (through.followed_by({"role": "user", "content": _OTHER}) if followed else through).render()
    except EncodeError:
        if not _opens(chat, index):
            raise
        text = probed.render()  # some do not render an opening without the question that follows
    head, found, tail = text.partition(_ANSWER)
    if not found:
        raise _changed(chat, index)
    return head, tail


def _as_rendered(chat: FittedChat, index: int, answer: str, head: str, text: str | None) -> str:
    """Returns an answer as the chat template writes it, which may be without the white space around it."""
    through = text if text is not None and index == len(chat.messages) - 1 else _through(chat, index, text)
    variants = tuple(dict.fromkeys((answer, answer.strip())))
    turn = through[len(shared(through, head)) :]
    for one in variants:
        if turn.startswith(one):
            return one
    for one in variants:
        if one in turn:
            return one
    raise _changed(chat, index)


def _through(chat: FittedChat, index: int, text: str | None) -> str:
    """Renders a chat up to the end of a turn, or whole where the chat template does not render an opening without what follows."""
    try:
        return chat.first(index + 1).render()
    except EncodeError:
        if text is None or not _opens(chat, index):
            raise
        return text


def _changed(chat: FittedChat, index: int) -> EncodeError:
    remedy = "Check the chat template's handling of content."
    return EncodeError("the chat template changes the answer's text", chat.where(index), remedy)


def _thinking(chat: FittedChat, prompt: str, head: str, thought: str) -> str:
    """Returns a thought in the chat template's notation, from where the prompt ends to the answer."""
    before, found, closing = head.rpartition(_THOUGHT)
    if not found:  # the template knows none apart from the content
        return thought.strip("\n") + chat.thoughts.close_of(prompt)
    opened = chat.thoughts.is_opened(prompt)
    opening = before[len(prompt) :] if before.startswith(prompt) else "" if opened else before[len(shared(before, prompt)) :]
    return opening + thought.strip() + closing


def _header(chat: FittedChat, prompt: str, head: str) -> str:
    """Returns what opens an answer and is left to the model: a header of special tokens, such as the channel that an answer goes to."""
    lead = head[len(prompt) :] if head.startswith(prompt) else ""
    return lead if special_pattern(chat.tokenizer).search(without_empty_thought(lead)) else ""


def _require_closing(chat: FittedChat, index: int) -> None:
    if options_of(chat.tokenizer).reasoning == "refuse":
        raise EncodeError(
            "the generation prompt opens a thought, and the row has no 'reasoning' before this answer",
            chat.where(index),
            "Give the turn a 'reasoning', or set 'chat_template: {reasoning: close}' to train the close of the thought and the answer.",
        )


def _end(chat: FittedChat, index: int, tail: str) -> str:
    """Returns the tokens that end a turn, by what stands behind its answer; where nothing does, by the model's own settings."""
    tokenizer = chat.tokenizer
    ends = end_ids_of(tokenizer)
    run = _specials(chat, tail)
    if len(run) > 1:  # what closes the whole conversation is not the turn's
        run = [one for one, other in zip(run, _specials(chat, _following(chat, index) or tail), strict=False) if one == other] or run[:1]
    stop = next((place for place, token in enumerate(run) if tokenizer.convert_tokens_to_ids(token) in ends), 0)
    if run:
        return "".join(run[: stop + 1])
    following = _specials(chat, _following(chat, index) or "")
    if following and tokenizer.convert_tokens_to_ids(following[0]) in ends:
        return following[0]
    if not ends:
        raise EncodeError(
            "no end-of-turn token follows the answer in the chat template, and the model's settings name none",
            chat.where(index),
            "Without one the model never learns to stop: fix the chat template, or name an eos_token_id in generation_config.json.",
        )
    own = tokenizer.eos_token_id
    return str(tokenizer.convert_ids_to_tokens(own if own in ends else ends[0]))


def _following(chat: FittedChat, index: int) -> str | None:
    """Returns what stands behind an answer that a question follows; None where the chat template does not take one there."""
    try:
        return _around(chat, index, followed=True)[1]
    except EncodeError:
        return None


def _specials(chat: FittedChat, tail: str) -> list[str]:
    """Returns the special tokens that a text begins with, white space before the first aside."""
    found = []
    place = len(tail) - len(tail.lstrip())
    while match := _special(chat, tail, place):
        found.append(match.group())
        place = match.end()
    return found


def _turn_with_calls(chat: FittedChat, index: int, prompt: str, text: str | None) -> Turn:
    """Returns a turn that calls tools: what calls look like is the chat template's own, so it is taken as it is rendered."""
    through = _through(chat, index, text)
    turn = through[len(prompt) :] if through.startswith(prompt) else through[len(shared(through, prompt)) :].lstrip()
    end = _end_of_calls(chat, index, through, turn)
    if end is None:
        said, closing = turn.rstrip(), _end(chat, index, "")
    else:
        said, closing = turn[: end.start()], end.group()
    said = without_empty_thought(said)
    lead, closes = "", False
    if chat.thoughts.is_opened(prompt) and not chat.thought_of(index):
        _require_closing(chat, index)
        lead, closes = chat.thoughts.close_of(prompt), True
        said = said.lstrip().removeprefix(lead.strip()).lstrip() if said.lstrip().startswith(lead.strip()) else said
    content: str = chat.messages[index]["content"].strip()
    before, found, after = said.partition(content) if content else ("", "", said)
    thinks = bool(chat.thought_of(index)) and not chat.thoughts.is_closed(prompt)
    return Turn(prompt, lead + before, found, after, closing, thinks, closes)


def _end_of_calls(chat: FittedChat, index: int, through: str, turn: str) -> re.Match[str] | None:
    """Returns the special token that ends a turn with calls, which is the last one before what closes a whole conversation.

    What the template writes at the end of a conversation only is told by a tool's answer behind the calls.
    """
    start = len(through) - len(turn)
    try:
        answered = chat.first(index + 1).followed_by({"role": "tool", "content": _OTHER}).render()
    except EncodeError:
        answered = through
    common = shared(through, answered)
    ends = list(special_pattern(chat.tokenizer).finditer(turn))
    closed = [end for end in ends if start + end.end() <= len(common)]
    # Words behind a token say that it ends a part of a call, and not the turn.
    last = [end for end in (*closed[-1:], *ends[-1:]) if not special_pattern(chat.tokenizer).sub("", turn[end.end() :]).strip()]
    return last[0] if last else None
