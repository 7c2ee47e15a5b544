"""A random model of two layers and the same architecture as the base: what an option does shows on it in milliseconds."""

import copy
from pathlib import Path
from typing import Any

from train.models.config_checks import model_config
from train.runs.record import SEQUENCE_CLASSIFIER

# Wherever an architecture's config has them. The vocabulary stays: the rows' ids have to be in it.
_SMALL = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model"), 64),
    **dict.fromkeys(("intermediate_size", "n_inner", "d_ff", "ffn_dim"), 128),
    **dict.fromkeys(("num_attention_heads", "n_head"), 4),
    "num_key_value_heads": 2,
    "head_dim": 16,
}


def write_small_model(base: Path, folder: Path, auto_class: str) -> None:
    """Writes a small random model of the base's architecture, with the base's own vocabulary.

    Raises:
        Exception: any, where the architecture cannot be made so small.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    config = small_config(model_config(base))
    if auto_class == SEQUENCE_CLASSIFIER:
        config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(17)
        getattr(transformers, auto_class).from_config(config).save_pretrained(folder)


def small_config(config: Any) -> Any:
    """Returns a model's config with two layers and narrow ones."""
    small = copy.deepcopy(config)
    for name, value in _SMALL.items():
        if getattr(small, name, None) is not None:
            setattr(small, name, value)
    if getattr(small, "layer_types", None) is not None:
        small.layer_types = small.layer_types[:2]
    return small
