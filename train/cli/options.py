"""Options that several commands take, and how a command ends whose run failed a proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.console import notice
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from train.runs.proof import Proof

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]

# Of a run that is to be.
BaseModel = Annotated[str | None, typer.Option("--model", help="Base model: embedded, a folder or a hub name.")]
Objective = Annotated[
    str | None,
    typer.Option(help="What is learned: chat (the default), completion, verbalizer, cloze, preference, unpaired, reward or an own one."),
]
Loss = Annotated[str | None, typer.Option(help="Of preference: dpo, orpo or simpo; of unpaired: kto.")]
Method = Annotated[str | None, typer.Option(help="What of the model is trained: lora, full or freeze.")]
Quantize = Annotated[str | None, typer.Option(help="Load the base in 4 bits, on a GPU: nf4.")]
Seed = Annotated[int | None, typer.Option(help="Seed of the adapter, the order and dropout.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the train split.")]
MaxSteps = Annotated[int | None, typer.Option(help="Stop after this many steps.")]
LearningRate = Annotated[float | None, typer.Option(help="Highest learning rate; default: by method and objective.")]
Optimizer = Annotated[str | None, typer.Option(help="adamw or adafactor.")]
Normalize = Annotated[str | None, typer.Option(help="What counts the same in a step: each token, or each example.")]
BatchSize = Annotated[int | None, typer.Option(help="Examples a step.")]
MicroBatchSize = Annotated[int | None, typer.Option(help="Examples a forward pass; gradients accumulate.")]
MaxLength = Annotated[int | None, typer.Option(help="Longest example, in tokens.")]
Truncation = Annotated[str | None, typer.Option(help="What longer examples do: raise or drop.")]
Leaks = Annotated[str | None, typer.Option(help="Train rows that are also in validation or test: refuse or allow.")]
Dtype = Annotated[str | None, typer.Option(help="auto, bfloat16 or float32.")]
Exact = Annotated[bool | None, typer.Option("--exact", help="Let the model's own modules compute all: slower, equal but for rounding.")]
Best = Annotated[str | None, typer.Option(help="Which checkpoint is kept: the best by validation_loss or a metric, or last.")]
EarlyStopping = Annotated[int | None, typer.Option(help="Stop after so many validations that are worse than the best.")]
BuiltDataset = Annotated[Path, typer.Argument(help="A dataset folder that `prep build` wrote.")]
TrainSection = Annotated[Path | None, typer.Option("--config", help="A config file whose train: section is read.")]

# Of a run that is finished.
FinishedRun = Annotated[Path, typer.Argument(help="The folder of a finished run.")]
MovedModel = Annotated[str | None, typer.Option("--model", help="The base model, if it has moved since the run.")]
PluginConfig = Annotated[Path | None, typer.Option("--config", help="A config whose plug-ins are used, for a run that needs them.")]


def exit_where_failed(proofs: "Mapping[str, Proof]") -> None:
    """Ends the command with 1 where a proof failed, and says which."""
    from train.runs.proof import failed_proofs

    if failed := failed_proofs(proofs):
        notice(f"Do not use this run: it failed {', '.join(failed)}. `train verify` repeats its proofs.", always=True)
        raise typer.Exit(ExitCode.FINDINGS)


def training_options(given: "Mapping[str, Any]") -> dict[str, Any]:
    """Returns of a command's parameters those that are options of training."""
    from train.config import TrainConfig

    return {name: value for name, value in given.items() if name in TrainConfig.model_fields}
