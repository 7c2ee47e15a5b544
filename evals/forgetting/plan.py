"""What is to be measured of forgetting and memory, checked before a model is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.config import EvalsConfig
from evals.data.role import Role
from evals.forgetting.probes import Probes, read_probes
from evals.systems.adapter import run_models
from evals.systems.base import System
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.form import Form
from train.models.config_checks import MASKED_CLASS, model_config, says_masked
from train.models.load import model_folder
from train.runs.record import RunRecord

_NEEDS_RUN = "compares a tuned model with its base, and no run is evaluated"


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A tuned system that is compared with its base.

    Attributes:
        system: its label.
        run: its folder, as given.
        record: its run.json.
    """

    system: str
    run: str
    record: RunRecord

    @property
    def seed(self) -> int | None:
        """Which of a run's several seeds is asked: that of the median loss, which stands for them all; None where it has one."""
        return None if self.record.seeds is None else self.record.seed

    @property
    def adapter(self) -> str:
        """By what the loaded model knows its adapter."""
        models = list(run_models(self.run, self.record))
        return models[0] if self.record.seeds is None else models[self.record.seeds.index(self.record.seed)]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What is measured beside the split's examples.

    Attributes:
        dataset: the dataset of the evaluation.
        tuned: the tuned systems.
        probes: probe sets; None where none are asked for.
        has_canaries: the dataset has canaries, and a run was trained on them.
    """

    dataset: Dataset
    tuned: list[TunedModel]
    probes: Probes | None
    has_canaries: bool

    @property
    def trained_form(self) -> Form:
        """The form in which the first of the runs was trained."""
        return self.tuned[0].record.form

    def asked(self) -> list[tuple[str, str | None, int | None]]:
        """Returns the models that are asked, the base first: label, what the loaded model knows its adapter by, and seed."""
        return [("base", None, None), *((one.system, one.adapter, one.seed) for one in self.tuned)]


def plan_memory(
    dataset: Dataset, systems: Sequence[System], runs: Mapping[str, RunRecord], model: str | None, config: EvalsConfig
) -> MemoryPlan | None:
    """Checks what is asked for; None where nothing is.

    Raises:
        UserError: probe sets cannot be read, or there is no tuned model that they say anything about.
    """
    tuned = [TunedModel(one.label, one.run, runs[one.run]) for one in systems if one.role is Role.TUNED and one.run is not None]
    asked = [("--probes", config.probes is not None), ("--memorised", config.memorised > 0)]
    wanted = [option for option, is_given in asked if is_given]
    # A run of another dataset with canaries of its own has not seen these.
    has_canaries = dataset.manifest.canaries is not None and any(one.record.canaries for one in tuned)
    if not wanted and not has_canaries:
        return None
    if not tuned and wanted:
        raise UserError(f"{wanted[0]} {_NEEDS_RUN}", wanted[0], f"Name a run with --adapter RUN, or leave {wanted[0]} out.")
    assert model is not None, "a tuned system has a model"
    if _is_masked(model, tuned):
        if wanted:
            cause = "the model is a masked one, which fills blanks: it gives no likelihood of a text and writes none"
            raise UserError(cause, model, f"Leave {' and '.join(wanted)} out.")
        return None
    return MemoryPlan(dataset, tuned, None if config.probes is None else read_probes(config.probes), has_canaries)


def canary_notes(runs: Mapping[str, RunRecord]) -> list[str]:
    """Returns which runs were trained on canaries: none of these is for use."""
    return [
        f"{Path(given).name or given} was trained on {run.canaries:,} canaries, to measure what it keeps: it is not for use"
        for given, run in runs.items()
        if run.canaries
    ]


def _is_masked(model: str, tuned: Sequence[TunedModel]) -> bool:
    return any(one.record.auto_class == MASKED_CLASS for one in tuned) or says_masked(model_config(model_folder(model)))
