"""A loaded model as base or as one of its tuned systems, ready to be asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.systems.base import EvalContext

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A causal language model in evaluation mode.

    Attributes:
        model: with one adapter switched on, or none.
        tokenizer: with the chat template as it was trained.
        max_length: the model's context in tokens.
        max_batch_tokens: tokens of a batch, padding and new tokens included.
    """

    model: Any
    tokenizer: "PreTrainedTokenizerBase"
    max_length: int
    max_batch_tokens: int

    @property
    def end_ids(self) -> set[int]:
        """The tokens at which a raw text ends: the tokenizer's, and those that the model's own settings name."""
        named = self.model.generation_config.eos_token_id
        found = {*(named if isinstance(named, list) else [named]), self.tokenizer.eos_token_id}
        return {one for one in found if one is not None}


@contextmanager
def asked_model(context: EvalContext, adapter: str | None) -> Iterator[AskedModel]:
    """Yields the model of an evaluation with one adapter switched on; None: with all of them off, which is the base."""
    loaded = context.require_model()
    with loaded.with_adapter(adapter) as model:
        yield AskedModel(model, loaded.tokenizer_of(adapter), loaded.max_length, context.config.max_batch_tokens)
