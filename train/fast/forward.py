"""The forward pass of a model on the fast path, proven on the spot: the door for whoever asks a model without training it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from train.fast.kernels import Kernels
from train.fast.layout import Layout
from train.fast.llama import FastLlama
from train.models.load import Model, unwrapped

PROBE_LENGTHS = (7, 12)
"""Tokens of the sequences that a path is tried with."""

# Relative to the norm. bfloat16 rounding gives about 0.01; examples that see each other, several times the limit.
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05}
# Positions whose logits are alive at a time: 256 x 49,152 in float32 are 50 MB.
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Read:
    """A token whose log-probability is asked for.

    Attributes:
        sequence: the sequence that stands before it.
        position: the last token of that sequence which it follows.
        token: its id.
    """

    sequence: int
    position: int
    token: int


@dataclass(frozen=True, slots=True)
class FastForward:
    """What a causal model says of sequences, each token computed once, also those that several sequences begin with.

    Attributes:
        head: hidden states -> logits.
        layers: the model below it.
    """

    head: Any
    layers: FastLlama

    @classmethod
    def of(cls, model: Model) -> "FastForward | str":
        """Returns it for a model with what is switched on of its adapters now, proven equal on two short sequences; or why there is none.

        Not in inference mode: layers that read the same input share one tensor afterwards, which may be trained beside.
        """
        causal = unwrapped(model)
        head = causal.get_output_embeddings()
        with torch.no_grad():
            probes = [probe_ids(causal, length) for length in PROBE_LENGTHS]
            expected = torch.cat([causal(input_ids=ids, use_cache=False).logits[0] for ids in probes])
            fast = proven(causal, expected, head)
        return fast if isinstance(fast, str) else cls(head, fast.fixed())

    def likeliest(self, states: torch.Tensor) -> torch.Tensor:
        """Returns the most probable next token at some hidden states, [B, width] -> int64 [B]."""
        return self.head(states).argmax(-1)  # type: ignore[no-any-return]

    def sees(self, length: int) -> bool:
        """Says whether attention sees as far back as a sequence of so many tokens is long."""
        return self.layers.window is None or length <= self.layers.window

    def logprobs(
        self, sequences: Sequence[Sequence[int]], reads: Sequence[Read], watch: Callable[[int, torch.Tensor], None] | None = None
    ) -> list[float]:
        """Returns the log-probability of each token that is read, in nats, computed in float32.

        Args:
            sequences: token ids, at least one each; those that begin alike share the computation of what is alike.
            reads: what to read.
            watch: is told of each layer, from 1, and what comes out of it at each token of each sequence in their order, [T, width].
        """
        layout = Layout.of([np.asarray(ids, dtype=np.int64) for ids in sequences])
        starts = np.cumsum([0, *map(len, sequences)])
        with torch.no_grad():
            hidden = self.layers.hidden(
                layout, None if watch is None else lambda number, states: watch(number, states.index_select(0, layout.places))
            )
            wanted = torch.from_numpy(np.array([starts[read.sequence] + read.position for read in reads], dtype=np.int64))
            places, which = torch.unique(layout.places.index_select(0, wanted), return_inverse=True)
            tokens = torch.tensor([read.token for read in reads])
            found = torch.empty(len(reads))
            for start in range(0, len(places), _CHUNK):
                logits = self.head(hidden.index_select(0, places[start : start + _CHUNK]))
                here = ((which >= start) & (which < start + len(logits))).nonzero().squeeze(1)
                rows = which[here] - start
                found[here] = logprobs_at(logits, rows, tokens[here])[0]
        return found.tolist()


def proven(causal: Model, expected: torch.Tensor, read: Callable[[torch.Tensor], torch.Tensor] | None = None) -> FastLlama | str:
    """Returns the fast path of a model, found equal to its own modules on the probes; or why there is none.

    Args:
        causal: the transformers model itself.
        expected: what its modules say of the tokens of the probes, one probe behind the other.
        read: makes that of the last hidden states; None: it is these.
    """
    fast = FastLlama.of(causal, Kernels())
    if isinstance(fast, str):
        return fast
    layout = probe_layout(causal, PROBE_LENGTHS)
    try:
        states = fast.hidden(layout).index_select(0, layout.places)
        found = states if read is None else read(states)
    except (TypeError, ValueError, RuntimeError) as error:  # a change to the model that its weights do not show
        return f"it fails on this model ({type(error).__name__})"
    return fast if is_like(found, expected) else "what it computes is not what the model's own modules do"


def logprobs_at(logits: torch.Tensor, rows: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the log-probabilities of some tokens, [n], and the probabilities of all, [N, vocabulary], both in float32.

    One pass over the logits makes both, and of a token below e^-87 it leaves nothing: then the logs are taken by another.

    Args:
        logits: [N, vocabulary].
        rows: which of them each token is read at, int64 [n].
        tokens: int64 [n].
    """
    probabilities = torch.softmax(logits, -1, dtype=torch.float32)
    found = probabilities[rows, tokens].log()
    if not bool(found.isfinite().all()):
        found = logits.float().log_softmax(-1)[rows, tokens]
    return found, probabilities


def probe_ids(causal: Model, length: int) -> torch.Tensor:
    """Returns some tokens to try a model with, [1, length]; of two lengths the longer one begins as the shorter."""
    vocabulary = causal.get_input_embeddings().num_embeddings
    ids: torch.Tensor = torch.arange(1, length + 1, device=causal.device) * 7919 % vocabulary
    return ids.unsqueeze(0)


def probe_layout(causal: Model, lengths: tuple[int, ...]) -> Layout:
    """Lays out tokens to try a fast path with, a sequence of each length."""
    return Layout.of([probe_ids(causal, length)[0].numpy() for length in lengths])


def is_like(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Says whether rounding explains the difference of what two ways of computing gave."""
    difference = float((found.float() - expected.float()).norm() / expected.float().norm())
    return difference < _TOLERANCE.get(found.dtype, _TOLERANCE[torch.bfloat16])
