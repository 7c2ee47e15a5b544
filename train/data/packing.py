"""Steps, micro-batches and their tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from train.config import TrainConfig
from train.data.examples import TrainingExample


@dataclass(frozen=True, slots=True)
class Segments:
    """Where S packed sequences of at most L tokens lie among T positions.

    Attributes:
        gather: position of each sequence's tokens, int64 [S * L]; past a sequence's end, its last token again, which causal attention
            shows to no token of the sequence.
        scatter: where each position went, an index into S * L, int64 [T].
        num_segments: S.
        lengths: of each sequence, int64 [S].
    """

    gather: torch.Tensor
    scatter: torch.Tensor
    num_segments: int
    lengths: torch.Tensor

    @classmethod
    def of(cls, lengths: list[int], device: torch.device) -> "Segments":
        """Returns the layout of sequences of these lengths, in this order."""
        longest = max(lengths)
        gather: list[int] = []
        scatter: list[int] = []
        start = 0
        for index, length in enumerate(lengths):
            gather.extend(start + min(token, length - 1) for token in range(longest))
            scatter.extend(index * longest + token for token in range(length))
            start += length
        placed = torch.tensor(gather, device=device), torch.tensor(scatter, device=device)
        return cls(*placed, len(lengths), torch.tensor(lengths, device=device))


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward pass sees: the S sequences of R examples. Packed, B is 1 and they follow each other; else B is S, and each is a row
    of the tensors, padded at its right.

    Attributes:
        examples: the R examples, each with all of its sequences.
        input_ids: int64 [B, T].
        position_ids: int64 [B, T], from 0 in each sequence.
        segments: where each packed sequence lies; None where they are padded.
        predictors: index into the flattened B * T positions of where each supervised token is predicted, int64 [N].
        targets: the supervised token ids, int64 [N].
        weights: their loss weights, float32 [N].
        sequences: index of each supervised token's sequence, int64 [N].
        rows: index into `examples` of each sequence, int64 [S].
        signs: of each sequence, float32 [S].
        ends: index into the flattened positions of each sequence's last token, int64 [S].
        real: 1 where a token stands and 0 where padding does, int64 [B, T]; None where they are packed.
    """

    examples: list[TrainingExample]
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: Segments | None
    predictors: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    sequences: torch.Tensor
    rows: torch.Tensor
    signs: torch.Tensor
    ends: torch.Tensor
    real: torch.Tensor | None


def micro_batches(
    examples: list[TrainingExample], config: TrainConfig, *, packed: bool, apart: bool = False
) -> Iterator[list[TrainingExample]]:
    """Divides examples into micro-batches within the config's limits, those of like length together.

    A step's loss does not depend on the division, so sorting costs nothing and saves padding.

    Args:
        examples: of one step, say.
        config: with the limits.
        packed: the sequences of a micro-batch follow each other without padding.
        apart: sequences of one example may go into several micro-batches (`Objective.independent`), one `TrainingExample` each; else an
            example stays together, however large.
    """
    batch: list[TrainingExample] = []
    if apart:
        examples = [part for example in examples for part in example.apart()]
    for example in sorted(examples, key=lambda one: (one.longest, one.num_tokens, one.id)):
        wanted = [*batch, example]
        num_sequences = sum(len(one.sequences) for one in wanted)
        num_positions = sum(one.num_tokens for one in wanted) if packed else example.longest * num_sequences
        full = len(batch) == config.micro_batch_size or num_positions > config.micro_batch_tokens
        if batch and full:
            yield batch
            batch = []
        batch.append(example)
    yield batch


def collate(examples: list[TrainingExample], device: torch.device, *, packed: bool) -> MicroBatch:
    """Makes a micro-batch's tensors.

    Padding stands at the right, where causal attention keeps it from every real token, and has no weight: it is told by its
    position and never by its id, which may be that of the end-of-turn token. Attention in both directions is kept from it by `real`.
    """
    placed = [(row, sequence) for row, example in enumerate(examples) for sequence in example.sequences]
    lengths = [sequence.num_tokens for _, sequence in placed]
    width = max(lengths)
    starts = [sum(lengths[:index]) for index in range(len(lengths))] if packed else [index * width for index in range(len(lengths))]
    num_positions = sum(lengths) if packed else width * len(lengths)
    input_ids, position_ids = [0] * num_positions, [0] * num_positions
    predictors: list[int] = []
    for (_, sequence), length, start in zip(placed, lengths, starts, strict=True):
        input_ids[start : start + length] = sequence.encoded.input_ids
        position_ids[start : start + length] = range(length)
        predictors.extend(start + position for position in sequence.positions)
    shape = (1, -1) if packed else (len(placed), width)
    return MicroBatch(
        examples,
        torch.tensor(input_ids, device=device).view(shape),
        torch.tensor(position_ids, device=device).view(shape),
        Segments.of(lengths, device) if packed else None,
        torch.tensor(predictors, dtype=torch.int64, device=device),
        torch.tensor([target for _, sequence in placed for target in sequence.targets], dtype=torch.int64, device=device),
        torch.tensor([weight for _, sequence in placed for weight in sequence.weights], device=device),
        torch.tensor([index for index, (_, sequence) in enumerate(placed) for _ in sequence.targets], dtype=torch.int64, device=device),
        torch.tensor([row for row, _ in placed], device=device),
        torch.tensor([float(sequence.sign) for _, sequence in placed], device=device),
        torch.tensor([start + length - 1 for start, length in zip(starts, lengths, strict=True)], device=device),
        None if packed else (torch.arange(width, device=device) < torch.tensor(lengths, device=device)[:, None]).long(),
    )
