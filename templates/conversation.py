"""Chats and the tokenizers that render them: messages, tools, and a model's own chat template."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict

from loopwright.errors import UserError
from loopwright.models import hub_answers, resolve_model
from templates.chat_options import ChatTemplateConfig, bind, options_of, require_read, set_clock

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Tools: TypeAlias = Sequence[dict[str, Any]]
Span: TypeAlias = tuple[int, int]
"""`[start, end)` in a text, in characters."""
Rendered: TypeAlias = Mapping[str, Any]
"""A message as a chat template is given it."""
REFUSES = "the chat template refuses these messages"
_AS_IT_IS = ChatTemplateConfig()


class Message(TypedDict):
    """One turn of a chat. `weight` is 0 or 1, on assistant turns only; absent means trained. `reasoning` is what it thought before."""

    role: str
    content: str | None
    weight: NotRequired[int]
    tool_calls: NotRequired[list[dict[str, Any]]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    reasoning: NotRequired[str]


class EncodeError(UserError):
    """A row whose prompt and answer cannot be told apart with proof under this tokenizer and chat template."""


@cache
def load_tokenizer(model: str, options: ChatTemplateConfig = _AS_IT_IS) -> "PreTrainedTokenizerBase":
    """Loads the tokenizer of a model (known name, folder or hub name). No weights are loaded and no torch is needed.

    Args:
        model: its name.
        options: how its chat template is used by whatever encodes with this tokenizer.

    Raises:
        UserError: the model is not there, or its tokenizer is none that reports character offsets.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    source = resolve_model(model)
    logging.set_verbosity_error()
    try:
        is_here = Path(source).is_dir() or not hub_answers()
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=is_here)
    except Exception as error:  # transformers raises OSError, ValueError, KeyError and others of its own here
        raise UserError(
            f"cannot load the tokenizer of '{model}': {str(error).splitlines()[0]}",
            remedy="Check that the folder has tokenizer.json and tokenizer_config.json, or that the hub can be reached.",
        ) from error
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer of '{model}' does not report character offsets",
            remedy="Save it as a fast tokenizer (tokenizer.json); the loss mask is proven on offsets.",
        )
    require_read(tokenizer, options)
    bind(tokenizer, options, _end_ids(source, is_here=is_here))
    return tokenizer


def _end_ids(source: str, *, is_here: bool) -> tuple[int, ...]:
    """Returns the tokens at which a model's own settings let it stop."""
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(source, local_files_only=is_here).eos_token_id
    except (OSError, ValueError):  # a model without such settings
        return ()
    return tuple(found) if isinstance(found, list) else () if found is None else (found,)


def template_source(tokenizer: "PreTrainedTokenizerBase", tools: Tools | None = None) -> str:
    """Returns the chat template's text; empty where the tokenizer has none."""
    if not getattr(tokenizer, "chat_template", None):
        return ""
    source: str = tokenizer.get_chat_template(None, list(tools) if tools else None)
    return source


def render(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[Rendered],
    tools: Tools | None = None,
    *,
    generation_prompt: bool = False,
    kwargs: Mapping[str, Any] | None = None,
) -> str:
    """Renders messages with the model's own chat template, as they are given.

    Args:
        tokenizer: whose chat template it is.
        messages: what is rendered.
        tools: the tools that may be called.
        generation_prompt: ask for an answer at the end.
        kwargs: the template's variables; default: the config's.

    Raises:
        EncodeError: there is no chat template, or it refuses these messages.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise EncodeError("the tokenizer has no chat template", remedy="Use an instruct model, or train and evaluate the verbalizer form.")
    given = list(tools) if tools else None
    variables = options_of(tokenizer).kwargs if kwargs is None else kwargs
    try:
        set_clock(tokenizer, template_source(tokenizer, tools))
        rendered = tokenizer.apply_chat_template(
            [dict(message) for message in messages], tools=given, tokenize=False, add_generation_prompt=generation_prompt, **variables
        )
    except Exception as error:  # Jinja's errors and whatever a chat template raises by `raise_exception`
        raise EncodeError(f"{REFUSES}: {error}", remedy="Check the order of roles.") from error
    assert isinstance(rendered, str)
    return rendered


def shared(a: str, b: str) -> str:
    """Returns the beginning that two texts have in common."""
    if a.startswith(b) or b.startswith(a):
        return min(a, b, key=len)
    return a[: next(place for place, (one, other) in enumerate(zip(a, b, strict=False)) if one != other)]


def decode(tokenizer: "PreTrainedTokenizerBase", ids: list[int], *, skip_special_tokens: bool = False) -> str:
    """Returns the text of some tokens, white space as it is."""
    text = tokenizer.decode(ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def tokenize(tokenizer: "PreTrainedTokenizerBase", text: str, *, split_special_tokens: bool = False) -> tuple[list[int], list[Span]]:
    """Returns the tokens of a text, none added, and where each stands in it.

    Args:
        tokenizer: whose tokens they are.
        text: what is encoded.
        split_special_tokens: a special token that the text spells is text.
    """
    encoding = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=split_special_tokens, verbose=False
    )
    return list(encoding["input_ids"]), [tuple(span) for span in encoding["offset_mapping"]]
