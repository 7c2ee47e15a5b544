"""How a model's chat template is used: what a config says of it, and which tokenizer is bound to it."""

import datetime
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, field_validator

from loopwright.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The one function by which chat templates ask for the time, in transformers as in the servers that follow it.
CLOCK = "strftime_now"
_TAKEN = frozenset(
    {"messages", "conversation", "tools", "documents", "add_generation_prompt", "continue_final_message", "tokenize", "chat_template"}
    | {"padding", "truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask", "tokenizer_kwargs"}
)


class ChatTemplateConfig(BaseModel):
    """How the model's chat template is used, in training, evaluation and chats alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fold_system: bool = False
    """Put what a system or developer message says before the user's turn that follows: for chat templates without a system role."""
    date: datetime.date | None = None
    """The day that a chat template is told where it asks the clock, such as `2026-01-31`; default: the day of a run, kept in run.json."""
    kwargs: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda value: not value)
    """Variables of the chat template, such as `{enable_thinking: false}`."""
    reasoning: Literal["close", "refuse"] = Field("close", exclude_if=lambda value: value == "close")
    """What happens to a row without `reasoning` where the generation prompt opens a thought that the template cannot switch off: `close`
    trains the close of the thought and then the answer, `refuse` stops."""

    @field_validator("kwargs")
    @classmethod
    def _leaves_messages_alone(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(_TAKEN.intersection(kwargs))
        if taken:
            raise ValueError(f"{', '.join(map(repr, taken))} cannot be set here: the rows and this tool decide it")
        return kwargs

    def __hash__(self) -> int:
        """Options are keys of a cache; a dict is not."""
        return hash(self.model_dump_json())

    def on_a_day(self) -> Self:
        """Returns the same with a day: its own, else today. Asked once a run, so that all its prompts carry one day."""
        return self if self.date is not None else self.model_copy(update={"date": datetime.date.today()})


_BOUND: "WeakKeyDictionary[PreTrainedTokenizerBase, ChatTemplateConfig]" = WeakKeyDictionary()
_END_IDS: "WeakKeyDictionary[PreTrainedTokenizerBase, tuple[int, ...]]" = WeakKeyDictionary()


def bind(tokenizer: "PreTrainedTokenizerBase", options: ChatTemplateConfig, end_ids: tuple[int, ...] = ()) -> None:
    """Makes a tokenizer's chat template be used in this way from now on.

    Args:
        tokenizer: whose chat template it is.
        options: how it is used.
        end_ids: the tokens at which the model's own settings (`generation_config.json`) let it stop.
    """
    _BOUND[tokenizer] = options
    _END_IDS[tokenizer] = end_ids


def end_ids_of(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """Returns the tokens at which a model stops by its own settings, its tokenizer's end token last; no token twice."""
    own = tokenizer.eos_token_id
    return tuple(dict.fromkeys((*_END_IDS.get(tokenizer, ()), *(() if own is None else (own,)))))


def require_read(tokenizer: "PreTrainedTokenizerBase", options: ChatTemplateConfig) -> None:
    """Refuses variables that the chat template never reads: they would change nothing, in silence.

    Raises:
        UserError: there is one.
    """
    source = getattr(tokenizer, "chat_template", None) or ""
    words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(source.values()) if isinstance(source, dict) else source))
    for name in options.kwargs:
        if source and name not in words:
            close = get_close_matches(name, words, n=1)
            remedy = f"Did you mean '{close[0]}'?" if close else "Leave it out, or name a variable that the template reads."
            raise UserError(f"the chat template reads no variable '{name}'", "chat_template.kwargs", remedy)


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
