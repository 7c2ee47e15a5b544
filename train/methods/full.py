"""Training all weights."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from loopwright.files import atomic_file, write_atomic
from train.methods.base import require_files
from train.methods.in_place import InPlace
from train.models.load import Model, compute_dtype, unwrapped

if TYPE_CHECKING:
    import torch

_CONFIG_NAME, _GENERATION_NAME, _WEIGHTS_NAME = "config.json", "generation_config.json", "model.safetensors"


class Full(InPlace):
    """Training of all weights.

    ## What it trains
    Every weight, in float32, embeddings and output head among them; where the two are tied they are one matrix, which gets the gradients
    of both. It takes 16 bytes of memory a weight with AdamW, 8 with `optimizer: adafactor`, and a learning rate that is a tenth of
    LoRA's: the best rate of LoRA is about ten times that of the weights themselves, on every model and data set tried (Schulman and
    Thinking Machines Lab, "LoRA Without Regret", 2025).

    ## What it saves
    A model in transformers' format, `config.json` and `model.safetensors`, in the precision in which it was computed: whatever loads the
    base loads it. The base is needed beside it only to compare with it.
    """

    name = "full"
    file_names = (_CONFIG_NAME, _WEIGHTS_NAME, _GENERATION_NAME)
    learning_rate = 5e-5

    @override
    def fresh(self, model: Model) -> Model:
        """Makes all weights trained."""
        return self.train_only(model, {name for name, _ in model.named_parameters()})

    @override
    def save(self, model: Model, folder: Path) -> None:
        """Writes the whole model, as one file of weights."""
        from safetensors import SafetensorError

        folder.mkdir(parents=True, exist_ok=True)
        # What is written first lies in the run's folder: it may be larger than what /tmp holds.
        with (
            atomic_file(folder / _WEIGHTS_NAME) as weights,
            tempfile.TemporaryDirectory(prefix=".full.", dir=folder) as temporary,
            _stored_in(compute_dtype(model), model),
        ):
            try:
                unwrapped(model).save_pretrained(temporary, max_shard_size="100TB")
            except SafetensorError as error:  # a full disk, for one
                raise OSError(str(error)) from error
            Path(temporary, _WEIGHTS_NAME).replace(weights)
            for name in (_GENERATION_NAME, _CONFIG_NAME):
                if (path := Path(temporary, name)).is_file():
                    write_atomic(folder / name, path.read_bytes())

    @override
    @classmethod
    def require_saved(cls, folder: Path) -> None:
        """Asks for the files that every model has: one that writes nothing has no generation config."""
        require_files(cls, folder, cls.file_names[:2])

    @override
    @classmethod
    def read(cls, model: Any, folder: Path) -> "dict[str, torch.Tensor]":
        """Loads the model as what the base is, and takes its weights."""
        inner = unwrapped(model)
        loaded = type(inner).from_pretrained(  # type: ignore[attr-defined]
            folder, dtype=inner.dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
        return {name: parameter.data for name, parameter in loaded.named_parameters()}


@contextmanager
def _stored_in(dtype: "torch.dtype", model: Model) -> Iterator[None]:
    """Has the model's weights in another precision within the block."""
    own = {name: parameter.data for name, parameter in model.named_parameters()}
    for _, parameter in model.named_parameters():
        parameter.data = parameter.data.to(dtype)
    try:
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.data = own[name]
