"""Steps, micro-batches and their tensors."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from train.attention import Segments
from train.config import TrainConfig
from train.examples import TrainingExample


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """What one forward pass sees. Packed, B is 1 and the examples follow each other; else each is a row, padded at its right.

    Attributes:
        examples: the B examples, or the packed ones.
        input_ids: int64 [B, T].
        position_ids: int64 [B, T], from 0 in each example.
        segments: where each packed example lies; None where rows are padded.
        predictors: index into the flattened B * T positions of each supervised token's predecessor, int64 [N].
        targets: the supervised token ids, int64 [N].
        weights: their loss weights, float32 [N].
        rows: index into `examples` of each supervised token, int64 [N].
    """

    examples: list[TrainingExample]
    input_ids: torch.Tensor
    position_ids: torch.Tensor
    segments: Segments | None
    predictors: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    rows: torch.Tensor


def micro_batches(examples: list[TrainingExample], config: TrainConfig, *, packed: bool) -> Iterator[list[TrainingExample]]:
    """Divides one step's examples into micro-batches within the config's limits, examples of like length together.

    A step's loss does not depend on the division, so sorting costs nothing and saves padding.
    """
    batch: list[TrainingExample] = []
    for example in sorted(examples, key=lambda one: (one.num_tokens, one.id)):
        lengths = [one.num_tokens for one in (*batch, example)]
        num_positions = sum(lengths) if packed else max(lengths) * len(lengths)
        full = len(batch) == config.micro_batch_size or num_positions > config.micro_batch_tokens
        if batch and full:
            yield batch
            batch = []
        batch.append(example)
    yield batch


def collate(examples: list[TrainingExample], device: torch.device, *, packed: bool) -> MicroBatch:
    """Makes a micro-batch's tensors.

    Padding stands at the right, where causal attention keeps it from every real token, and has no weight: it is told by its
    position and never by its id, which may be that of the end-of-turn token.
    """
    lengths = [example.num_tokens for example in examples]
    width = max(lengths)
    starts = [sum(lengths[:index]) for index in range(len(lengths))] if packed else [index * width for index in range(len(lengths))]
    num_positions = sum(lengths) if packed else width * len(lengths)
    input_ids, position_ids = [0] * num_positions, [0] * num_positions
    predictors, targets, weights, rows = [], [], [], []
    for row, (example, start) in enumerate(zip(examples, starts, strict=True)):
        ids = example.encoded.input_ids
        input_ids[start : start + len(ids)] = ids
        position_ids[start : start + len(ids)] = range(len(ids))
        for token, weight in enumerate(example.encoded.loss_weights):
            if weight > 0 and token > 0:  # nothing predicts the first token
                predictors.append(start + token - 1)
                targets.append(ids[token])
                weights.append(weight)
                rows.append(row)
    shape = (1, -1) if packed else (len(examples), width)
    return MicroBatch(
        examples,
        torch.tensor(input_ids, device=device).view(shape),
        torch.tensor(position_ids, device=device).view(shape),
        Segments.of(lengths, device) if packed else None,
        torch.tensor(predictors, device=device),
        torch.tensor(targets, device=device),
        torch.tensor(weights, device=device),
        torch.tensor(rows, device=device),
    )
