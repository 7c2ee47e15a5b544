"""What methods share that train the model's own weights: float32 while they are trained, and exchanged when they are used."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from typing_extensions import override

from loopwright.errors import UserError
from train.methods.base import Method, require_same_weights, trainable
from train.models.load import Model, unwrapped

if TYPE_CHECKING:
    import torch

_Weights = dict[str, "torch.Tensor"]

# Model -> name of a run -> what it changed. Beside the model, not in it: nothing of it may be saved or moved with the model.
_TUNED: "WeakKeyDictionary[Any, dict[str, _Weights]]" = WeakKeyDictionary()


class InPlace(Method):
    """A method that trains weights of the model itself. Of a run that is loaded, the base's own stay beside them, and answer exactly."""

    what = "weights"

    def train_only(self, model: Model, names: set[str]) -> Model:
        """Makes some parameters trained, in float32, and no others. The model goes on computing in what it was loaded in."""
        import torch

        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
            if name in names:
                parameter.data = parameter.data.to(torch.float32)
        return model

    @classmethod
    @abstractmethod
    def read(cls, model: Model, folder: Path) -> _Weights:
        """Returns what a run saved, by the names of the base model's parameters.

        Raises:
            Exception: any, where the files cannot be read; it becomes a `UserError`.
        """

    @override
    def begin_from(self, model: Model, folder: Path) -> None:
        """Copies a run's weights over those that are trained."""
        import torch
        from safetensors import SafetensorError

        self.require_saved(folder)
        try:
            saved = self.read(model, folder)
        except (RuntimeError, ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
            cause = f"its weights cannot be read: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            raise UserError(cause, str(folder), "Name the folder of a finished run whose files are whole.") from error
        own = trainable(model)
        require_same_weights(saved, own, folder)
        with torch.no_grad():
            for name, weight in own.items():
                weight.copy_(saved[name])

    @override
    @classmethod
    def load(cls, model: Model, folder: Path, name: str = "default") -> Model:
        """Reads a run's weights and keeps them beside the base's, in the base's precision."""
        from safetensors import SafetensorError

        cls.require_saved(folder)
        own = _own_parameters(model)
        try:
            saved = cls.read(model, folder)
            unlike = [key for key, value in saved.items() if key not in own or own[key].shape != value.shape]
            if unlike or not saved:
                raise ValueError(f"'{unlike[0]}' is no weight of it, or of another size" if unlike else "there is no weight")
        except (RuntimeError, ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
            cause = f"the weights do not fit the model: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            raise UserError(cause, str(folder), "Give the base model that they were trained from (run.json names it).") from error
        tuned = {key: value.to(device=own[key].device, dtype=own[key].dtype) for key, value in saved.items()}
        _TUNED.setdefault(unwrapped(model), {})[name] = tuned
        return model.eval()

    @override
    @classmethod
    @contextmanager
    def using(cls, model: Model, name: str | None) -> Iterator[Model]:
        """Puts a run's weights in the base's place for the block; nothing is copied. Outside of a block the model is the base."""
        if name is None:
            yield model
            return
        own = _own_parameters(model)
        base = {key: own[key].data for key in _TUNED[unwrapped(model)][name]}
        for key, value in _TUNED[unwrapped(model)][name].items():
            own[key].data = value
        try:
            yield model
        finally:
            for key, value in base.items():
                own[key].data = value

    @override
    @classmethod
    def merged(cls, model: Model, name: str = "default") -> Model:
        """Leaves a run's weights in the base's place for good."""
        own = _own_parameters(model)
        for key, value in _TUNED[unwrapped(model)].pop(name).items():
            own[key].data = value
        return unwrapped(model)


def _own_parameters(model: Model) -> "dict[str, torch.nn.Parameter]":
    """Returns a model's own parameters by name, beneath what adapters may have wrapped around its layers."""
    return {name.replace(".base_layer.", "."): parameter for name, parameter in unwrapped(model).named_parameters()}
