"""Which run is exported, onto which base: all that can be checked before a model is loaded or a file is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loopwright.errors import UserError
from train.config import TrainConfig
from train.methods.base import METHODS, Method
from train.models.load import hub_name_of, model_folder
from train.objectives.base import OBJECTIVES, Objective
from train.runs.folder import seed_dir
from train.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class Source:
    """A finished run and its base.

    Attributes:
        label: the run folder's name; of a run from several seeds, with that of the seed.
        weights: the folder that holds what the run saved.
        record: the `run.json` of that folder.
        model: the base, as it is named.
        base: the folder of its files.
        config: the run's options, with this base.
    """

    label: str
    weights: Path
    record: RunRecord
    model: str
    base: Path
    config: TrainConfig

    @classmethod
    def find(cls, run_dir: Path, seed: int | None = None, model: str | None = None) -> Self:
        """Finds a run's weights and the base that they belong to.

        Args:
            run_dir: a finished run.
            seed: which of several seeds; default: that of the median validation loss.
            model: the base model, where it is no longer where `run.json` says.

        Raises:
            UserError: the run is not finished, has no such seed or lacks a file; or the base is gone, or of other weights.
        """
        weights = _weights_of(run_dir, RunRecord.load(run_dir), seed)
        record = RunRecord.load(weights)
        METHODS.get(record.method).require_saved(weights)
        name = model or record.base_model
        try:
            base = model_folder(name)
        except UserError as error:
            if model is not None:
                raise
            cause = f"the base model of the run, '{name}', cannot be found"
            remedy = f"Say where it is now, with --model. ({error.remedy})" if error.remedy else "Say where it is now, with --model."
            raise UserError(cause, str(run_dir), remedy) from error
        record.require_base(name, base)
        label = run_dir.resolve().name
        if weights != run_dir:
            label = f"{label}/{weights.name}"
        return cls(label, weights, record, name, base, TrainConfig.model_validate({**record.config, "model": name}))

    @property
    def method(self) -> type[Method]:
        """How the run changed the base."""
        return METHODS.get(self.record.method)

    @property
    def objective(self) -> Objective:
        """What the run learned."""
        return OBJECTIVES.get(self.config.objective)(self.config)

    @property
    def hub_base(self) -> tuple[str, str] | None:
        """What the hub calls the base, and its commit, where these files are the hub's, or the run's were, which have the same hash."""
        for folder in (self.base, Path(self.record.model_path)):
            if (name := hub_name_of(folder)) is not None:
                return name, folder.name
        return None

    @property
    def is_quantized(self) -> bool:
        """The run was trained on the base in 4 bits."""
        return bool(self.record.config.get("quantize"))


def _weights_of(run_dir: Path, record: RunRecord, seed: int | None) -> Path:
    if record.seeds is None:
        if seed not in {None, record.seed}:
            cause = f"the run has one seed, {record.seed}, and seed {seed} is asked for"
            raise UserError(cause, str(run_dir), "Leave --seed out.")
        return run_dir
    if seed is not None and seed not in record.seeds:
        known = ", ".join(map(str, record.seeds))
        raise UserError(f"the run has no seed {seed}", str(run_dir), f"Its seeds are {known}; without --seed it is {record.seed}.")
    return seed_dir(run_dir, record.seed if seed is None else seed)
