"""How a model's chat template is used: what a config says of it, and which tokenizer is bound to it."""

import datetime
from typing import TYPE_CHECKING, Self
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The one function by which chat templates ask for the time, in transformers as in the servers that follow it.
CLOCK = "strftime_now"


class ChatTemplateConfig(BaseModel):
    """How the model's chat template is used, in training, evaluation and chats alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fold_system: bool = False
    """Put what a system or developer message says before the user's turn that follows: for chat templates without a system role."""
    date: datetime.date | None = None
    """The day that a chat template is told where it asks the clock, such as `2026-01-31`; default: the day of a run, kept in run.json."""

    def on_a_day(self) -> Self:
        """Returns the same with a day: its own, else today. Asked once a run, so that all its prompts carry one day."""
        return self if self.date is not None else self.model_copy(update={"date": datetime.date.today()})


_BOUND: "WeakKeyDictionary[PreTrainedTokenizerBase, ChatTemplateConfig]" = WeakKeyDictionary()


def bind(tokenizer: "PreTrainedTokenizerBase", options: ChatTemplateConfig) -> None:
    """Makes a tokenizer's chat template be used in this way from now on."""
    _BOUND[tokenizer] = options


def options_of(tokenizer: "PreTrainedTokenizerBase") -> ChatTemplateConfig:
    """Returns how a tokenizer's chat template is used."""
    return _BOUND.get(tokenizer, _DEFAULT)


def used_options(tokenizer: "PreTrainedTokenizerBase") -> ChatTemplateConfig:
    """Returns what of the options has an effect on prompts: a day only where the chat template asks the clock."""
    options = options_of(tokenizer)
    return options if asks_clock(tokenizer) else options.model_copy(update={"date": None})


def asks_clock(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Says whether the chat template asks what day it is, so that its prompts depend on it."""
    source = getattr(tokenizer, "chat_template", None)
    return any(CLOCK in one for one in (source.values() if isinstance(source, dict) else [source or ""]))


def dated_notice(tokenizer: "PreTrainedTokenizerBase", what: str) -> str:
    """Returns what is said of prompts that depend on the clock.

    Args:
        tokenizer: whose chat template asks it.
        what: for what its day holds.
    """
    day = options_of(tokenizer).date
    return f"The chat template asks the clock: its prompts are dated {day} for {what} ('chat_template: {{date: ...}}' fixes another day)."


def set_clock(tokenizer: "PreTrainedTokenizerBase", source: str) -> None:
    """Makes a chat template read the tokenizer's day, at midnight, where it asks the clock.

    Transformers lets no function pass through a rendering's arguments; so the compiled template, which it keeps, gets the clock instead.
    """
    if CLOCK not in source:
        return
    from transformers.utils.chat_template_utils import _compile_jinja_template

    names = _compile_jinja_template(source).globals
    day = options_of(tokenizer).date
    if day is None:
        names.pop(CLOCK, None)  # what lies beneath is the clock itself
    else:
        names[CLOCK] = datetime.datetime.combine(day, datetime.time()).strftime


_DEFAULT = ChatTemplateConfig()
