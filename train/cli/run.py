"""The `train run` command."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import notice, print_json
from train.cli.options import (
    BaseModel,
    BatchSize,
    Best,
    Dtype,
    EarlyStopping,
    Epochs,
    Exact,
    Json,
    Leaks,
    LearningRate,
    Loss,
    MaxLength,
    MaxSteps,
    Method,
    MicroBatchSize,
    Normalize,
    Objective,
    Optimizer,
    Quantize,
    Seed,
    Truncation,
    exit_where_failed,
    training_options,
)
from train.world import first_speaks


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("run")(run)


def run(
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")],
    dataset: Annotated[
        Path | None, typer.Argument(help="A dataset folder that `prep build` wrote; default: the config's mixture: section.")
    ] = None,
    model: BaseModel = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose train: and mixture: sections are read.")] = None,
    objective: Objective = None,
    loss: Loss = None,
    method: Method = None,
    quantize: Quantize = None,
    start: Annotated[str | None, typer.Option(help="A finished run with whose weights this one begins.")] = None,
    seed: Seed = None,
    seeds: Annotated[int | None, typer.Option(help="Train from so many seeds, each a run in seed-N/.")] = None,
    epochs: Epochs = None,
    max_steps: MaxSteps = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    schedule: Annotated[str | None, typer.Option(help="How the learning rate falls: cosine, linear, constant or wsd.")] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the steps over which the learning rate rises.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled weight decay.")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="Norm that gradients are scaled down to.")] = None,
    normalize: Normalize = None,
    batch_size: BatchSize = None,
    micro_batch_size: MicroBatchSize = None,
    max_length: MaxLength = None,
    truncation: Truncation = None,
    leaks: Leaks = None,
    dtype: Dtype = None,
    exact: Exact = None,
    best: Best = None,
    early_stopping: EarlyStopping = None,
    influence: Annotated[
        bool | None, typer.Option("--influence", help="Write sketches of the rows' gradients: which of them push another row.")
    ] = None,
    track: Annotated[
        list[str] | None, typer.Option(help="Show the run's numbers there too: tensorboard, trackio, wandb or mlflow. May be repeated.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model on a dataset, or on several at once. Options override the config's train: section, which has more of them."""
    given = {**locals(), "track": track or None}
    from train.api import train

    options = training_options(given)
    with first_speaks() as is_first:
        try:
            result = train(dataset, out, config, resume=resume, overwrite=overwrite, progress=True, **options)
        except KeyboardInterrupt:
            notice("Interrupted. The same command with --resume goes on from the last checkpoint.")
            raise
        if not as_json:
            notice(result.record.summary(out))
        elif is_first:
            print_json(result.record.model_dump(mode="json"))
    exit_where_failed(result.record.proofs)
