"""What an objective is: how an example becomes sequences of tokens, and how their scores become a loss."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from loopwright.registry import Registry
from templates.chat import Encoded
from templates.form import Form
from train.runs.record import CAUSAL

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One sequence of T tokens that the model reads, and the tokens that it is asked for.

    Attributes:
        encoded: the ids with their text.
        positions: where in the sequence each of the N supervised tokens is predicted, in rising order.
        targets: the id of each.
        weights: the loss weight of each, above zero.
        name: what the objective calls it, such as `chosen`; empty where an example has one sequence.
        sign: 1 where the sequence is to become likelier, -1 where it is to become less likely than those.
    """

    encoded: Encoded
    positions: list[int]
    targets: list[int]
    weights: list[float]
    name: str = ""
    sign: int = 1

    @classmethod
    def causal(cls, encoded: Encoded, name: str = "", sign: int = 1) -> "TokenSequence":
        """Supervises each token that has a loss weight, predicted by the token before it; nothing predicts the first."""
        trained = [token for token, weight in enumerate(encoded.loss_weights) if token and weight > 0]
        ids, weights = encoded.input_ids, encoded.loss_weights
        positions = [token - 1 for token in trained]
        return cls(encoded, positions, [ids[token] for token in trained], [weights[token] for token in trained], name, sign)

    @classmethod
    def whole(cls, encoded: Encoded, name: str = "", sign: int = 1) -> "TokenSequence":
        """Supervises no token: for an objective that reads one value of each sequence."""
        return cls(encoded, [], [], [], name, sign)

    @property
    def num_tokens(self) -> int:
        """The sequence's length in tokens."""
        return len(self.encoded.input_ids)


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the model gives to the N supervised tokens of a micro-batch of S sequences of R rows, from one forward pass.

    Sequences of one row follow each other, in the order in which the objective encoded them; how many they are may differ by row.

    Attributes:
        logprobs: log-probability of each target token in nats, float32 [N], differentiable.
        margins: logprobs minus the log-probability of the best other token, float32 [N]; above zero where the target is the argmax.
        weights: loss weight of each token, float32 [N].
        sequences: index of each token's sequence within the micro-batch, int64 [N].
        rows: index of each sequence's row within the micro-batch, int64 [S].
        signs: of each sequence, float32 [S].
        num_rows: R.
        reference: `sequence_logprobs` of the model that the run began with, float32 [S]; None where the objective needs none.
        values: what a head of one output reads at each sequence's last token, float32 [S], differentiable; None where the objective reads
            tokens. Where it reads values, N is 0.
        baseline: the mean of `Objective.baseline_values` over the rows of the whole step, a scalar and a constant; None where the objective
            has none.
    """

    logprobs: "torch.Tensor"
    margins: "torch.Tensor"
    weights: "torch.Tensor"
    sequences: "torch.Tensor"
    rows: "torch.Tensor"
    signs: "torch.Tensor"
    num_rows: int
    reference: "torch.Tensor | None" = None
    values: "torch.Tensor | None" = None
    baseline: "torch.Tensor | None" = None

    def by_sequence(self, values: "torch.Tensor") -> "torch.Tensor":
        """Sums a value of each token, [N], over each sequence: [S]."""
        return values.new_zeros(len(self.rows)).index_add(0, self.sequences, values)

    def by_row(self, values: "torch.Tensor") -> "torch.Tensor":
        """Sums a value of each sequence, [S], over each row: [R]."""
        return values.new_zeros(self.num_rows).index_add(0, self.rows, values)

    def max_by_row(self, values: "torch.Tensor") -> "torch.Tensor":
        """Returns the greatest value of each row's sequences, [S] -> [R]."""
        return values.new_full((self.num_rows,), float("-inf")).scatter_reduce(0, self.rows, values, "amax")

    def logsumexp_by_row(self, values: "torch.Tensor") -> "torch.Tensor":
        """Returns the log of the sum of the exponentials of each row's sequences, [S] -> [R], without overflow; differentiable."""
        greatest = self.max_by_row(values.detach())
        return self.by_row((values - greatest[self.rows]).exp()).log() + greatest

    def sequence_logprobs(self) -> "torch.Tensor":
        """Returns the log-probability of each sequence's supervised tokens, by their weights, in nats: [S]."""
        return self.by_sequence(self.logprobs * self.weights)


