"""A chat in the shape that a model's chat template takes, with proof that the template leaves nothing of it out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from templates.chat_options import options_of
from templates.conversation import REFUSES, EncodeError, Message, Rendered, Tools, render
from templates.thoughts import ThoughtFormat, split_inline, thought_format

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Plain letters, which no chat template's JSON escapes; closed, so that the first mark is not found in the tenth.
_MARK = "loopwright-probe-{}-end"
_OTHER_MARK = "loopwright-other-{}-end"
INSTRUCTING = ("system", "developer")
_USE_TOOLS = "Use a model whose chat template knows tools, or write calls and tools as text in the template of the data."
_USE_ROLE = "Use a model whose chat template knows it, or put its text into a message that it knows in the template of the data."
_FOLD = (
    "Set 'chat_template: {fold_system: true}' in the dataset's config and build it again: the system text then opens the user's turn that "
    "follows. Or leave that message out of the template of the data."
)
_NO_THOUGHTS = ThoughtFormat()


@dataclass(frozen=True, slots=True)
class FittedChat:
    """Messages as the chat template is given them.

    Attributes:
        tokenizer: whose chat template it is.
        messages: in their order.
        places: of each, its index among the messages that were to be fitted: errors speak of those.
        tools: the tools that may be called.
        arguments_as_text: the arguments of calls are given as the JSON that they are kept as. Most chat templates write an object by
            `tojson`, which would quote a text once more; some join a text to theirs.
        left_out: indices of the assistant's first turns that are in no rendering, as the chat template takes a user's first.
        thoughts: how the chat template writes thoughts under `kwargs`.
        kwargs: the chat template's variables: the config's, and in a chat without thoughts what keeps its prompt from opening one.
    """

    tokenizer: "PreTrainedTokenizerBase"
    messages: tuple[Rendered, ...]
    places: tuple[int, ...]
    tools: Tools | None
    arguments_as_text: bool = False
    left_out: tuple[int, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    thoughts: ThoughtFormat = _NO_THOUGHTS

    def render(self, *, generation_prompt: bool = False) -> str:
        """Renders them.

        Raises:
            EncodeError: the chat template is missing or refuses them.
        """
        messages = self.messages if self.arguments_as_text else tuple(map(_with_parsed_calls, self.messages))
        return render(self.tokenizer, messages, self.tools, generation_prompt=generation_prompt, kwargs=self.kwargs)

    def first(self, count: int) -> "FittedChat":
        """Returns its beginning."""
        return replace(self, messages=self.messages[:count], places=self.places[:count])

    def followed_by(self, message: Rendered) -> "FittedChat":
        """Returns it with one more message."""
        return replace(self, messages=(*self.messages, message), places=(*self.places, len(self.places)))

    def with_contents(self, contents: Mapping[int, str]) -> "FittedChat":
        """Returns it with other contents in the place of some."""
        changed = ({**one, "content": contents[index]} if index in contents else one for index, one in enumerate(self.messages))
        return replace(self, messages=tuple(changed))

    def with_thought(self, index: int, thought: str) -> "FittedChat":
        """Returns it with another thought before one of its turns."""
        key = self.thoughts.key
        changed = ({**one, key: thought} if key and place == index else one for place, one in enumerate(self.messages))
        return replace(self, messages=tuple(changed))

    def thought_of(self, index: int) -> str:
        """Returns what is thought before a turn, where the chat template renders that; else nothing."""
        return str(self.messages[index].get(self.thoughts.key) or "") if self.thoughts.key else ""

    def where(self, index: int) -> str:
        """Returns what errors call a message."""
        return f"messages[{self.places[index]}]"


def fit_chat(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None = None, *, generation_prompt: bool = False
) -> FittedChat:
    """Brings a chat into a shape in which the chat template renders all of it.

    Where the template leaves something out or refuses, what says the same is tried: the role system for developer where there is no
    system message, and the arguments of calls as text for templates that join them to text. Proven by rendering once more with a mark in
    the place of each content, call and tool: nothing is learned from what is not rendered. A template that takes no chat which the
    assistant opens is given it without that opening, which `left_out` says.

    Raises:
        EncodeError: the chat template leaves something out in every shape, or refuses; the message says what.
    """
    given = _shape(tokenizer, messages, tools)
    if not given.messages:
        return given
    folded = _folded(given)
    found = _fit(folded if options_of(tokenizer).fold_system else given, generation_prompt=generation_prompt)
    if isinstance(found, FittedChat):
        return found
    helps = folded != given and isinstance(_fit(folded, generation_prompt=generation_prompt), FittedChat)
    raise EncodeError(found.cause, found.location, _FOLD) if helps else found


def _fit(given: FittedChat, *, generation_prompt: bool) -> FittedChat | EncodeError:
    """Returns the first shape of a chat that is rendered whole, or what is wrong with the plainest that is rendered at all."""
    errors: list[EncodeError] = []
    unopened = _without_opening(given)
    for attempt in chain.from_iterable(map(_shapes, (given, unopened) if unopened.left_out else (given,))):
        try:
            _require_shown(attempt, generation_prompt=generation_prompt)
        except EncodeError as error:
            errors.append(error)
        else:
            return attempt
    return next((error for error in errors if not error.cause.startswith(REFUSES)), errors[0])


def texts_of_tools(chat: FittedChat) -> Iterator[str]:
    """Yields what a chat says of tools and their calls, as JSON."""
    for value in (*(message.get("tool_calls") for message in chat.messages), chat.tools):
        if value:
            yield json.dumps(value, ensure_ascii=False)


def _with_parsed_calls(message: Rendered) -> Rendered:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [{**call, "function": _parsed(call["function"])} for call in calls]} if calls else message


def _parsed(function: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(function["arguments"])
    except ValueError:
        return function
    return {**function, "arguments": arguments} if isinstance(arguments, dict) else function


def _shape(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None) -> FittedChat:
    kwargs = _kwargs(tokenizer, messages, tools)
    thoughts = thought_format(tokenizer, tools, kwargs)
    key = thoughts.key
    shaped = []
    for message in messages:
        one: dict[str, Any] = {"role": message["role"], "content": message["content"] or ""}
        if calls := message.get("tool_calls"):
            one["tool_calls"] = calls
        if message.get("reasoning"):
            one["reasoning"] = message["reasoning"]
        if key and message["role"] == "assistant" and (told := _thought(message)):
            one.pop("reasoning", None)
            one[key], one["content"] = told
        shaped.append(one | {key: value for key, value in message.items() if key in {"tool_call_id", "name"}})
    return FittedChat(tokenizer, tuple(shaped), tuple(range(len(shaped))), tools, kwargs=kwargs, thoughts=thoughts)


def _thought(message: Message) -> tuple[str, str] | None:
    """Returns what a turn thinks, and its content without that; None where it does not say what it thinks."""
    content = message["content"] or ""
    return (message["reasoning"], content) if message.get("reasoning") else split_inline(content)


def _kwargs(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], tools: Tools | None) -> Mapping[str, Any]:
    """Returns the chat template's variables for a chat: in one without any thought the template is kept from opening one."""
    given = options_of(tokenizer).kwargs
    thinks = any(_thought(message) for message in messages if message["role"] == "assistant")
    return given if thinks else {**thought_format(tokenizer, tools).switch, **given}


