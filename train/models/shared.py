"""A base model that several runs train in turn, loaded once where a run leaves it as it was."""

from collections.abc import Callable
from dataclasses import dataclass

from train.models.load import Model


@dataclass(slots=True)
class SharedBase:
    """Keeps the base model between two runs.

    Attributes:
        kept: the model, while no run has it; None where it has to be loaded.
    """

    kept: Model | None = None

    def take(self, load: Callable[[], Model]) -> Model:
        """Returns the base model, and no longer keeps it: a run that fails does not give it back."""
        base, self.kept = self.kept, None
        return load() if base is None else base
