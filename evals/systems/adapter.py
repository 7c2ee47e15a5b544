"""adapter:RUN."""

from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from evals.data.prediction import Prediction
from evals.systems.added import ADDED
from evals.systems.base import EvalContext, System
from evals.systems.prompted import answer_with_model
from evals.systems.spec import FORMS
from loopwright.progress import Advance
from train.runs.folder import seed_dir
from train.runs.record import RunRecord


class Adapter(System):
    """The same loaded model with the adapter of a run switched on."""

    name = "adapter"
    forms = (FORMS["adapter"], FORMS["adapter:RUN"])
    needs_model = True
    adds = ADDED

    @property
    @override
    def run(self) -> str:
        """The run folder, as given."""
        return self.spec.argument

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Answers with the adapter of the run folder; of a run from several seeds with each, the one of the median loss first."""
        record = RunRecord.load(Path(self.run))
        if record.seeds is None:
            return answer_with_model(context, self.run, advance, self.spec.added)
        told = dict.fromkeys(record.seeds, lambda _: None) | {record.seed: advance}
        answers = {
            seed: {one.id: replace(one, seed=seed) for one in answer_with_model(context, folder, told[seed], self.spec.added)}
            for seed, folder in zip(record.seeds, run_models(self.run, record), strict=True)
        }
        return [replace(one, of_seeds=tuple(found[one.id] for found in answers.values())) for one in answers[record.seed].values()]


def run_models(run: str, record: RunRecord) -> dict[str, Path]:
    """Returns the folders of the models of a run, by what they are called: one, or one for each of its seeds, in their order."""
    if record.seeds is None:
        return {run: Path(run)}
    folders = [seed_dir(Path(run), seed) for seed in record.seeds]
    return {str(folder): folder for folder in folders}
