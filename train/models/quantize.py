"""A base in 4 bits (QLoRA), through bitsandbytes, which is an extra and wants a GPU."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from loopwright.errors import UserError, missing_extra
from loopwright.machine import graphics_cards
from train.models.load import Dtype, Model, cannot_load, load_model, model_folder, resolve_dtype

if TYPE_CHECKING:
    import torch

_KEY = "quantize: nf4"


def require_quantizable(method: str) -> None:
    """Makes sure that a base can be loaded in 4 bits, before anything is: nothing here needs torch.

    Args:
        method: what of the model is to be trained.

    Raises:
        UserError: the method trains the base itself, the extra is not installed, or there is no GPU.
    """
    if method != "lora":
        cause = f"weights of 4 bits cannot be trained, and method: {method} trains the model's own"
        raise UserError(cause, _KEY, "Leave quantize out, or train an adapter with method: lora.")
    if find_spec("bitsandbytes") is None:
        raise missing_extra(f"'{_KEY}'", "qlora")
    if not graphics_cards():
        cause = "a base in 4 bits needs an NVIDIA card, and none is seen"
        raise UserError(cause, _KEY, "Leave quantize out on a CPU, where dtype: bfloat16 halves the memory.")


def load_in_4_bits(name: str, dtype: Dtype = "auto", auto_class: str = "AutoModelForCausalLM") -> Model:
    """Loads a model, as `load_model` does, with the weights of its linear layers in 4 bits, but for the output head's.

    NormalFloat4 with double quantisation, computed in `dtype` (Dettmers et al., "QLoRA", 2023).

    Raises:
        UserError: the model is not there, or cannot be loaded.
    """
    import torch
    import transformers

    folder = model_folder(name)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    computed = resolve_dtype(dtype)
    four_bits = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=computed
    )
    device: torch.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        model: Model = getattr(transformers, auto_class).from_pretrained(
            folder,
            dtype=computed,
            quantization_config=four_bits,
            device_map={"": device},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise cannot_load(name, error) from error
    return model.eval()


def load_for_training(name: str, dtype: Dtype, auto_class: str, quantize: str | None, *, shard: bool = False) -> Model:
    """Loads the base that a run trains: in 4 bits where its option `quantize` says so, on the CPU where it is to be divided.

    Raises:
        UserError: the model is not there, or cannot be loaded.
    """
    if quantize is not None:
        return load_in_4_bits(name, dtype, auto_class)
    return load_model(name, dtype, auto_class, device="cpu" if shard else None)


def load_base(name: str, dtype: Dtype, quantized: bool, auto_class: str = "AutoModelForCausalLM") -> Model:
    """Loads the base of runs: in 4 bits where they were trained so and there is a GPU, else whole, which answers a little otherwise."""
    import torch

    load = load_in_4_bits if quantized and torch.cuda.is_available() else load_model
    return load(name, dtype, auto_class)


def num_weights(parameter: "torch.nn.Parameter") -> int:
    """Returns how many weights a parameter holds: two in each byte, where it is in 4 bits."""
    return parameter.numel() * (2 if type(parameter).__name__ == "Params4bit" else 1)
