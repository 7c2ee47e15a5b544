"""Greedy generation on the fast path: prompts that begin alike are read once, and answers that have ended make room for others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from train.fast.forward import FastForward
from train.fast.layout import Layout

# Positions by which the caches grow.
_GROWTH = 64
# Answers that have ended are taken out of the caches once they are this share of them: taking out copies the rest.
_ENDED_SHARE = 0.25
# Further prompts are read once this share of the tokens of a batch is free: reading few at a time is slow.
_FREE_SHARE = 0.5


@dataclass(slots=True)
class _Batch:
    """Answers that are being written, B of them.

    Attributes:
        prompts: which prompt each answers.
        lengths: tokens that each has read and written, but for the last one written, int64 [B].
        last: that last one, int64 [B].
        keys: of each layer [B, KV, C, D], C positions of which `lengths` hold something.
        values: likewise.
    """

    prompts: list[int]
    lengths: torch.Tensor
    last: torch.Tensor
    keys: list[torch.Tensor]
    values: list[torch.Tensor]

    @classmethod
    def read(cls, forward: FastForward, prompts: Sequence[Sequence[int]], places: Sequence[int]) -> "_Batch":
        """Reads some of the prompts; the first token of each answer is written then."""
        group = [prompts[place] for place in places]
        layout = Layout.of([np.asarray(ids, dtype=np.int64) for ids in group])
        lengths = torch.tensor([len(ids) for ids in group])
        size = int(lengths.max()) + _GROWTH
        padded = torch.arange(size).clamp(max=lengths[:, None] - 1) + (lengths.cumsum(0) - lengths)[:, None]
        tokens = layout.places[padded]  # past a prompt's end its last token again, which nobody looks at
        keys: list[torch.Tensor] = []
        values: list[torch.Tensor] = []

        def keep(key: torch.Tensor, value: torch.Tensor) -> None:
            for into, states in ((keys, key), (values, value)):
                into.append(states[tokens].transpose(1, 2).contiguous())

        hidden = forward.layers.hidden(layout, keep=keep)
        ends = layout.places[lengths.cumsum(0) - 1]
        return cls(list(places), lengths, forward.likeliest(hidden[ends]), keys, values)

    def write(self, forward: FastForward) -> None:
        """Writes the next token of each answer."""
        layers, num = forward.layers, len(self.prompts)
        if int(self.lengths.max()) + 1 > self.keys[0].shape[2]:
            self._grow(self.keys[0].shape[2] + _GROWTH)
        longest = int(self.lengths.max()) + 1
        hidden_after = torch.where(torch.arange(longest) > self.lengths[:, None], float("-inf"), 0.0).to(layers.dtype)
        rows = torch.arange(num)

        def attend(number: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
            keys, values = self.keys[number], self.values[number]
            keys[rows, :, self.lengths], values[rows, :, self.lengths] = key, value
            flat = (num * key.shape[1], -1, key.shape[2])
            seen, said = keys.view(flat)[:, :longest], values.view(flat)[:, :longest]
            products = torch.bmm(query.reshape(flat) * scale, seen.transpose(1, 2)).view(num, -1, longest) + hidden_after[:, None]
            weights = torch.softmax(products, -1, dtype=torch.float32).to(value.dtype)
            return torch.bmm(weights.view(flat[0], -1, longest), said).view(num, -1)

        self.last = forward.likeliest(layers.step(self.last, self.lengths, attend))
        self.lengths = self.lengths + 1

    def only(self, rows: Sequence[int]) -> None:
        """Keeps some of the answers."""
        places = torch.tensor(rows, dtype=torch.int64)
        self.prompts = [self.prompts[row] for row in rows]
        self.lengths, self.last = self.lengths[places], self.last[places]
        longest = int(self.lengths.max()) + _GROWTH if rows else 0
        for states in (self.keys, self.values):
            for number, one in enumerate(states):
                states[number] = one[:, :, :longest].index_select(0, places)

    def join(self, other: "_Batch") -> None:
        """Takes the answers of another batch in."""
        size = max(self.keys[0].shape[2], other.keys[0].shape[2])
        self._grow(size)
        other._grow(size)
        self.prompts += other.prompts
        self.lengths, self.last = torch.cat([self.lengths, other.lengths]), torch.cat([self.last, other.last])
        for mine, others in ((self.keys, other.keys), (self.values, other.values)):
            for number, one in enumerate(others):
                mine[number] = torch.cat([mine[number], one])

    def _grow(self, size: int) -> None:
        for states in (self.keys, self.values):
            for number, one in enumerate(states):
                states[number] = torch.nn.functional.pad(one, (0, 0, 0, size - one.shape[2]))


def write_answers(
    forward: FastForward,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    *,
    end_ids: set[int],
    max_batch_tokens: int,
    enough: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """Returns the tokens that a model writes greedily after each prompt, up to and with an end token.

    Args:
        forward: the model, whose attention sees as far back as prompts and answers are long.
        prompts: token ids, at least one each.
        limits: the most tokens of each answer, at least one.
        end_ids: tokens that end an answer.
        max_batch_tokens: tokens of the prompts and answers that are in the works at once.
        enough: all answers are left as they are once so many have ended; None: it goes on until all have.
        advance: told how many more answers have ended.
    """
    written: list[list[int]] = [[] for _ in prompts]
    # Longest first: prompts of like length are read together, and one too large for memory fails at once.
    waiting = sorted(range(len(prompts)), key=lambda place: len(prompts[place]), reverse=True)
    batch: _Batch | None = None
    ended: set[int] = set()

    def cost(places: Sequence[int]) -> int:
        return sum(len(prompts[place]) + limits[place] for place in places)

    def note(some: _Batch, tokens: list[int]) -> None:
        before = len(ended)
        for place, token in zip(some.prompts, tokens, strict=True):
            if place in ended:
                continue
            written[place].append(token)
            if token in end_ids or len(written[place]) == limits[place]:
                ended.add(place)
        if advance is not None and len(ended) > before:
            advance(len(ended) - before)

    with torch.no_grad():
        while len(ended) < len(prompts) and (enough is None or len(ended) < enough):
            going = [] if batch is None else [place for place in batch.prompts if place not in ended]
            if waiting and (not going or cost(going) <= (1 - _FREE_SHARE) * max_batch_tokens):
                group = [waiting.pop(0)]
                while waiting and cost([*going, *group, waiting[0]]) <= max_batch_tokens:
                    group.append(waiting.pop(0))
                read = _Batch.read(forward, prompts, group)
                note(read, read.last.tolist())
                batch = _joined(batch, read, ended)
            elif batch is not None:
                if len(batch.prompts) - len(going) >= _ENDED_SHARE * len(batch.prompts):
                    batch.only([row for row, place in enumerate(batch.prompts) if place not in ended])
                batch.write(forward)
                note(batch, batch.last.tolist())
    return written


def _joined(batch: _Batch | None, read: _Batch, ended: set[int]) -> _Batch:
    if batch is None or all(place in ended for place in batch.prompts):
        return read
    batch.only([row for row, place in enumerate(batch.prompts) if place not in ended])
    batch.join(read)
    return batch
