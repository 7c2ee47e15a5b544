"""What a forward pass keeps for the backward pass, and whether there is memory for it."""

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from loopwright.console import notice
from train.data.examples import TrainingExample
from train.data.packing import collate, micro_batches
from train.engine.free_memory import available_bytes, used_bytes
from train.engine.passes import Passes

# The share of the free memory that activations may take: a backward pass needs some beside them.
_SHARE = 0.6
# No layer of any known architecture keeps so many numbers a token, in widths of the model.
_AT_MOST = 60


def use_checkpointing(passes: Passes, examples: list[TrainingExample]) -> None:
    """Has the layers of a model computed again in the backward pass, where the options want that or memory asks for it.

    Args:
        passes: of the run; changed in place.
        examples: what is trained; of their micro-batches the largest is looked at.

    Raises:
        UserError: the options want it, and the architecture does not do it.
    """
    wanted = passes.config.activation_checkpointing
    if wanted is None and examples and not passes.config.shard:
        free = max(0, available_bytes() - used_bytes()) // passes.world.local_size
        group = _largest(passes, examples)
        num_tokens = sum(one.num_tokens for one in group) if passes.scorer.packed else len(group) * max(one.longest for one in group)
        if free and _bound(passes, num_tokens) > _SHARE * free and (kept := kept_bytes(passes, group)) > _SHARE * free:
            notice(
                f"A forward pass of {num_tokens:,} tokens keeps {kept / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: its layers are "
                "computed again in the backward pass instead, which takes a third more time (activation_checkpointing)."
            )
            wanted = True
    if wanted:
        passes.scorer = passes.scorer.checkpointed()


def kept_bytes(passes: Passes, examples: list[TrainingExample]) -> int:
    """Returns how much a forward pass over a micro-batch keeps for the backward pass, weights left out; nothing of it is kept here."""
    weights = {parameter.untyped_storage().data_ptr() for _, parameter in passes.model.named_parameters()}
    known: dict[int, StorageWeakRef] = {}
    total = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal total
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        # A tensor that several layers keep counts once; what lies where one has been that is gone is another.
        if place not in weights and (place not in known or known[place].expired()):  # type: ignore[no-untyped-call]
            known[place] = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            total += storage.nbytes()
        return tensor.new_empty(0)

    def never(_: Any) -> torch.Tensor:
        raise AssertionError("no backward pass follows")

    passes.model.train()
    with torch.autograd.graph.saved_tensors_hooks(count, never):
        batch = collate(examples, passes.scorer.device, packed=passes.scorer.packed)
        passes.scorer.read(batch, batch.predictors)
    return total


def _largest(passes: Passes, examples: list[TrainingExample]) -> list[TrainingExample]:
    """Returns the largest micro-batch that a step could take: of the longest examples."""
    longest = sorted(examples, key=lambda one: one.num_tokens)[-passes.config.batch_size :]
    groups = micro_batches(longest, passes.config, packed=passes.scorer.packed, apart=passes.objective.independent)
    return max(groups, key=lambda group: sum(one.num_tokens for one in group))


def _bound(passes: Passes, num_tokens: int) -> float:
    """Returns more than a forward pass keeps, bytes, without making one."""
    config = passes.scorer.causal.config.get_text_config()
    width, layers = getattr(config, "hidden_size", 0), getattr(config, "num_hidden_layers", 0)
    heads = getattr(config, "num_attention_heads", 0)
    if not width or not layers or not heads:
        return float("inf")
    a_token = _AT_MOST * width + heads * min(num_tokens, 512)
    return float(num_tokens * layers * a_token * 4)
