"""Sketches of rows that a run was not trained on, by the run's own projection and at its own checkpoints."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl
from typing_extensions import override

from loopwright.console import notice
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.engine.loop import Trainer
from train.influence.write import sketch_examples, write_influence
from train.ledger.influence import require_influence
from train.methods.base import METHODS, Method
from train.methods.started import Start, find_start
from train.models.load import Dtype, model_folder
from train.models.quantize import load_for_training
from train.objectives.base import OBJECTIVES, Objective
from train.prepare import Prepared, length_limit
from train.runs.folder import kept_steps
from train.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class _RowsAsTrained(Dataset):
    """Some rows of one split, which are read as those of the train split are."""

    chosen: str = ""
    ids: frozenset[str] | None = None

    @override
    def examples(self, split: str | None = None) -> pl.LazyFrame:
        # Not `super()`, which does not know the class that slots make of this one.
        rows = Dataset.examples(self, self.chosen)
        if self.ids is not None:
            rows = rows.filter(pl.col("id").is_in(list(self.ids)))
        rows = rows.with_columns(split=pl.lit("train"))
        return rows if split is None else rows.filter(pl.col("split") == split)


def sketch_rows(
    run_dir: Path,
    dataset_dir: Path,
    split: str,
    *,
    ids: Collection[str] | None = None,
    model: str | None = None,
    config_path: Path | None = None,
) -> pl.DataFrame:
    """Sketches rows as a run sketched its training rows: with its projection, its loss, and its weights at the same steps.

    Args:
        run_dir: a run that was trained with `influence`.
        dataset_dir: a dataset, whose rows are read as the run read its own; it need not be the run's.
        split: whose rows.
        ids: those of them that are asked about; None: all.
        model: the base model, where it is no longer where `run.json` says.
        config_path: the config whose plug-ins are used.

    Returns:
        The columns of `influence.parquet`; rows that the run's objective or its length limit leaves out are not among them.

    Raises:
        UserError: the run has no sketches or no longer its checkpoints, the base is another, or the rows cannot be read.
    """
    folder, record, influence = require_influence(run_dir)
    dataset = Dataset.open(dataset_dir)
    rows = _RowsAsTrained(dataset.path, dataset.manifest, split, None if ids is None else frozenset(ids))
    _require_rows(rows, dataset)
    with dataset_plugins(dataset_dir, config_path):
        name = model or record.base_model
        base = model_folder(name)
        record.require_base(name, base)
        # What is too long is left out: of the rows that are asked about, the others still have an answer.
        config = TrainConfig.model_validate({**record.config, "model": name, "truncation": "drop"})
        objective = OBJECTIVES.get(config.objective)(config)
        tokenizer = load_tokenizer(name, record.chat_template.on_a_day())
        data = load_examples(rows, objective, tokenizer, config, length_limit(base, config))
        if left_out := len(data.too_long) + len(data.other_form):
            notice(f"{left_out} rows are longer than the run's limit, or not what its objective reads, and are left out.")
        start = find_start(record)
        if isinstance(start, str):
            raise UserError(start, str(run_dir), "Bring it back, or train again without it.")
        trainer = _begin(objective, METHODS.get(config.method)(config), data, record.dtype, start)
        return sketch_examples(trainer, folder, influence, data.train)


def add_influence(prepared: Prepared, data: TrainingData, run_dir: Path, record: RunRecord) -> RunRecord:
    """Sketches the training rows of a run that is finished, at the checkpoints that it left; returns its record, which is saved.

    Args:
        prepared: the checked run.
        data: what it was trained on.
        run_dir: its folder.
        record: what its `run.json` says.

    Raises:
        UserError: it left none, or as `write_influence`.
    """
    if not kept_steps(run_dir):
        raise UserError("the finished run left no checkpoint to compare rows at", str(run_dir), "Train again with --overwrite --influence.")
    trainer = _begin(prepared.objective, prepared.method, data, record.dtype, prepared.start)
    options = prepared.method.config.model_dump(mode="json", include={"influence"})
    added = record.model_copy(update={"influence": write_influence(trainer, run_dir), "config": {**record.config, **options}})
    added.save(run_dir)
    return added


def _require_rows(rows: _RowsAsTrained, dataset: Dataset) -> None:
    """Makes sure that all rows that are asked about are there.

    Raises:
        UserError: they are not.
    """
    found = set(rows.examples().select("id").collect()["id"])
    where = str(dataset.path)
    if not found and rows.ids is None:
        known = ", ".join(dataset.manifest.splits)
        raise UserError(f"the dataset has no rows in the split '{rows.chosen}'", where, f"Name one of its splits: {known}.")
    missing = sorted((rows.ids or frozenset()) - found)
    if missing or not found:
        cause = f"'{missing[0]}' is no row of the split '{rows.chosen}'" if missing else "no row is asked about"
        raise UserError(cause, where, "Give ids as the column 'id' of examples.parquet has them.")


def _begin(objective: Objective, method: Method, data: TrainingData, dtype: str, start: Start | None) -> Trainer:
    """Returns a trainer as the run began, which knows what its model says of the rows where the objective compares with that."""
    base = load_for_training(method.config.model, cast("Dtype", dtype), objective.auto_class, method.config.quantize)
    trainer = Trainer.begin(base, objective, method, data, start=None if start is None else start.weights)
    if objective.needs_reference:
        trainer.passes.ask_reference(data.train)
    return trainer
