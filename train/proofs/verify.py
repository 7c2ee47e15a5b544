"""All proofs of a finished run once more: `train verify`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.examples import load_examples
from train.data.recorded import dataset_of
from train.engine.loop import Trainer
from train.methods.base import METHODS
from train.methods.started import Start, find_start
from train.models.load import Dtype, Model, load_model, model_folder
from train.objectives.base import OBJECTIVES, Objective
from train.prepare import length_limit
from train.proofs import equal_batches
from train.proofs.attempt import attempt
from train.proofs.first_steps import prove_first_steps, replay
from train.proofs.fresh_process import FreshProcess
from train.proofs.options import platform_name, prove_options, show_effects
from train.proofs.reference_start import prove_reference_start
from train.proofs.saved_weights import loading_request, prove_moved_logits, prove_saved_weights
from train.proofs.short_runs import RunRows
from train.proofs.stopping import prove_answers_stop, why_not_judged
from train.proofs.trained_answers import CHANGED_ROWS, prove_trained_answers
from train.runs.evidence import Evidence
from train.runs.proof import Proof
from train.runs.record import RunRecord

_NO_DATASET = "this is about rows: give the dataset with --dataset"
_ABOUT_ROWS = ("trained_answers", "packed_equals_unpacked", "accumulation_equals_one_batch", "answers_stop", "first_steps")


def verify_run(
    run_dir: Path, dataset_dirs: Sequence[Path] = (), model: str | None = None, config_path: Path | None = None
) -> dict[str, Proof]:
    """Repeats the proofs of a run.

    Args:
        run_dir: a finished run.
        dataset_dirs: the dataset that it was trained on, or all of a mixture; without them, what is about rows is not applicable.
        model: the base model, where it is no longer where `run.json` says.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset.

    Raises:
        UserError: the run is not finished or from before runs recorded what it takes; or model or dataset are not the run's.
    """
    record = RunRecord.load(run_dir)
    if record.rlhf is not None:
        cause = "the run was trained on answers that it drew itself, which nothing can replay: it has no proofs"
        raise UserError(
            cause, str(run_dir), "Compare it with the run that it started from: evals run DATASET --adapter RUN --adapter START"
        )
    if record.evidence is None:
        cause = "the run has no proofs: it was made by a version that recorded nothing to compare with"
        raise UserError(cause, str(run_dir), "Train again, with --overwrite, to have them.")
    known = Path(record.dataset if record.mixture is None else next(iter(record.mixture.datasets.values())).path)
    with dataset_plugins(dataset_dirs[0] if dataset_dirs else known, config_path), FreshProcess() as fresh:
        name = model or record.base_model
        base = model_folder(name)
        record.require_base(name, base)
        finished = _Finished(record, record.evidence, run_dir, base, TrainConfig.model_validate({**record.config, "model": name}))
        start = find_start(record)
        weights = start.weights if isinstance(start, Start) else None
        request = loading_request(run_dir, base, record.dtype, finished.objective.auto_class, record.evidence.probe, start=weights)
        fresh.ask(request)
        proofs = finished.with_rows(dataset_of(record, dataset_dirs)) if dataset_dirs else finished.without_rows()
        loaded = fresh.answer()
        proofs["reference_start"] = prove_reference_start(finished.objective, record.evidence.first_steps, record.dtype)
        proofs["saved_weights"] = prove_saved_weights(record.evidence, loaded, record.dtype)
        proofs["moved_logits"] = Proof.not_applicable(start) if isinstance(start, str) else prove_moved_logits(loaded, record.num_steps)
        return proofs


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished run, of which the proofs are repeated that need more than its files."""

    record: RunRecord
    evidence: Evidence
    run_dir: Path
    base: Path
    config: TrainConfig

    @property
    def objective(self) -> Objective:
        return OBJECTIVES.get(self.config.objective)(self.config)

    def without_rows(self) -> dict[str, Proof]:
        proofs = dict.fromkeys(_ABOUT_ROWS, Proof.not_applicable(_NO_DATASET))
        no_rows = "there are no rows to show it on: give the dataset with --dataset"
        return {**proofs, "options": prove_options(self.config, self.evidence.unread_options, no_rows)}

    def with_rows(self, dataset: Dataset) -> dict[str, Proof]:
        tokenizer = load_tokenizer(self.config.model, self.record.chat_template.on_a_day())
        data = load_examples(dataset, self.objective, tokenizer, self.config, length_limit(self.base, self.config))
        rows = RunRows(dataset, data, tokenizer)

        def answers() -> list[Proof]:
            if self.record.has_changed_rows:
                return [Proof.not_applicable(CHANGED_ROWS)]
            return [prove_trained_answers(dataset, self.objective, tokenizer, data.train, self.evidence.trained_ids_hash)]

        return {
            **attempt(["trained_answers"], answers),
            **attempt(["first_steps", *equal_batches.NAMES], lambda: self._steps(rows)),
            **attempt(["answers_stop"], lambda: [self._stopping(rows)]),
            **attempt(["options"], lambda: [self._options(rows)]),
        }

    def _steps(self, rows: RunRows) -> list[Proof]:
        """Does the first steps of the run again, and with the weights that they gave the proofs about batches."""
        # The first steps of a branch were done by the run that it went on from.
        config = self.config if self.record.branch is None else self.config.model_copy(update={"seed": self.record.branch.seed})
        start = find_start(self.record)
        weights = start.weights if isinstance(start, Start) else None
        trainer = Trainer.begin(self._load_base(), self.objective, METHODS.get(config.method)(config), rows.data, start=weights)
        replayed = replay(trainer, equal_batches.handful(rows.data.train))
        if isinstance(start, str):
            first = Proof.not_applicable(start)
        elif not self.evidence.first_steps:
            first = Proof.not_applicable("the run was begun by a version that did not record its first steps")
        else:
            first = prove_first_steps(self.evidence.first_steps, replayed, trainer.model, self.record.dtype, started=start is not None)
        return [first, *equal_batches.prove_equal_batches(trainer, self.record.dtype)]

    def _stopping(self, rows: RunRows) -> Proof:
        reason = why_not_judged(self.record.form, self.record.num_steps, len(rows.data.validation))
        if reason is not None:
            return Proof.not_applicable(reason)
        method = METHODS.get(self.config.method)
        with method.using(method.load(self._load_base(), self.run_dir), "default") as model:
            return prove_answers_stop(model, rows.tokenizer, rows.dataset)

    def _options(self, rows: RunRows) -> Proof:
        effects = show_effects(self.config, rows, self.base, self.objective.auto_class)
        recorded_hash = self.evidence.small_steps_hash if self.evidence.platform == platform_name() else None
        return prove_options(self.config, self.evidence.unread_options, effects, recorded_hash)

    def _load_base(self) -> Model:
        return load_model(self.config.model, cast("Dtype", self.record.dtype), self.objective.auto_class)