def _folded(chat: FittedChat) -> FittedChat:
    """Puts what system and developer messages say before the next user's turn; where none follows they stay."""
    last = max((index for index, message in enumerate(chat.messages) if message["role"] == "user"), default=-1)
    messages: list[Rendered] = []
    places: list[int] = []
    said: list[str] = []
    for index, message in enumerate(chat.messages):
        if message["role"] in INSTRUCTING and index < last:
            said.append(message["content"])
            continue
        folds = said and message["role"] == "user"
        messages.append({**message, "content": "\n\n".join(text for text in (*said, message["content"]) if text)} if folds else message)
        places.append(chat.places[index])
        said = [] if folds else said
    return replace(chat, messages=tuple(messages), places=tuple(places))


def _without_opening(chat: FittedChat) -> FittedChat:
    """Leaves out what the assistant says before any user does, where a user says something at all."""
    spoken = [index for index, message in enumerate(chat.messages) if message["role"] not in INSTRUCTING]
    question = next((index for index in spoken if chat.messages[index]["role"] == "user"), None)
    opening = {index for index in spoken if question is not None and index < question}
    if any(chat.messages[index]["role"] != "assistant" or chat.messages[index].get("tool_calls") for index in opening):
        return chat
    kept = [index for index in range(len(chat.messages)) if index not in opening]
    messages, places = tuple(chat.messages[index] for index in kept), tuple(chat.places[index] for index in kept)
    return replace(chat, messages=messages, places=places, left_out=tuple(chat.places[index] for index in sorted(opening)))


