"""adapter:RUN."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.data.references import ReferenceKinds
from evals.data.rows import RANKED, EvalRow, Task
from evals.systems.added import ADDED
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.rewarded import rank_by_reward
from evals.systems.spec import FORMS
from loopwright.progress import Advance
from train.runs.folder import seed_dir
from train.runs.record import SEQUENCE_CLASSIFIER, RunRecord


class Adapter(System):
    """The same loaded model with the adapter of a run switched on; of a run that trained weights of the model itself, with those.

    A reward model is loaded by itself. It ranks answers that people have judged, and answers nothing else.
    """

    name = "adapter"
    forms = (FORMS["adapter"], FORMS["adapter:RUN"])
    needs_model = True
    tasks = frozenset(Task)
    adds = ADDED

    @property
    @override
    def run(self) -> str:
        """The run folder, as given."""
        return self.spec.argument

    @cached_property
    def _record(self) -> RunRecord:
        return RunRecord.load(Path(self.run))

    @override
    def takes(self, row: EvalRow, kinds: ReferenceKinds) -> bool:
        """Says whether it can answer an example: all of them, and a reward model those that it ranks."""
        return super().takes(row, kinds) and (row.task in RANKED or not is_reward(self._record))

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the adapter of the run folder; of a run from several seeds with each, the one of the median loss first."""
        record = self._record
        if record.seeds is None:
            return self._answer(context, self.run, advance)
        told = dict.fromkeys(record.seeds, lambda _: None) | {record.seed: advance}
        answers = {
            seed: {one.id: replace(one, seed=seed) for one in self._answer(context, folder, told[seed])}
            for seed, folder in zip(record.seeds, run_models(self.run, record), strict=True)
        }
        return [replace(one, of_seeds=tuple(found[one.id] for found in answers.values())) for one in answers[record.seed].values()]

    def _answer(self, context: EvalContext, folder: str, advance: Advance) -> list[Prediction]:
        if is_reward(self._record):
            return rank_by_reward(context, Path(folder), advance)
        return answer_with_model(context, folder, advance, self.spec.added)


def is_reward(record: RunRecord) -> bool:
    """Says whether a run trained a reward model."""
    return record.auto_class == SEQUENCE_CLASSIFIER


def run_models(run: str, record: RunRecord) -> dict[str, Path]:
    """Returns the folders of the models of a run, by what they are called: one, or one for each of its seeds, in their order."""
    if record.seeds is None:
        return {run: Path(run)}
    folders = [seed_dir(Path(run), seed) for seed in record.seeds]
    return {str(folder): folder for folder in folders}
