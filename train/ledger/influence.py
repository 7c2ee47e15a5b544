"""`influence.parquet`: a sketch of each training row's gradient at some steps, and which of them push another row."""

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.machine import memory_bytes
from train.config import TrainConfig
from train.data.order import RunPlan
from train.runs.folder import INFLUENCE_NAME, weights_dir
from train.runs.influence import InfluenceRecord
from train.runs.record import RunRecord

Measure = Literal["cosine", "dot"]

_BYTES = np.dtype(np.float16).itemsize
# Of the machine's memory and of what is free on the disk: the model and its checkpoints want room as well.
_MOST_OF_MEMORY, _MOST_OF_DISK = 0.25, 0.9
_MOST_PRODUCTS = 1 << 24  # 64 MB of float32 at a time
FOUND_SCHEMA = pl.Schema({"id": pl.String(), "rank": pl.Int32(), "train_id": pl.String(), "score": pl.Float64()})


def influence_schema(size: int) -> pl.Schema:
    """Returns the columns of `influence.parquet`: a row an example and step, whose sketch is `norm` times `sketch`.

    The direction stands apart from the length: late in training gradients are too small for float16.
    """
    return pl.Schema({"id": pl.String(), "step": pl.Int32(), "norm": pl.Float32(), "sketch": pl.Array(pl.Float16(), size)})


def influence_frame(ids: list[str], step: int, sketches: "np.typing.NDArray[np.float32]") -> pl.DataFrame:
    """Returns the rows of one step.

    Args:
        ids: of the examples.
        step: the step whose weights they were sketched with.
        sketches: float32 [N, size].
    """
    norms = np.linalg.norm(sketches, axis=1)
    directions = sketches / np.where(norms > 0, norms, 1.0)[:, None]
    columns = {"id": ids, "step": [step] * len(ids), "norm": norms, "sketch": directions.astype(np.float16)}
    return pl.DataFrame(columns, schema=influence_schema(sketches.shape[1]))