def _shapes(chat: FittedChat) -> Iterator[FittedChat]:
    """Yields the shapes in which a chat says the same, the plainest first."""
    roles = {message["role"] for message in chat.messages}
    as_system = "developer" in roles and "system" not in roles
    renamed = tuple({**one, "role": "system"} if one["role"] == "developer" else one for one in chat.messages)
    for named in (chat, replace(chat, messages=renamed)) if as_system else (chat,):
        yield named
        if any(message.get("tool_calls") for message in named.messages):
            yield replace(named, arguments_as_text=True)


@dataclass(slots=True)
class _Marks:
    """The marks that stand in a chat, each with what is to be said where the chat template leaves it out.

    Attributes:
        said: mark -> what it stands for.
        wanted: what a rendering has to hold -> what it stands for: the mark, or the mark as JSON.
    """

    said: dict[int, str]
    wanted: dict[str, str]

    def put(self, what: str) -> str:
        mark = _MARK.format(len(self.wanted))
        self.wanted[mark] = what
        return mark


def _require_shown(chat: FittedChat, *, generation_prompt: bool) -> None:
    """Refuses a chat of which the chat template leaves out a message, a call or a tool."""
    marks = _Marks({}, {})
    marked = _marked(chat, marks)
    rendered = marked.render(generation_prompt=generation_prompt)
    for wanted, what in marks.wanted.items():
        if wanted not in rendered:
            raise EncodeError(f"the chat template leaves out {what}", remedy=_USE_TOOLS)
        if f"'{wanted}': " in rendered:  # an object that was joined to text: Python's notation of it
            raise EncodeError(f"the chat template writes {what} as Python writes them, and not as JSON", remedy=_USE_TOOLS)
    for index in marks.said:
        if _MARK.format(f"m{index}") in rendered:
            continue
        # A chat template may change what it writes, to upper case say: what it leaves out is what makes no difference.
        other = marked.with_contents({index: _OTHER_MARK.format(index)})
        if other.render(generation_prompt=generation_prompt) == rendered:
            remedy = _USE_TOOLS if chat.messages[index]["role"] == "tool" or chat.messages[index].get("tool_calls") else _USE_ROLE
            raise EncodeError(f"the chat template leaves out {marks.said[index]}", remedy=remedy)


def _marked(chat: FittedChat, marks: _Marks) -> FittedChat:
    messages = []
    for index, message in enumerate(chat.messages):
        where = chat.where(index)
        marked = dict(message)
        if calls := message.get("tool_calls"):
            marked["tool_calls"] = [_mark_call(call, where, marks, as_text=chat.arguments_as_text) for call in calls]
        if message["content"]:
            marked["content"] = _MARK.format(f"m{index}")
            marks.said[index] = _name_of(message, where)
        messages.append(marked)
    tools = [
        {**tool, "function": {**tool["function"], "name": marks.put(f"tools[{index}]")}} for index, tool in enumerate(chat.tools or ())
    ]
    return replace(chat, messages=tuple(messages), tools=tools)


def _name_of(message: Rendered, where: str) -> str:
    if message["role"] == "tool":
        return f"the tool's answer of {where}"
    if message.get("tool_calls"):
        return f"the text beside the calls of {where}"
    return f"the text of {where}, whose role is '{message['role']}'"


def _mark_call(call: Mapping[str, Any], where: str, marks: _Marks, *, as_text: bool) -> dict[str, Any]:
    name, key = marks.put(f"the call of {where}"), marks.put(f"the arguments of {where}")
    arguments = json.dumps({key: 1})
    if as_text:  # quoted once more it would be another text
        marks.wanted[arguments] = marks.wanted.pop(key)
    return {**call, "function": {"name": name, "arguments": arguments}}
