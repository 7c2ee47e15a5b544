"""LoRA adapters through peft: put on a model, saved, loaded and checked."""

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopwright.errors import UserError
from loopwright.files import write_atomic
from train.config import LoraOptions
from train.models import Model

WEIGHTS_NAME = "adapter_model.safetensors"
CONFIG_NAME = "adapter_config.json"


def add_adapter(model: Model, options: LoraOptions) -> Model:
    """Puts a fresh adapter on a model; only it is trainable, in float32 whatever the model's own precision. Torch's seed decides it.

    Raises:
        UserError: `targets` names no layer of the model.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=options.targets if isinstance(options.targets, str) else list(options.targets),
        task_type="CAUSAL_LM",
    )
    try:
        with _no_future_warnings():
            adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        raise UserError(
            f"the adapter fits no layer: {str(error).splitlines()[0]}", "lora.targets", "Name linear layers of this model, or all-linear."
        ) from error
    _compute_in_model_dtype(adapted)
    return adapted


def save_adapter(adapted: Model, folder: Path) -> None:
    """Writes the adapter in peft's format: equal adapters give equal bytes."""
    with tempfile.TemporaryDirectory() as temporary:
        adapted.save_pretrained(temporary, save_embedding_layers=False)
        config = json.loads((Path(temporary) / CONFIG_NAME).read_text(encoding="utf-8"))
        if isinstance(config["target_modules"], list):  # peft keeps a set, whose order differs from process to process
            config["target_modules"].sort()
        write_atomic(folder / WEIGHTS_NAME, (Path(temporary) / WEIGHTS_NAME).read_bytes())
        write_atomic(folder / CONFIG_NAME, json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_adapter(model: Model, folder: Path, name: str = "default") -> Model:
    """Puts a saved adapter on its base model, for use: within `.disable_adapter()` the result is the base model again.

    The adapter takes the model's own precision, in which it was computed in training; peft's float32 would cast each layer's input.

    Args:
        model: the base model, or one that has other adapters already; it is changed in place.
        folder: the run's folder.
        name: what `.set_adapter()` will call it; letters, digits and underscores.

    Raises:
        UserError: the folder holds no adapter, or one that does not fit this model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    require_adapter(folder)
    try:
        with _no_future_warnings():
            if isinstance(model, PeftModel):
                model.load_adapter(str(folder), adapter_name=name, autocast_adapter_dtype=False)
            else:
                model = PeftModel.from_pretrained(model, folder, adapter_name=name, autocast_adapter_dtype=False)
    except (RuntimeError, ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
        cause = f"the adapter does not fit the model: {str(error).strip().splitlines()[0]}"
        raise UserError(cause, str(folder), "Give the base model that it was trained on (run.json names it).") from error
    return model.eval()


def require_adapter(folder: Path) -> None:
    """Makes sure that a run's folder holds an adapter.

    Raises:
        UserError: it does not.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise UserError(f"the folder holds no adapter: there is no {name} in it", str(folder), "Name the --out folder of a train run.")


def trainable(adapted: Model) -> dict[str, Any]:
    """Returns the adapter's parameters by name, in the model's order."""
    return {name: parameter for name, parameter in adapted.named_parameters() if parameter.requires_grad}


def _compute_in_model_dtype(adapted: Model) -> None:
    """Keeps peft from casting each layer's input up to the adapter's float32; autocast casts the small adapter down instead."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in adapted.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


@contextmanager
def _no_future_warnings() -> Iterator[None]:
    """Hides that peft still asks transformers by names that are being renamed: nothing that a user can act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
