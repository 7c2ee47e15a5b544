"""What a method is: what of a model is trained, and how that is saved, loaded and switched."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from loopwright.errors import UserError
from loopwright.registry import Registry
from train.models.load import Model, unwrapped
from train.runs.record import RunRecord

if TYPE_CHECKING:
    import torch

    from train.config import TrainConfig


class Method(ABC):
    """A way to change a model. One subclass a file in `train/methods/`; its docstring is its documentation.

    Preparing a run makes one instance, with the run's options. To load what a run saved no instance is needed: its folder says it all.

    Args:
        config: the run's options; a method's own stand in a section of its name.
    """

    name: ClassVar[str]
    """What `method:` takes."""
    file_names: ClassVar[tuple[str, ...]]
    """The files that `save` writes into a run's folder, in the order in which `require_saved` looks for them."""
    what: ClassVar[str] = "adapter"
    """What it saves, in a word or two, for messages."""
    learning_rate: ClassVar[float] = 5e-4
    """The highest learning rate of AdamW where none is given, for an objective of likelihood; the docstring says why."""

    shape: ClassVar[tuple[str, ...]] = ()
    """Options of its section that a run must have in common with the one whose weights it begins with (`start`)."""

    def __init__(self, config: "TrainConfig") -> None:
        self.config = config

    @abstractmethod
    def fresh(self, model: Model) -> Model:
        """Prepares a base model for training: what is trained requires a gradient afterwards, nothing else does.

        The model may be changed in place. Torch's seed decides where what is new begins. What is trained is in float32, whatever the
        model is computed in: updates are smaller than what bfloat16 can tell apart.

        Raises:
            UserError: the options do not fit the model.
        """

    def begin_from(self, model: Model, folder: Path) -> None:  # noqa: ARG002 (a method may not be able to)
        """Puts what a run of this method saved into a model that `fresh` has prepared, to be trained further.

        Args:
            model: as `fresh` returned it.
            folder: the run's folder.

        Raises:
            UserError: it does not fit the model, or the method cannot go on from what it saves.
        """
        cause = f"the method '{self.name}' cannot begin with what a run of it saved"
        raise UserError(cause, str(folder), "Leave 'start' out, or give the method a 'begin_from'.")

    def rate_of(self, name: str) -> float:  # noqa: ARG002 (a method may tell its parameters apart)
        """Returns what the learning rate of a trained parameter is multiplied by, by its name."""
        return 1.0

    @abstractmethod
    def save(self, model: Model, folder: Path) -> None:
        """Writes what was trained, as `file_names`: equal values give equal bytes.

        Raises:
            UserError: it cannot be written.
        """

    @classmethod
    @abstractmethod
    def load(cls, model: Model, folder: Path, name: str = "default") -> Model:
        """Puts what a run saved on its base model, for use.

        Args:
            model: the base model, or what `load` made of it for other runs; it may be changed in place.
            folder: the run's folder.
            name: what `using` will call it; letters, digits and underscores.

        Raises:
            UserError: the folder does not hold what the method saves, or it does not fit this model.
        """

    @classmethod
    @abstractmethod
    def using(cls, model: Model, name: str | None) -> AbstractContextManager[Model]:
        """Within the block, makes a model that `load` returned answer as the run of that name; None: exactly as the base model."""

    @classmethod
    def merged(cls, model: Model, name: str = "default") -> Model:  # noqa: ARG003 (a method that can says how)
        """Returns the plain transformers model that answers as a run, with what the run trained within its own weights.

        Args:
            model: what `load` returned; it is used up.
            name: what `load` was told to call the run.

        Raises:
            UserError: the method does not say how, or what comes of it is no number.
        """
        raise UserError(f"the method '{cls.name}' does not say how its runs become a plain model", "method", "Give it a 'merged'.")

    @classmethod
    def released(cls, model: Model) -> Model | None:  # noqa: ARG003 (a method that can says how)
        """Gives a base back as it was before `fresh`, for another run of the method; None where what is trained is the base itself.

        Args:
            model: what `fresh` returned; it is used up.
        """
        return None

    @classmethod
    def leaves_base(cls) -> bool:
        """Says whether the method gives a base back, which several runs in turn then train loaded once."""
        return cls.released.__func__ is not Method.released.__func__  # type: ignore[attr-defined]

    @classmethod
    def can_merge(cls) -> bool:
        """Says whether the method's runs become a plain model."""
        return cls.merged.__func__ is not Method.merged.__func__  # type: ignore[attr-defined]

    @classmethod
    def require_saved(cls, folder: Path) -> None:
        """Makes sure that a run's folder holds what the method saves, before a model is loaded.

        Raises:
            UserError: it does not.
        """
        require_files(cls, folder, cls.file_names)


def require_files(method: type[Method], folder: Path, names: Iterable[str]) -> None:
    """Makes sure that a run's folder holds some of the files that its method saves.

    Raises:
        UserError: it does not.
    """
    for name in names:
        if not (folder / name).is_file():
            cause = f"the folder holds no {method.what}: there is no {name} in it"
            raise UserError(cause, str(folder), "Name the --out folder of a train run.")


def require_same_weights(saved: "Mapping[str, torch.Tensor]", own: "Mapping[str, torch.Tensor]", folder: Path) -> None:
    """Makes sure that a run saved exactly what another is to begin with: the same names, and tensors of the same shapes.

    Raises:
        UserError: it did not.
    """
    unlike = next(
        (name for name in sorted({*saved, *own}) if name not in saved or name not in own or saved[name].shape != own[name].shape), None
    )
    if unlike is not None:
        where = "is missing in it" if unlike not in saved else "is not trained here" if unlike not in own else "is of another size"
        raise UserError(
            f"the run cannot be started from: its weight '{unlike}' {where}", str(folder), "Train with the options of that run."
        )


METHODS: Registry[Method] = Registry("train.methods", Method, key="name", kind="method", plugins=("methods",))


def method_of(run_dir: Path) -> type[Method]:
    """Returns the method of a finished run.

    Raises:
        UserError: the folder holds no finished run, or one of a method that is not known here.
    """
    return METHODS.get(RunRecord.load(run_dir).method)


def saved_names() -> list[str]:
    """Returns the names of all files that any method writes into a run's folder."""
    return list(dict.fromkeys(name for method in METHODS.entries.values() for name in method.file_names))


def value_head(model: Model) -> "torch.nn.Module":
    """Returns the head of one output that reads a value of a sequence.

    Raises:
        UserError: the model has none.
    """
    inner = unwrapped(model)
    head: torch.nn.Module | None = getattr(inner, "score", None)
    if head is None:
        raise UserError(
            f"the architecture '{inner.config.model_type}' has no head called 'score' that reads its last hidden state",
            remedy="Train a model of another family, such as Llama, Qwen, Mistral or SmolLM.",
        )
    return head


def begin_value_head(model: Model) -> None:
    """Makes the head of one output new, in float32: normal, with the deviation 1 / sqrt(width + 1) (Stiennon et al., 2020, appendix B.1).

    Torch's seed decides. How the head came from loading the model was left to chance.

    Raises:
        UserError: the model has no such head, or the method does not train it.
    """
    import torch

    head = value_head(model).float()
    weights = [parameter for parameter in head.parameters() if parameter.requires_grad]
    if not weights:
        raise UserError("the method does not train the head 'score', without which the model gives no values", "method", "Choose lora.")
    with torch.no_grad():
        for weight in weights:
            weight.normal_(std=(weight.shape[-1] + 1) ** -0.5)


def trainable(model: Model) -> "dict[str, torch.nn.Parameter]":
    """Returns the parameters that are trained by name, in the model's order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
