"""The `train run` command."""

from pathlib import Path
from typing import Annotated

import typer

from loopwright.console import notice, print_json
from train.cli.options import Json, exit_where_failed


def register(app: typer.Typer) -> None:
    """Adds the command to the program."""
    app.command("run")(run)


def run(
    out: Annotated[Path, typer.Option("--out", help="The run's folder.")],
    dataset: Annotated[
        Path | None, typer.Argument(help="A dataset folder that `prep build` wrote; default: the config's mixture: section.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="A config file whose train: and mixture: sections are read.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is learned: chat (the default), completion, verbalizer, cloze, preference, unpaired, reward or an own one."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Of preference: dpo, orpo or simpo; of unpaired: kto.")] = None,
    method: Annotated[str | None, typer.Option(help="What of the model is trained: lora, full or freeze.")] = None,
    quantize: Annotated[str | None, typer.Option(help="Load the base in 4 bits, on a GPU: nf4.")] = None,
    start: Annotated[str | None, typer.Option(help="A finished run with whose weights this one begins.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the adapter, the order and dropout.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Train from so many seeds, each a run in seed-N/.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the train split.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop after this many steps.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate; default: by method and objective.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or adafactor.")] = None,
    schedule: Annotated[str | None, typer.Option(help="How the learning rate falls: cosine, linear, constant or wsd.")] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the steps over which the learning rate rises.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Decoupled weight decay.")] = None,
    max_grad_norm: Annotated[float | None, typer.Option(help="Norm that gradients are scaled down to.")] = None,
    normalize: Annotated[str | None, typer.Option(help="What counts the same in a step: each token, or each example.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.")] = None,
    micro_batch_size: Annotated[int | None, typer.Option(help="Examples a forward pass; gradients accumulate.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest example, in tokens.")] = None,
    truncation: Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")] = None,
    leaks: Annotated[str | None, typer.Option(help="Train rows that are also in validation or test: refuse or allow.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")] = None,
    best: Annotated[str | None, typer.Option(help="Which checkpoint is kept: the best by validation_loss or a metric, or last.")] = None,
    early_stopping: Annotated[int | None, typer.Option(help="Stop after so many validations that are worse than the best.")] = None,
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
    from train.config import TrainConfig

    options = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
    try:
        result = train(dataset, out, config, resume=resume, overwrite=overwrite, progress=True, **options)
    except KeyboardInterrupt:
        notice("Interrupted. The same command with --resume goes on from the last checkpoint.")
        raise
    if as_json:
        print_json(result.record.model_dump(mode="json"))
    else:
        notice(result.record.summary(out))
    exit_where_failed(result.record.proofs)
