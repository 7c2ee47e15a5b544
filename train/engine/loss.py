"""The loss core: a forward pass whose supervised positions alone go through the head, in float32, a chunk at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from loopwright.errors import UserError
from train.data.packing import MicroBatch, Segments
from train.engine.attention import IMPLEMENTATION, attending, register
from train.models.load import Model, unwrapped
from train.objectives.base import TokenScores

# Positions a chunk: 256 x 49,152 logits in float32 are 50 MB.
_CHUNK = 256
# Relative to the norm. bfloat16 rounding gives about 0.01; examples that see each other, several times the limit.
_PACKED_TOLERANCE = 0.05
_HEAD_TOLERANCE = 1e-3
_PROBE_LENGTHS = (7, 12)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores micro-batches with a causal language model, which may carry an adapter.

    Attributes:
        causal: the transformers model itself, beneath peft.
        packed: its attention takes packed examples; else they are padded.
        own_attention: the attention that the model came with; None where it is in use.
    """

    causal: Model
    packed: bool
    own_attention: str | None = None

    @classmethod
    def for_model(cls, model: Model) -> "Scorer":
        """Chooses the packed path where it is proven equal to the model's own forward pass on two short examples, else the plain one.

        Raises:
            UserError: the model does something to its logits after the output head.
        """
        causal = unwrapped(model)
        own_attention = causal.config._attn_implementation
        plain, packed = cls(causal, packed=False), cls(causal, packed=True, own_attention=own_attention)
        with torch.inference_mode(), plain._precision():
            expected = [_probe(causal, length) for length in _PROBE_LENGTHS]
            register()
            try:
                causal.set_attn_implementation(IMPLEMENTATION)
                if _relative_difference(packed._hidden_of_probes(), torch.cat(expected)) < _PACKED_TOLERANCE:
                    return packed
            except (NotImplementedError, ValueError, TypeError, RuntimeError):
                pass  # an architecture whose attention is not pluggable, or needs what ours does not do
        causal.set_attn_implementation(own_attention)
        return plain

    @contextmanager
    def plainly(self) -> Iterator["Scorer"]:
        """Within the block, the model computes as it came: its own attention, on padded sequences."""
        if self.own_attention is None:
            yield self
            return
        self.causal.set_attn_implementation(self.own_attention)
        try:
            yield Scorer(self.causal, packed=False)
        finally:
            self.causal.set_attn_implementation(IMPLEMENTATION)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Within the block, the model can be asked directly, in the precision of the run."""
        with self.plainly() as plain, torch.no_grad(), plain._precision():
            yield

    def logits(self, input_ids: list[int]) -> torch.Tensor:
        """Returns the model's logits at each position of one sequence, by its own attention, in float32: [T, vocabulary]."""
        with self.answering():
            return self.causal(input_ids=torch.tensor([input_ids], device=self.device), use_cache=False).logits[0].float()  # type: ignore[no-any-return]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self.causal.device)

    def score(self, batch: MicroBatch) -> TokenScores:
        """Returns the scores of the batch's supervised tokens; differentiable where gradients are on."""
        with self._precision():
            hidden = self._hidden(batch).index_select(0, batch.predictors)
            logprobs, margins = _HeadScores.apply(hidden, batch.targets, self.causal.get_output_embeddings())  # type: ignore[no-untyped-call]
        return TokenScores(logprobs, margins, batch.weights, batch.sequences, batch.rows, batch.signs, len(batch.examples))

    def _hidden(self, batch: MicroBatch) -> torch.Tensor:
        """Returns the last hidden states, [B * T, width]."""
        with attending(batch.segments):
            output = self.causal.base_model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False)
        return output.last_hidden_state.flatten(0, 1)  # type: ignore[no-any-return]

    def _hidden_of_probes(self) -> torch.Tensor:
        ids = torch.cat([_probe_ids(self.causal, length) for length in _PROBE_LENGTHS], dim=1)
        position_ids = torch.cat([torch.arange(length, device=self.device) for length in _PROBE_LENGTHS]).unsqueeze(0)
        with attending(Segments.of(list(_PROBE_LENGTHS), self.device)):
            output = self.causal.base_model(input_ids=ids, position_ids=position_ids, use_cache=False)
        return output.last_hidden_state[0]  # type: ignore[no-any-return]

    def _precision(self) -> Any:
        """The adapter's float32 weights are cast down for each product where the base is bfloat16."""
        if self.causal.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.causal.dtype)


class _HeadScores(torch.autograd.Function):
    """Hidden states [N, width], targets [N] -> log-probabilities and margins [N], with the logits of one chunk alive at a time.

    Each token's log-probability depends on its own hidden state alone, so its gradient ([N, width], small) is formed at once, in the
    forward pass, and the backward pass only scales it: the [N, vocabulary] logits are neither kept nor computed again.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, targets: torch.Tensor, head: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        differentiable = ctx.needs_input_grad[0]
        logprobs, margins, gradients = [], [], []
        for states, tokens in zip(torch.split(hidden, _CHUNK), torch.split(targets.unsqueeze(1), _CHUNK), strict=True):
            with torch.set_grad_enabled(differentiable):
                leaf = states.detach().requires_grad_(differentiable)
                logits = head(leaf).float()
                target_logits = logits.gather(1, tokens).squeeze(1)
                chunk_logprobs = target_logits - logits.logsumexp(-1)
                if differentiable:
                    gradients.append(torch.autograd.grad(chunk_logprobs.sum(), leaf)[0])
            logprobs.append(chunk_logprobs.detach())
            best_others = logits.detach().scatter(1, tokens, float("-inf")).amax(-1)
            margins.append(target_logits.detach() - best_others)
        if differentiable:
            ctx.save_for_backward(torch.cat(gradients))
        margin = torch.cat(margins)
        ctx.mark_non_differentiable(margin)
        return torch.cat(logprobs), margin

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return (upstream.unsqueeze(1) * gradients).to(gradients.dtype), None, None


def _probe_ids(causal: Model, length: int) -> torch.Tensor:
    vocabulary = causal.get_input_embeddings().num_embeddings
    ids: torch.Tensor = torch.arange(1, length + 1, device=causal.device) * 7919 % vocabulary
    return ids.unsqueeze(0)


def _probe(causal: Model, length: int) -> torch.Tensor:
    """Returns the model's own hidden states [length, width] on a short example, once its logits are proven to be the head's output."""
    ids = _probe_ids(causal, length)
    hidden = causal.base_model(input_ids=ids, use_cache=False).last_hidden_state
    logits = causal(input_ids=ids, use_cache=False).logits
    if _relative_difference(causal.get_output_embeddings()(hidden), logits) > _HEAD_TOLERANCE:
        raise UserError(
            f"the architecture '{causal.config.model_type}' changes its logits after the output head, which this trainer does not do",
            remedy="Train a model of another family, such as Llama, Qwen, Mistral or SmolLM.",
        )
    return hidden[0]  # type: ignore[no-any-return]


def _relative_difference(value: torch.Tensor, expected: torch.Tensor) -> float:
    return float((value.float() - expected.float()).norm() / expected.float().norm())
