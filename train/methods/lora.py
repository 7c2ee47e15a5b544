"""LoRA adapters through peft."""

import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from loopwright.errors import UserError
from loopwright.files import write_atomic
from train.methods.base import Method, require_same_weights
from train.models.load import Model, named_base, unwrapped

_WEIGHTS_NAME = "adapter_model.safetensors"
_CONFIG_NAME = "adapter_config.json"


class Lora(Method):
    """A low-rank update of linear layers (Hu et al., 2021), kept apart from the base model, which stays as it is.

    ## What it trains
    Two small float32 matrices for each layer that `lora.targets` names, whatever the base model's own precision. The output head is none
    of them. `lora.rslora` scales the update for high ranks, `lora.dora` trains each weight's magnitude as well, and `lora.plus_ratio` lets
    the B matrices learn faster than the A matrices. The default learning rate, 5e-4, is the usual one of adapters of this rank (Biderman
    et al., "LoRA Learns Less and Forgets Less", 2024, find 2e-4 to 5e-4 best); it does not depend on the rank, as alpha / rank scales it.

    ## What it saves
    The adapter in peft's format, which peft and every server that takes LoRA adapters load. Switched off, it leaves the base exactly.
    """

    name = "lora"
    file_names = (_CONFIG_NAME, _WEIGHTS_NAME)
    shape = ("rank", "alpha", "targets", "rslora", "dora")

    @override
    def fresh(self, model: Model) -> Model:
        """Puts a new adapter on a model."""
        from peft import LoraConfig, get_peft_model

        options = self.config.lora
        if options.targets != "all-linear":
            _require_linear(model, options.targets)
        config = LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=options.targets if isinstance(options.targets, str) else list(options.targets),
            exclude_modules=_not_plainly_linear(model) or None if options.targets == "all-linear" else None,
            use_rslora=options.rslora,
            use_dora=options.dora,
            task_type=_task_type(model),
        )
        try:
            with _no_future_warnings():
                model = get_peft_model(model, config, autocast_adapter_dtype=True)
        except ValueError as error:
            cause = f"the adapter fits no layer: {str(error).splitlines()[0]}"
            raise UserError(cause, "lora.targets", "Name linear layers of this model, or all-linear.") from error
        _compute_in_model_dtype(model)
        return model

    @override
    def begin_from(self, model: Model, folder: Path) -> None:
        """Copies a run's adapter into the new one, in float32, as it was trained."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self.require_saved(folder)
        try:
            saved = load_file(folder / _WEIGHTS_NAME)
        except (OSError, SafetensorError) as error:
            cause = f"its adapter cannot be read: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            raise UserError(cause, str(folder), "Name the folder of a finished run whose files are whole.") from error
        require_same_weights(saved, get_peft_model_state_dict(model, save_embedding_layers=False), folder)
        set_peft_model_state_dict(model, saved)

    @override
    def rate_of(self, name: str) -> float:
        """Lets the B matrices, which begin at zero, learn faster (LoRA+)."""
        return self.config.lora.plus_ratio if ".lora_B." in name else 1.0

    @override
    def save(self, model: Model, folder: Path) -> None:
        """Writes the adapter in peft's format."""
        with tempfile.TemporaryDirectory() as temporary:
            model.save_pretrained(temporary, save_embedding_layers=False)
            config = json.loads((Path(temporary) / _CONFIG_NAME).read_text(encoding="utf-8"))
            config["base_model_name_or_path"], config["revision"] = named_base(config["base_model_name_or_path"] or "")
            for key in ("target_modules", "exclude_modules"):  # peft keeps sets, whose order differs from process to process
                if isinstance(config[key], list):
                    config[key].sort()
            write_atomic(folder / _WEIGHTS_NAME, (Path(temporary) / _WEIGHTS_NAME).read_bytes())
            write_atomic(folder / _CONFIG_NAME, json.dumps(config, indent=2, sort_keys=True) + "\n")

    @override
    @classmethod
    def load(cls, model: Model, folder: Path, name: str = "default") -> Model:
        """Puts a saved adapter on its base model.

        The adapter takes the model's own precision, in which it was computed in training; peft's float32 would cast each layer's input.
        """
        from peft import PeftModel
        from safetensors import SafetensorError

        cls.require_saved(folder)
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

    @override
    @classmethod
    @contextmanager
    def using(cls, model: Any, name: str | None) -> Iterator[Model]:
        """Switches to one adapter, or all of them off."""
        if name is None:
            with model.disable_adapter():
                yield model
        else:
            model.set_adapter(name)
            yield model

    @override
    @classmethod
    def released(cls, model: Any) -> Model | None:
        """Takes the adapter's layers out again. A head of one output, which is trained beside them, is part of the base: None."""
        if hasattr(unwrapped(model), "score"):
            return None
        with _no_future_warnings():
            base: Any = model.unload()
        if hasattr(base, "peft_config"):  # else peft takes the next adapter for a second one
            del base.peft_config
        released: Model = base.eval()
        return released

    @override
    @classmethod
    def merged(cls, model: Any, name: str = "default") -> Model:
        """Adds each layer's update to its weight by peft's own merge, in float32, so that the sum alone is rounded."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        model.set_adapter(name)
        with _no_future_warnings():
            for path, layer in [(path, one) for path, one in model.named_modules() if isinstance(one, BaseTunerLayer)]:
                stored = layer.get_base_layer().weight.dtype
                layer.float()  # one at a time: the whole model in float32 may be more than there is memory for
                try:
                    layer.merge(safe_merge=True, adapter_names=[name])
                except ValueError as error:
                    raise UserError(f"the adapter cannot be merged into '{path}': {error}", remedy="Train again.") from error
                layer.to(stored)
            merged: Model = model.unload()
        return merged


def _require_linear(model: Model, targets: Iterable[str]) -> None:
    """Makes sure that each name stands for linear layers which an adapter has an effect on.

    Raises:
        UserError: one does not.
    """
    modules = dict(model.named_modules())
    unfit = _not_plainly_linear(model)
    for target in targets:
        found = [name for name in modules if name == target or name.endswith(f".{target}")]
        if not found:
            cause = f"the adapter fits no layer '{target}': the model has none of that name"
            raise UserError(cause, "lora.targets", f"Its linear layers are: {', '.join(_linear_names(model))}. Or name all-linear.")
        if any(modules[name] is model.get_output_embeddings() for name in found):
            cause = f"'{target}' is the output head, on which an adapter would be lost wherever it is tied to the embeddings"
            raise UserError(cause, "lora.targets", "Leave it out; method: full trains the head.")
        if other := next((name for name in found if not _is_linear(modules[name])), None):
            cause = f"'{other}' is no linear layer but a {type(modules[other]).__name__}"
            raise UserError(cause, "lora.targets", f"The model's linear layers are: {', '.join(_linear_names(model))}.")
        if unused := next((name for name in found if name in unfit), None):
            cause = f"an adapter on '{unused}' would be trained and not used: the model reads that layer's weights past the layer"
            raise UserError(cause, "lora.targets", f"Leave '{target}' out, or name all-linear, which does.")


def _linear_names(model: Model) -> list[str]:
    """Returns the last parts of the names of the linear layers that can have an adapter, each once."""
    unfit = {*_not_plainly_linear(model)}
    head = model.get_output_embeddings()
    named = [name for name, module in model.named_modules() if _is_linear(module) and module is not head and name not in unfit]
    return list(dict.fromkeys(name.rpartition(".")[2] for name in named))


def _is_linear(module: Any) -> bool:
    """Says whether a layer is a matrix product: torch's own, or GPT-2's, whose matrix is turned around."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, torch.nn.Linear | Conv1D)


