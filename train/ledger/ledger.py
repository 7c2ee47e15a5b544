"""The training ledger: what training saw of each example, from the forward passes that it made anyway."""

from dataclasses import dataclass, field

import polars as pl
import torch

from loopwright.errors import UserError, raise_all
from train.data.examples import TrainingExample
from train.objectives.base import Objective, TokenScores

# One row an example and epoch; of a mixture one each time that an epoch takes the example, with the name of its dataset in `dataset`.
# `first_learned` and `times_forgotten` say the same on each row of an example.
LEDGER_SCHEMA = pl.Schema(
    {
        "id": pl.String,
        "row_id": pl.String,
        "epoch": pl.Int32,  # from 1
        "step": pl.Int32,  # from 1: the step whose forward pass this is, made before that step's update
        "loss": pl.Float32,  # the objective's loss over the row's normalizer; of `chat`, mean loss per trained token (nats)
        "margin": pl.Float32,  # the objective's, in nats; of `chat`, mean over trained tokens of log p(target) - log p(best other token)
        "num_trained_tokens": pl.Int32,  # of all sequences of the row
        "correct": pl.Boolean,  # the objective's least margin is above zero; of `chat`, every trained token was the most probable one
        "first_learned": pl.Int32,  # the first epoch in which it was correct; null: never
        "times_forgotten": pl.Int32,  # how often it was correct in one epoch and not in the next (Toneva et al., 2019)
    }
)
_RECORDED = {name: dtype for name, dtype in LEDGER_SCHEMA.items() if name not in {"first_learned", "times_forgotten"}}


@dataclass(slots=True)
class Ledger:
    """Collects the ledger. Numbers stay on the device until `flush`, so that a step does not wait for them."""

    _flushed: list[pl.DataFrame] = field(default_factory=list)
    _pending: list[tuple[int, int, list[TrainingExample], torch.Tensor]] = field(default_factory=list)
    _norms: list[tuple[int, list[TrainingExample], torch.Tensor]] = field(default_factory=list)

    def record(self, epoch: int, step: int, examples: list[TrainingExample], summary: torch.Tensor) -> None:
        """Takes note of what `summarise` says of one micro-batch. `epoch` and `step` count from 1."""
        self._pending.append((epoch, step, examples, summary))

    def record_gradient(self, step: int, examples: list[TrainingExample], norm: torch.Tensor) -> None:
        """Takes note of a step's gradient norm, which is checked when the ledger is flushed."""
        self._norms.append((step, examples, norm))

    @property
    def num_micro_batches(self) -> int:
        """The micro-batches that were recorded since the last flush."""
        return len(self._pending)

    def flush(self) -> None:
        """Brings what is pending to the host and checks it.

        Raises:
            UserError: an example's loss, or else a step's gradient, is NaN or infinite; the examples are named.
        """
        frames: list[pl.DataFrame] = []
        for epoch, step, examples, summary in self._pending:
            losses, margins, least_margins, counts = summary.tolist()
            frame = pl.DataFrame(
                {
                    "id": [example.id for example in examples],
                    "row_id": [example.row_id for example in examples],
                    "epoch": [epoch] * len(losses),
                    "step": [step] * len(losses),
                    "loss": losses,
                    "margin": margins,
                    "num_trained_tokens": [int(count) for count in counts],
                    "correct": [margin > 0 for margin in least_margins],
                },
                schema=_RECORDED,
            )
            broken = frame["loss"].is_finite().not_().to_list()
            raise_all([_diverged(examples[row], f"the loss is {losses[row]}", step) for row, bad in enumerate(broken) if bad])
            frames.append(frame)
        self._flushed += [_joined(pl.concat(frames))] if frames else []
        self._pending.clear()
        for step, examples, norm in self._norms:
            if not norm.isfinite():
                raise_all([_diverged(example, f"the gradient's norm is {norm.item()}", step) for example in examples])
        self._norms.clear()

    def recorded(self) -> pl.DataFrame:
        """Returns what has been recorded so far, in order, without the columns derived from the whole."""
        self.flush()
        self._flushed = [pl.concat([pl.DataFrame(schema=_RECORDED), *self._flushed])]
        return self._flushed[0]

    def restore(self, recorded: pl.DataFrame) -> None:
        """Goes on from what `recorded` gave."""
        self._flushed = [recorded]

    def finished(self) -> pl.DataFrame:
        """Returns the whole ledger, with `LEDGER_SCHEMA`, sorted by epoch and step."""
        frame = self.recorded().sort("epoch", "step", "id")
        correct = pl.col("correct")
        return frame.with_columns(
            first_learned=pl.col("epoch").filter(correct).min().over("id"),
            times_forgotten=(correct.not_() & correct.shift(1, fill_value=False))
            .sum()
            .over("id", order_by=["epoch", "step"])
            .cast(pl.Int32),
        ).select(LEDGER_SCHEMA.names())


def _joined(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns one row for each example and step, where the sequences of one went through several forward passes.

    The losses add up, as each is over the normalizer of the whole; the margin is the mean over the trained tokens.
    """
    key = ["id", "row_id", "epoch", "step"]
    if not frame.select(pl.struct(key).is_duplicated().any()).item():
        return frame
    tokens = pl.col("num_trained_tokens")
    return (
        frame.group_by(key, maintain_order=True)
        .agg(
            loss=pl.col("loss").cast(pl.Float64).sum().cast(pl.Float32),
            margin=((pl.col("margin").cast(pl.Float64) * tokens).sum() / tokens.sum()).cast(pl.Float32),
            num_trained_tokens=tokens.sum(),
            correct=pl.col("correct").all(),
        )
        .select(*_RECORDED)
        .cast(pl.Schema(_RECORDED))
    )


def summarise(objective: Objective, examples: list[TrainingExample], scores: TokenScores) -> torch.Tensor:
    """Returns loss, margin, least margin and number of trained tokens of each of the R examples of a micro-batch, float32 [4, R]."""
    with torch.no_grad():
        normalizers = torch.tensor([example.normalizer for example in examples], device=scores.logprobs.device)
        counts = scores.by_row(scores.by_sequence(torch.ones_like(scores.margins)))
        return torch.stack([objective.row_losses(scores) / normalizers, *objective.margins(scores), counts])


def mean_loss(recorded: pl.DataFrame, examples: list[TrainingExample]) -> float:
    """Returns the objective's mean loss over some ledger rows: of `chat`, in nats over all trained tokens.

    Args:
        recorded: rows of the ledger.
        examples: those that they are of, at least.
    """
    normalizers = {example.id: example.normalizer for example in examples}
    weights = recorded["id"].replace_strict(normalizers, return_dtype=pl.Float64)
    return float((recorded["loss"].cast(pl.Float64) * weights).sum()) / float(weights.sum())


def _diverged(example: TrainingExample, what: str, step: int) -> UserError:
    return UserError(
        f"{what} in step {step}, which holds row {example.row_id}: training has diverged",
        example.location,
        "Lower learning_rate, or try dtype: float32; if it is this row in the first step, look at its text.",
    )
