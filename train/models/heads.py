"""What a language model is, causal or masked, and what goes into its output head."""

from typing import TYPE_CHECKING, Any

from train.models.load import Model

if TYPE_CHECKING:
    import torch


def is_masked(model: Model) -> bool:
    """Says whether a transformers model (beneath peft) fills masks, reading both sides of them, and writes nothing."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return type(model).__name__ in _class_names(MODEL_FOR_MASKED_LM_MAPPING_NAMES) and not model.can_generate()


def into_head(model: Model, **inputs: Any) -> "torch.Tensor":
    """Runs a model up to its output head; returns the head's input, [B, T, width], differentiable where gradients are on.

    Of a causal model that is the last hidden state. A masked one transforms it first, each architecture in its own way and in a module of
    its own name; so the model itself is run, and its head is given one position alone, as its logits are not wanted.
    """
    if not is_masked(model):
        hidden: torch.Tensor = model.base_model(use_cache=False, **inputs).last_hidden_state
        return hidden
    taken: list[torch.Tensor] = []

    def take(_module: Any, arguments: "tuple[torch.Tensor, ...]") -> "tuple[torch.Tensor, ...]":
        taken.append(arguments[0])
        return (arguments[0][..., :1, :], *arguments[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(take)
    try:
        model(**inputs)
    finally:
        handle.remove()
    return taken[0]


def _class_names(mapping: Any) -> set[str]:
    """Returns the class names of a mapping of transformers, where one kind of model may have several."""
    return {name for names in mapping.values() for name in (names if isinstance(names, (tuple, list)) else (names,))}
