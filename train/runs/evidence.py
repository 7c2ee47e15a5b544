"""What a run records of itself while it trains, for proofs that are made afterwards, by whoever has the run."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step as it was done.

    Attributes:
        step: its number, from 1.
        loss: its loss, measured before the update.
        gradient_norm: the norm of its gradient, before clipping.
        parameters_norm: the norm of all that is trained, after the update.
        parameters_hash: a hash of the same, exact to the bit: equal only on a like machine, in equal micro-batches.
    """

    step: int
    loss: float
    gradient_norm: float
    parameters_norm: float
    parameters_hash: str


class Probe(BaseModel):
    """What the trained model answered from memory, before anything was loaded from its files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input_ids: list[int]
    """One sequence, the end of a training example."""
    token_ids: list[int]
    """The tokens whose logits are kept, spread over the vocabulary."""
    logits: list[list[float]]
    """Of each of the last positions, the logit of each of those tokens."""


class Evidence(BaseModel):
    """What the proofs compare with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trained_ids_hash: str
    """A hash of the ids and loss weights of all training examples, in their order."""
    first_steps: list[StepRecord]
    """The first two steps; empty in a run that was begun by a version that did not record them."""
    probe: Probe | None
    """Null where the model does not end in logits over its vocabulary."""
    weights_hash: str
    """A hash of all that was trained, as it was in memory at the end."""
    unread_options: list[str] | None
    """Options that nothing read in the run; null where reads were not counted, or the process that ended the run did no step of it."""
    small_steps_hash: str | None
    """What two steps with this run's options gave on the small random model; null where there is none of this architecture."""
    platform: str
    """Where that was: hashes to the bit are compared on a like machine alone."""
