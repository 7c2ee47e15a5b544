"""Models for training and evaluation: which there are, how one is loaded, and the hash that says which weights it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from loopwright.errors import UserError
from loopwright.hashing import hash_file, hash_text
from loopwright.models import KNOWN_MODELS, hub_answers, is_ready, model_dir, resolve_model
from train.world import World

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "bfloat16", "float32"]


class Model(Protocol):
    """What is used of a transformers model, which comes without usable types; one that peft has wrapped passes on what it lacks itself.

    Attributes:
        base_model: all of it below the output head.
        config: its architecture.
        generation_config: how it writes, its end tokens among it.
        dtype: of its weights.
        device: where it is.
        training: dropout is on.
    """

    base_model: Any
    config: Any
    generation_config: Any
    dtype: "torch.dtype"
    device: "torch.device"
    training: bool

    def __call__(self, **inputs: Any) -> Any:
        """Runs the forward pass."""

    def generate(self, **options: Any) -> "torch.Tensor":
        """Writes on from some tokens; returns ids [B, T], those tokens included."""

    def can_generate(self) -> bool:
        """Says whether it writes at all."""

    def get_input_embeddings(self) -> Any:
        """Returns the layer of token embeddings."""

    def get_output_embeddings(self) -> Any:
        """Returns the output head."""

    def set_attn_implementation(self, name: str) -> None:
        """Chooses how attention is computed."""

    def named_parameters(self) -> "Iterator[tuple[str, torch.nn.Parameter]]":
        """Yields all parameters by name, always in the same order."""

    def named_modules(self) -> "Iterator[tuple[str, torch.nn.Module]]":
        """Yields the model and every module in it by name."""

    def modules(self) -> "Iterator[torch.nn.Module]":
        """Yields the model and every module in it."""

    def train(self, mode: bool = True) -> Self:
        """Switches dropout on."""

    def eval(self) -> Self:
        """Switches dropout off."""

    def activation_checkpointing_enable(self, options: dict[str, Any]) -> None:
        """Has layers computed again in the backward pass, in training mode."""

    def activation_checkpointing_disable(self) -> None:
        """Has layers keep what they computed."""

    def zero_grad(self) -> None:
        """Forgets all gradients."""

    def save_pretrained(self, folder: str, **options: Any) -> None:
        """Writes weights and config."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `train models` says of a model that has a short name.

    Attributes:
        name: what `--model` takes.
        path: the folder in which it is, or will be.
        ready: it is there.
        parameters: number of weights.
        licence: SPDX identifier.
        description: the model behind the name.
    """

    name: str
    path: Path
    ready: bool
    parameters: int
    licence: str
    description: str


def named_base(folder: str) -> tuple[str | None, str | None]:
    """Returns what an adapter calls the base that was loaded from a folder, and its revision.

    A snapshot in the hub's cache is the hub's model, at that revision. Of a model in our own cache, which is none of the hub's, there is no
    name that anybody else could load: None. Any other folder is called by its path.
    """
    path = Path(folder)
    if (hub_name := hub_name_of(path)) is not None:
        return hub_name, path.name
    return (None, None) if any(path == model_dir(known) for known in KNOWN_MODELS) else (folder, None)


def hub_name_of(folder: Path) -> str | None:
    """Returns what the hub calls the model in a folder, where that is a snapshot in the hub's cache; the folder's name is its revision."""
    owner, _, name = folder.parent.parent.name.removeprefix("models--").partition("--")
    if folder.parent.name != "snapshots" or not folder.parent.parent.name.startswith("models--"):
        return None
    return f"{owner}/{name}" if name else owner


def list_models() -> list[ModelInfo]:
    """Returns the models that have a short name, fetched or not."""
    return [
        ModelInfo(name, model_dir(name), is_ready(model_dir(name)), known.num_parameters, known.licence, known.description)
        for name, known in KNOWN_MODELS.items()
    ]


def model_folder(name: str) -> Path:
    """Returns the folder that holds a model's files; for a hub name, its snapshot in the hub's cache, downloaded if need be.

    Raises:
        UserError: there is no such model.
    """
    source = resolve_model(name)
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]
        return Path(snapshot_download(source, allow_patterns=patterns, local_files_only=not hub_answers()))
    except Exception as error:  # the hub's own errors, the network's, and the file system's
        cause = error if hub_answers() else OSError("the hub cannot be reached, and its cache does not hold the model")
        raise cannot_load(name, cause) from error


def load_model(name: str, dtype: Dtype = "auto", auto_class: str = "AutoModelForCausalLM", *, device: str | None = None) -> Model:
    """Loads a model in evaluation mode, onto the GPU where there is one.

    Safetensors only, and no code that comes with a model is run.

    Args:
        name: `embedded`, a folder or a hub name.
        dtype: of the weights and the computation; `auto` is what `resolve_dtype` says.
        auto_class: the class of transformers that loads it, which decides the output head.
        device: where it is to be instead.

    Raises:
        UserError: the model is not there, or cannot be loaded.
    """
    import torch
    import transformers
    from safetensors import SafetensorError
    from transformers.utils import logging

    folder = model_folder(name)
    labels = {"num_labels": 1} if "SequenceClassification" in auto_class else {}
    use_physical_cores()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model = getattr(transformers, auto_class).from_pretrained(
            folder, dtype=resolve_dtype(dtype), use_safetensors=True, trust_remote_code=False, local_files_only=True, **labels
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise cannot_load(name, error) from error
    loaded: Model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    return loaded


def unwrapped(model: Model) -> Model:
    """Returns the transformers model itself, beneath what peft may have wrapped around it."""
    inner: Model = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner


def is_sharded(parameter: "torch.Tensor") -> bool:
    """Says whether a weight is divided among processes."""
    import torch

    return isinstance(parameter, torch.distributed.tensor.DTensor)


def compute_dtype(model: Model) -> "torch.dtype":
    """Returns the precision in which a model computes: that in which it was loaded, though what is trained of it may be float32."""
    import torch

    loaded = unwrapped(model).config.dtype
    named = getattr(torch, loaded) if isinstance(loaded, str) else loaded
    return named if isinstance(named, torch.dtype) else unwrapped(model).dtype


def resolve_dtype(dtype: Dtype) -> "torch.dtype":
    """Returns the torch dtype for a name; `auto` is bfloat16 where the processor has instructions for it, else float32.

    Asked of the processor, not timed: a timing on a busy machine would give the same run two precisions on two days.
    """
    import torch

    if dtype != "auto":
        return torch.bfloat16 if dtype == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if native else torch.float32


def model_sha256(folder: Path) -> str:
    """Returns the hash of a model's weights: sha256 of the safetensors file, or, of several, a hash of their names and sha256s.

    Reads every byte (about half a second for each 250 MB): call it once a run.

    Raises:
        UserError: the folder holds no safetensors.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError("the folder holds no weights: there is no .safetensors file in it", str(folder), "Save the model as safetensors.")
    if len(files) == 1:
        return hash_file(files[0])
    return hash_text(*(part for file in files for part in (file.name, hash_file(file))))


def use_physical_cores() -> None:
    """Gives torch one thread for each physical core that this process may run on, unless OMP_NUM_THREADS says otherwise.

    Two threads on one core's two hardware threads slow matrix products down. Of several processes on a machine each gets its share: the 1
    that `torchrun` puts into OMP_NUM_THREADS where nobody did is taken for no wish.
    """
    import os

    import torch

    world = World.of_environment()
    if os.environ.get("OMP_NUM_THREADS") and not (world.size > 1 and os.environ["OMP_NUM_THREADS"] == "1"):
        return
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = min(allowed, torch.cpu.get_capabilities().get("num_physical_cores") or allowed)
    torch.set_num_threads(max(1, cores // world.local_size))


def cannot_load(name: str, error: Exception) -> UserError:
    """Returns what to say of a model that cannot be loaded."""
    return UserError(
        f"cannot load the model '{name}': {(str(error).strip() or type(error).__name__).splitlines()[0]}",
        remedy="Check that the folder has config.json and *.safetensors of a causal language model, or that the hub can be reached.",
    )