class Objective(ABC):
    """A training objective. One subclass a file in `train/objectives/`; its docstring is its documentation.

    Preparing a run makes one instance, with the run's options.

    Args:
        config: the run's options.
    """

    name: ClassVar[str]
    """What `objective:` takes."""
    form: ClassVar[Form]
    """The form of the examples that it trains on, and so the form in which evals scores the run."""
    auto_class: ClassVar[str] = CAUSAL
    """The class of transformers that loads the model."""
    reads: ClassVar[Literal["tokens", "values"]] = "tokens"
    """What of the model the loss is made of: the log-probabilities of supervised tokens, or `TokenScores.values`, one of each sequence, for
    which the class that loads the model gives it a head `score`."""
    losses: ClassVar[tuple[str, ...]] = ()
    """What `loss:` may be, the default first; empty where there is no choice. A loss's own options stand in a section of its name."""
    needs_reference: bool = False
    """Whether the loss compares with the model that the run began with: `TokenScores.reference` is filled then, computed once."""
    start_loss: ClassVar[float] = math.log(2)
    """The mean loss while the model still is its reference, which the proofs of a run hold the first step against."""

    even_loss: float | None = None
    """The loss of a pair of answers that are ranked neither way, where lower losses rank it rightly; None where a loss does not say so."""
    has_baseline: ClassVar[bool] = False
    """Whether the rows of a step are measured from a point that they decide together: `TokenScores.baseline` is filled then."""
    independent: ClassVar[bool] = False
    """Whether a row's loss is the sum of what each of its sequences loses by itself: then they need no forward pass in common, and a row
    of many sequences is divided where memory asks for it. `row_losses` and `margins` see some of a row's sequences at a time then."""
    learning_rate_factor: ClassVar[float] = 1.0
    """What the method's own learning rate is multiplied by where none is given; the docstring says why where it is not 1."""

    def __init__(self, config: "TrainConfig") -> None:
        self.config = config
        self.loss_name = config.loss or (self.losses[0] if self.losses else "")

    def trains(self, example: dict[str, Any]) -> bool:
        """Says whether the objective is made for a row of `EXAMPLE_SCHEMA` at all; others are left out, and listed in run.json."""
        return self.form in example["forms"]

    @property
    def trained_rows(self) -> str:
        """What `trains` asks of a row, for a message."""
        return f"the {self.form} form"

    def encode_within(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any], length_limit: int) -> tuple[TokenSequence, ...]:
        """Encodes a row for a model that takes so many tokens: by default as `encode` does, and what is too long is reported.

        Raises:
            EncodeError: as `encode`.
        """
        del length_limit  # of use to an objective that cuts a row into several sequences
        return self.encode(tokenizer, example)

    @abstractmethod
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Turns one row of `EXAMPLE_SCHEMA` into one or more sequences. They stay together in one forward pass.

        Raises:
            EncodeError: the mask cannot be proven.
        """

    def complete(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns the examples of one split, each with what it takes from the others; by default as they are.

        What is added must follow from the data alone, and not from how a run divides it.
        """
        return examples

    def encode_baseline(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:  # noqa: ARG002
        """Turns one row that `complete` gave into the sequences of `baseline_values`; by default none.

        Raises:
            EncodeError: the mask cannot be proven.
        """
        return ()

    def baseline_values(self, scores: TokenScores) -> "torch.Tensor":
        """Returns what each row says of the point that a step's losses are measured from: [R].

        The scores are those of the sequences that `encode_baseline` made of the rows of a whole step, without a gradient, before the step.
        Their mean, `TokenScores.baseline`, is a constant of the step, so that the rows' losses do not depend on how it is divided.
        """
        raise NotImplementedError

    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        """Returns what an example counts for in the mean: a step's loss is the sum of its rows' losses over the sum of this.

        By default the sum of its loss weights, which makes the loss a mean over trained tokens; 1.0 makes it a mean over examples.
        """
        return sum(weight for sequence in sequences for weight in sequence.weights)

    @abstractmethod
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the loss of each row, not yet divided by its normalizer, differentiable: [R]."""

    def loss(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the summed loss of a micro-batch, a scalar; the trainer divides by the normalizers of the whole step."""
        return self.row_losses(scores).sum()

    def margins(self, scores: TokenScores) -> "tuple[torch.Tensor, torch.Tensor]":
        """Returns by how much each row's right answer is ahead, for the ledger, in nats: its margin and its least margin, [R] each.

        A row is correct where its least margin is above zero. By default the mean and the least of its tokens' margins; an objective that
        sets the sequences of a row against each other returns twice the margin between them.
        """
        import torch

        counts = scores.by_row(scores.by_sequence(torch.ones_like(scores.margins)))
        least = torch.full_like(counts, float("inf")).scatter_reduce(0, scores.rows[scores.sequences], scores.margins, "amin")
        return scores.by_row(scores.by_sequence(scores.margins)) / counts, least


OBJECTIVES: Registry[Objective] = Registry("train.objectives", Objective, key="name", kind="objective", plugins=("objectives",))
