"""A finished run's sketches: of its training rows, which it writes, and later of any other rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loopwright.console import console, notice
from loopwright.errors import UserError
from loopwright.files import atomic_file
from train.data.examples import TrainingExample
from train.engine.checkpoint import kept_dir, load_kept_weights
from train.engine.loop import Trainer
from train.engine.optim import learning_rate
from train.influence.sketcher import Advance, Sketcher
from train.ledger.influence import influence_frame
from train.ledger.projection import Projection
from train.methods.base import trainable
from train.runs.folder import INFLUENCE_NAME, kept_steps
from train.runs.influence import InfluenceRecord


def write_influence(trainer: Trainer, run_dir: Path) -> InfluenceRecord | None:
    """Sketches all training rows at the checkpoints that stay, where the run's options want it, and writes `influence.parquet`.

    What is trained is afterwards as it was before.

    Args:
        trainer: the run, which is done.
        run_dir: its folder, with its checkpoints.

    Returns:
        What `run.json` is to say of them.

    Raises:
        UserError: a checkpoint cannot be read, a row does not fit into memory, or the file cannot be written.
    """
    options, config = trainer.config.influence, trainer.config
    if options is None:
        return None
    steps = kept_steps(run_dir)
    if not steps:  # a branch whose best is the checkpoint that it began with
        notice("influence: the run keeps no checkpoint of its own, so that there are no sketches.")
        return None
    rates = [learning_rate(step, trainer.plan.num_steps, config) for step in range(steps[-1])]
    starts = [0, *steps[:-1]]
    means = [sum(rates[start:step]) / (step - start) for start, step in zip(starts, steps, strict=True)]
    record = InfluenceRecord(seed=config.seed, size=options.size, steps=steps, learning_rates=means)
    frame = sketch_examples(trainer, run_dir, record, trainer.data.train)
    with atomic_file(run_dir / INFLUENCE_NAME) as path:
        frame.write_parquet(path)
    return record


def sketch_examples(trainer: Trainer, run_dir: Path, record: InfluenceRecord, examples: list[TrainingExample]) -> pl.DataFrame:
    """Returns the sketches of some examples at each of the run's steps, as `influence.parquet` has them.

    Args:
        trainer: with the run's model, and the reference of these examples where the objective needs one.
        run_dir: the run's folder.
        record: the projection, and the steps.
        examples: the rows.

    Raises:
        UserError: a checkpoint cannot be read, or a row does not fit into memory.
    """
    sketcher = Sketcher.of(trainer.passes, Projection(record.seed, record.size))
    frames = []
    with _unchanged(trainer):
        for step in record.steps:
            _put(trainer, load_kept_weights(run_dir, step), kept_dir(run_dir, step))
            with _shown(f"gradients at step {step}", len(examples)) as advance:
                sketches = sketcher.sketch(examples, advance)
            frames.append(influence_frame([example.id for example in examples], step, sketches.numpy()))
    return pl.concat(frames)


@contextmanager
def _unchanged(trainer: Trainer) -> Iterator[None]:
    """Leaves what is trained as it was before the block."""
    before = {name: weight.detach().cpu().clone() for name, weight in trainable(trainer.model).items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, weight in trainable(trainer.model).items():
                weight.copy_(before[name])


def _put(trainer: Trainer, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Puts what a checkpoint holds in the place of what is trained.

    Raises:
        UserError: it holds something else.
    """
    own = trainable(trainer.model)
    if own.keys() != weights.keys() or any(own[name].shape != weight.shape for name, weight in weights.items()):
        raise UserError("the checkpoint holds other weights than this run trains", str(folder), "Train again with --overwrite.")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])


@contextmanager
def _shown(what: str, num_rows: int) -> Iterator[Advance]:
    """Shows within the block how many rows are done."""
    columns = (TextColumn(what), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console(), refresh_per_second=4) as bar:
        task = bar.add_task(what, total=num_rows)
        yield lambda done: bar.advance(task, done)