def _task_type(model: Model) -> str | None:
    """Returns what peft calls the model's task: its wrapper for causal models asks for their generation methods, and the one for sequence
    classification trains the head `score`, and saves it with the adapter.
    """
    if model.can_generate():
        return "CAUSAL_LM"
    return "SEQ_CLS" if hasattr(model, "score") else None


def _not_plainly_linear(model: Model) -> list[str]:
    """Returns the names of linear layers that no adapter can be put on, which `all-linear` leaves out.

    A router may be a linear layer that returns more than a product (Llama 4), and a state space mixer (Mamba) reads the weights of the
    projections behind its convolution past the layers, so that an adapter there would be trained and not used.
    """
    import torch

    modules = dict(model.named_modules())
    found = []
    for name, module in modules.items():
        parent, _, own_name = name.rpartition(".")
        is_mixer = own_name in {"out_proj", "dt_proj"} and f"{parent}.conv1d" in modules
        is_quantized = type(module).__module__.startswith("bitsandbytes.")  # its layers have a forward of their own, and peft's for them
        if not isinstance(module, torch.nn.Linear) or (is_quantized and not is_mixer):
            continue
        if is_mixer or type(module).forward is not torch.nn.Linear.forward:
            found.append(name)
    return found


def _compute_in_model_dtype(model: Model) -> None:
    """Keeps peft from casting each layer's input up to the adapter's float32; autocast casts the small adapter down instead."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False


@contextmanager
def _no_future_warnings() -> Iterator[None]:
    """Hides that peft asks transformers by names that are being renamed, and turns GPT-2's matrices around: nothing to act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
        yield
