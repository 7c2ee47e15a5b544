"""How a chat template writes a model's thoughts: where one opens and closes, and whether its generation prompt opens one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from templates.chat_options import options_of
from templates.conversation import EncodeError, Rendered, Tools, render, shared, template_source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_QUESTION: Rendered = {"role": "user", "content": "loopwright-question-end"}
_THOUGHT, _ANSWER = "loopwright-thought-end", "loopwright-answer-end"
# The names under which chat templates take the thought of a turn.
_KEYS = ("reasoning_content", "reasoning", "thinking")
_NAME = r"[a-z_:]*(?:think|thought|reason)[a-z_:]*"
_OPEN = re.compile(rf"(<\|?|\[)(?:begin_|start_)?({_NAME})(\|?>|\])\s*\Z", re.IGNORECASE)
_INLINE = re.compile(rf"\s*(<({_NAME})>|\[({_NAME})\])(?P<thought>.*?)(</\2>|\[/\3\])\s*(?P<answer>.*)\Z", re.IGNORECASE | re.DOTALL)
_EMPTY = re.compile(rf"\s*(<({_NAME})>\s*</\2>|\[({_NAME})\]\s*\[/\3\])\s*", re.IGNORECASE)
_SWITCH = re.compile(rf"\b{_NAME}\b")


@dataclass(frozen=True, slots=True)
class ThoughtFormat:
    """How a chat template writes a thought before an answer.

    Attributes:
        key: the key of a message under which the template takes a thought; None where it renders none.
        closing: what is written between a thought and the answer, such as `\\n</think>\\n\\n`; empty where nothing tells.
        prompt_end: what the generation prompt ends with where it opens a thought; else empty.
        switch: the template's variable that stops it from opening one, as `{name: False}`; empty where there is none.
    """

    key: str | None = None
    closing: str = ""
    prompt_end: str = ""
    switch: Mapping[str, Any] = field(default_factory=dict)

    def is_opened(self, prompt: str) -> bool:
        """Says whether a prompt leaves a thought open, so that whatever follows is a part of it."""
        return bool(_OPEN.search(prompt)) or bool(self.prompt_end and prompt.endswith(self.prompt_end))

    def is_closed(self, prompt: str) -> bool:
        """Says whether a prompt holds a thought that it has closed, so that the answer follows."""
        return bool(self.closing.strip()) and prompt.rstrip().endswith(self.closing.strip())

    def close_of(self, prompt: str) -> str:
        """Returns what closes the thought that a prompt opens."""
        if self.closing.strip():
            return self.closing
        found = _OPEN.search(prompt)
        assert found is not None, "the prompt opens a thought"
        before, name, after = found.groups()
        named = found.group().strip()
        close = re.sub("(?i)start|begin", "END", named) if re.search("(?i)start_|begin_", named) else f"{before}/{name}{after}"
        return f"{prompt[len(prompt.rstrip()) :]}{close}\n\n"


def thought_format(
    tokenizer: "PreTrainedTokenizerBase", tools: Tools | None = None, kwargs: Mapping[str, Any] | None = None
) -> ThoughtFormat:
    """Returns how the tokenizer's chat template writes thoughts, found by rendering one.

    Args:
        tokenizer: whose chat template it is.
        tools: tools that are declared, as some tokenizers have a template of their own for them.
        kwargs: the template's variables; default: the config's.
    """
    source = template_source(tokenizer, tools)
    given = options_of(tokenizer).kwargs if kwargs is None else kwargs
    return _format(tokenizer, source, tuple(sorted(given.items(), key=str))) if source else ThoughtFormat()


def split_inline(content: str) -> tuple[str, str] | None:
    """Divides a content that begins with a thought in tags, such as `<think>...</think>`, into thought and answer; else None."""
    found = _INLINE.match(content)
    return (found["thought"], found["answer"]) if found else None


def without_empty_thought(text: str) -> str:
    """Returns a text without the empty thought that it begins with."""
    found = _EMPTY.match(text)
    return text[found.end() :] if found else text


@lru_cache(maxsize=256)
def _format(tokenizer: "PreTrainedTokenizerBase", source: str, kwargs: tuple[tuple[str, Any], ...]) -> ThoughtFormat:
    given = dict(kwargs)
    found = _look(tokenizer, given)
    if not found.prompt_end:
        return found
    names = sorted(set(_SWITCH.findall(source)) - {*given, *_KEYS})
    switch = next((one for one in ({name: False} for name in names) if not _look(tokenizer, given | one).prompt_end), {})
    return replace(found, switch=switch)


def _look(tokenizer: "PreTrainedTokenizerBase", kwargs: dict[str, Any]) -> ThoughtFormat:
    """Returns how thoughts are written under some variables of the template, without the switch."""
    try:
        asked, prompt = (render(tokenizer, [_QUESTION], generation_prompt=opens, kwargs=kwargs) for opens in (False, True))
    except EncodeError:
        return ThoughtFormat()
    key, before, closing = _rendered_thought(tokenizer, kwargs)
    # Where a rendered thought follows the prompt as it is, the prompt has opened it.
    opens = (closing.strip() and before.rstrip() == prompt.rstrip()) or _OPEN.search(prompt)
    return ThoughtFormat(key, closing, prompt[len(shared(asked, prompt)) :] if opens else "")


def _rendered_thought(tokenizer: "PreTrainedTokenizerBase", kwargs: dict[str, Any]) -> tuple[str | None, str, str]:
    """Returns the key that a thought is rendered by, what stands before the thought, and what between it and the answer."""
    for key in _KEYS:
        try:
            text = render(tokenizer, [_QUESTION, {"role": "assistant", "content": _ANSWER, key: _THOUGHT}], kwargs=kwargs)
        except EncodeError:
            continue
        before, found, rest = text.partition(_THOUGHT)
        closing, answered, _ = rest.partition(_ANSWER)
        if found and answered:
            return key, before, closing
    return None, "", ""