def prepare_influence(config: TrainConfig, num_rows: int, run_dir: Path) -> None:
    """Says how large the sketches will be, where the config wants them, before anything is trained.

    Args:
        config: the run's options.
        num_rows: examples of the train split.
        run_dir: the run's folder, which may not be there yet.

    Raises:
        UserError: there is no room for them on the disk or in memory, or no checkpoint is kept that they could be compared at.
    """
    if config.influence is None:
        return
    if "best" not in config.keep_checkpoints:
        cause = "influence compares rows at the checkpoints that stay, and the best one is not to"
        raise UserError(cause, "keep_checkpoints", "Add 'best' to keep_checkpoints, or leave influence out.")
    num_steps = RunPlan.of(num_rows, config).num_steps
    named = {num_steps // 2 if one == "half" else one for one in config.keep_checkpoints if one != "best"}
    num_checkpoints = 1 + sum(0 < step <= num_steps for step in named)
    size = config.influence.size
    num_bytes = num_rows * num_checkpoints * size * _BYTES
    notice(f"influence: {num_rows:,} rows x {num_checkpoints} checkpoints x {size} x {_BYTES} bytes = {_shown(num_bytes)}")
    remedy = f"Lower influence.size, which is {size}, or keep fewer checkpoints (keep_checkpoints: [best])."
    memory = memory_bytes()
    if memory and num_bytes > _MOST_OF_MEMORY * memory:
        cause = f"the sketches take {_shown(num_bytes)}, more than a quarter of the machine's memory, {_shown(memory)}"
        raise UserError(cause, "influence", remedy)
    free = shutil.disk_usage(next(path for path in (run_dir, *run_dir.absolute().parents) if path.exists())).free
    if num_bytes > _MOST_OF_DISK * free:
        raise UserError(f"the sketches take {_shown(num_bytes)}, and {_shown(free)} are free on the disk", str(run_dir), remedy)


def _shown(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"


def require_influence(run_dir: Path) -> tuple[Path, RunRecord, InfluenceRecord]:
    """Returns the folder of a run that has sketches (of several seeds, that of the median), its record, and what that says of them.

    Raises:
        UserError: the run is not finished, or has none.
    """
    folder = weights_dir(run_dir)
    record = RunRecord.load(folder)
    if record.influence is None or not (folder / INFLUENCE_NAME).is_file():
        raise UserError(
            "the run has no sketches of its training rows", str(folder), "Give its train run command again, with --influence --resume."
        )
    return folder, record, record.influence


def nearest_rows(
    run_dir: Path, sketches: pl.DataFrame, *, top: int = 10, measure: Measure = "cosine", opposing: bool = False
) -> pl.DataFrame:
    """Returns for each sketched row the training rows whose gradients point where its own does.

    A step against the gradient of such a training row lowers the loss of the other row, to first order. Scores are summed over the
    checkpoints, by the learning rate of the steps up to each (TracIn-CP; Pruthi et al., "Estimating Training Data Influence by Tracing
    Gradient Descent", 2020). `dot` is that sum, in nats: by about how much one more pass over the training row alone, a step at each
    checkpoint, would lower the row's mean loss. `cosine` is the mean of cosines by the same weights, from -1 to 1, which a few rows with
    long gradients do not lead for every question (LESS; Xia et al., 2024).

    Args:
        run_dir: a run that was trained with `influence`.
        sketches: of rows sketched with the same run (`train.sketch_rows`).
        top: training rows for each.
        measure: `cosine` or `dot`.
        opposing: those that push the other way, the strongest first.

    Returns:
        `FOUND_SCHEMA`: `rank` counts from 1 for each `id`, in the order of `sketches`.

    Raises:
        UserError: the run has no sketches, or these are not of it.
    """
    if top < 1:
        raise UserError(f"top is {top}", "top", "Ask for at least one training row.")
    folder, _, influence = require_influence(run_dir)
    try:
        known = pl.read_parquet(folder / INFLUENCE_NAME)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError("influence.parquet cannot be read", str(folder / INFLUENCE_NAME), "Train again with --overwrite.") from error
    for frame in (known, sketches):
        if frame.schema != influence_schema(influence.size) or not _is_whole(frame, influence):
            cause = "the sketches are of another run: their size or steps are not those that run.json names"
            raise UserError(cause, str(folder), f"Make them with this run: train.sketch_rows({str(run_dir)!r}, dataset)")
    ids = sketches["id"].unique(maintain_order=True)
    train_ids = known["id"].unique(maintain_order=True)
    at_once = max(1, _MOST_PRODUCTS // max(1, len(train_ids)))
    found = [pl.DataFrame(schema=FOUND_SCHEMA)]
    for start in range(0, len(ids), at_once):
        some = ids[start : start + at_once]
        scores = _scores((known, train_ids), (sketches, some), influence, measure)
        for id_, row in zip(some, scores, strict=True):
            order = np.argsort(row if opposing else -row, kind="stable")[:top]
            ranks = np.arange(1, len(order) + 1)
            columns = {"id": [id_] * len(order), "rank": ranks, "train_id": train_ids.gather(order), "score": row[order]}
            found.append(pl.DataFrame(columns, schema=FOUND_SCHEMA))
    return pl.concat(found)


def _is_whole(frame: pl.DataFrame, influence: InfluenceRecord) -> bool:
    """Says whether each row is there once at each of the run's steps."""
    steps = frame.group_by("id").agg(pl.col("step").sort())["step"]
    return all(found.to_list() == sorted(influence.steps) for found in steps) and frame.height > 0


def _scores(
    known: tuple[pl.DataFrame, pl.Series], asked: tuple[pl.DataFrame, pl.Series], influence: InfluenceRecord, measure: Measure
) -> "np.typing.NDArray[np.float64]":
    """Returns the score of each training row for each row that is asked about, [E, N].

    Args:
        known: the training rows' sketches, and the ids in whose order they are wanted.
        asked: the same of the other rows.
        influence: what the run says of them.
        measure: `cosine` or `dot`.
    """
    total = sum(influence.learning_rates)
    parts = []
    for step, rate in zip(influence.steps, influence.learning_rates, strict=True):
        rows, others = (
            ids.to_frame("id").join(frame.filter(pl.col("step") == step), on="id", how="left", maintain_order="left")
            for frame, ids in (asked, known)
        )
        left, right = (frame["sketch"].to_numpy().astype(np.float32) for frame in (rows, others))
        products = (left @ right.T).astype(np.float64)
        if measure == "dot":
            products *= rows["norm"].to_numpy()[:, None].astype(np.float64) * others["norm"].to_numpy()[None, :]
            parts.append(rate * products)
        else:
            parts.append((rate / total if total else 1 / len(influence.steps)) * products)
    summed: np.typing.NDArray[np.float64] = np.sum(parts, axis=0)
    return summed
