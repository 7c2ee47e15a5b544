"""The loss core: a forward pass whose supervised positions alone go through the head, in float32, a chunk at a time."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from loopwright.console import notice
from loopwright.errors import UserError
from train.data.packing import MicroBatch, Segments
from train.engine.attention import IMPLEMENTATION, attended, attending, register
from train.fast.forward import PROBE_LENGTHS, logprobs_at, probe_ids, probe_layout, proven
from train.fast.layout import Layout
from train.fast.llama import FastLlama
from train.models.heads import into_head, is_masked
from train.models.load import Model, compute_dtype, unwrapped
from train.objectives.base import TokenScores

# Positions a chunk: 256 x 49,152 logits in float32 are 50 MB.
_CHUNK = 256
# Relative to the norm. bfloat16 rounding gives about 0.01; examples that see each other, several times the limit.
_PACKED_TOLERANCE = 0.05
_HEAD_TOLERANCE = 1e-3
# A probe that is attended by itself, as longer sequences are.
_COMPILED_LENGTH = 150


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores micro-batches with a language model, causal or masked, which may carry an adapter.

    Attributes:
        causal: the transformers model itself, beneath peft.
        packed: its attention takes packed examples; else they are padded.
        first_position: the position of a packed sequence's first token; RoBERTa and its like count from behind the padding token's id.
        attention: what transformers calls the model's own attention.
        fast: computes the model's hidden states instead of its own modules; None: they do.
        why_plain: why they do.
        is_checkpointed: a layer keeps its input alone for the backward pass, which computes the rest of it again.
    """

    causal: Model
    packed: bool
    first_position: int = 0
    attention: str = ""
    fast: FastLlama | None = None
    why_plain: str = ""
    is_checkpointed: bool = False

    @classmethod
    def for_model(cls, model: Model, *, exact: bool = False) -> "Scorer":
        """Chooses the fastest path that is proven equal to the model's own forward pass on two short examples.

        That is, of those there are for the model: its hidden states computed here, its own modules on packed examples, or those on padded
        ones.

        Args:
            model: as its method prepared it.
            exact: its own modules are to compute all.

        Raises:
            UserError: the model does something to its logits after the output head, or is causal and sees what comes after a token.
        """
        causal = unwrapped(model)
        own_attention = causal.config._attn_implementation
        plain = cls(causal, packed=False, attention=own_attention)
        with torch.no_grad(), plain._precision():
            expected = [plain._probe(length) for length in PROBE_LENGTHS]
            if not is_masked(causal):
                _require_causal(causal, *expected)
            register()
            try:
                causal.set_attn_implementation(IMPLEMENTATION)
                for first_position in (0, (getattr(causal.config, "pad_token_id", None) or 0) + 1):
                    packed = cls(causal, packed=True, first_position=first_position, attention=own_attention)
                    if _relative_difference(packed._hidden_of_probes(), torch.cat(expected)) < _PACKED_TOLERANCE:
                        return replace(packed, why_plain="exact: true") if exact else packed._fastest(torch.cat(expected))
            except (NotImplementedError, ValueError, TypeError, RuntimeError, IndexError):
                pass  # an architecture whose attention is not pluggable, or needs what ours does not do
        causal.set_attn_implementation(own_attention)
        return replace(plain, why_plain="its attention takes no packed examples")

    def _fastest(self, expected: torch.Tensor) -> "Scorer":
        """Returns what computes the same in another way, where there is one and it is proven equal on the probes."""
        fast = proven(self.causal, expected)
        return replace(self, why_plain=fast) if isinstance(fast, str) else replace(self, fast=fast)

    def compiled(self) -> "Scorer":
        """Returns the same with compiled kernels, tried on the probes; without a fast path, or where they cannot be compiled, itself."""
        if self.fast is None:
            return self
        fast = replace(self.fast, kernels=self.fast.kernels.compiled())
        layout = probe_layout(self.causal, (*PROBE_LENGTHS, _COMPILED_LENGTH))
        try:
            with torch.enable_grad():
                fast.hidden(layout).sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever a missing or broken compiler raises
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            notice(f"The kernels are not compiled, which costs some time and nothing else: {reason}", always=True)
            return self
        finally:
            for _, parameter in self.causal.named_parameters():
                parameter.grad = None
        return replace(self, fast=fast)

    def checkpointed(self) -> "Scorer":
        """Returns the same with activation checkpointing (Chen et al., 2016): less memory, and a third more time a step.

        Raises:
            UserError: the architecture does not do it.
        """
        try:
            self.causal.activation_checkpointing_enable({"use_reentrant": False, "context_fn": _as_now})
        except ValueError as error:
            cause = f"the architecture '{self.causal.config.model_type}' does no activation checkpointing"
            raise UserError(cause, "activation_checkpointing", "Set it to false.") from error
        return replace(self, is_checkpointed=True, fast=self.fast and replace(self.fast, is_checkpointed=True))

    def through_modules(self) -> "Scorer":
        """Returns the same without a fast path: hooks on the model's modules see what is computed."""
        return replace(self, fast=None)

    @contextmanager
    def plainly(self) -> Iterator["Scorer"]:
        """Within the block, the model computes as it came: its own attention, on padded sequences."""
        if not self.packed:
            yield self
            return
        self.causal.set_attn_implementation(self.attention)
        try:
            yield replace(self, packed=False, fast=None)
        finally:
            self.causal.set_attn_implementation(IMPLEMENTATION)

    def restore_attention(self) -> None:
        """Gives the model its own attention back, for good, and has it keep what it computes."""
        self.causal.set_attn_implementation(self.attention)
        if self.is_checkpointed:
            self.causal.activation_checkpointing_disable()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Within the block, the model can be asked as outside of training: with its own attention, in the precision of the run."""
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

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its computation."""
        return compute_dtype(self.causal)

    def score(self, batch: MicroBatch) -> TokenScores:
        """Returns the scores of the batch's supervised tokens; differentiable where gradients are on."""
        with self._precision():
            hidden = self.read(batch, batch.predictors)
            head = self.causal.get_output_embeddings()
            if torch.is_grad_enabled() and any(weight.requires_grad for weight in head.parameters()):
                logprobs, margins = _trained_head_scores(hidden, batch.targets, head)
            else:
                logprobs, margins = _HeadScores.apply(hidden, batch.targets, head)  # type: ignore[no-untyped-call]
        return TokenScores(logprobs, margins, batch.weights, batch.sequences, batch.rows, batch.signs, len(batch.examples))

    def _probe(self, length: int) -> torch.Tensor:
        """Returns the model's own hidden states [length, width] on a short example, once what is read of them is proven to be the model's.

        Raises:
            UserError: the model does something to its logits after the output head.
        """
        ids = probe_ids(self.causal, length)
        hidden = into_head(self.causal, input_ids=ids)
        logits = self.causal(input_ids=ids).logits if is_masked(self.causal) else self.causal(input_ids=ids, use_cache=False).logits
        if _relative_difference(self.causal.get_output_embeddings()(hidden), logits) > _HEAD_TOLERANCE:
            kind = self.causal.config.model_type
            known = "BERT, RoBERTa or DistilBERT" if is_masked(self.causal) else "Llama, Qwen, Mistral or SmolLM"
            raise UserError(
                f"the architecture '{kind}' changes its logits after the output head, which this trainer does not do",
                remedy=f"Train a model of another family, such as {known}.",
            )
        return hidden[0]

    def read(self, batch: MicroBatch, positions: torch.Tensor) -> torch.Tensor:
        """Returns what goes into the output head at some of the batch's positions, [N, width]."""
        if self.fast is not None and batch.segments is not None:
            starts = batch.segments.lengths.cumsum(0)[:-1].tolist()
            layout = Layout.of(np.split(batch.input_ids[0].numpy(), starts))
            if self.fast.takes(layout):
                return self.fast.hidden(layout).index_select(0, layout.places.index_select(0, positions))
        return self._hidden(batch).index_select(0, positions)

    def _hidden(self, batch: MicroBatch) -> torch.Tensor:
        """Returns what goes into the output head at each position, [B * T, width]."""
        if is_masked(self.causal) and not self.packed:  # the model counts positions in its own way
            return into_head(self.causal, input_ids=batch.input_ids, attention_mask=batch.real).flatten(0, 1)
        with attending(batch.segments):
            position_ids = batch.position_ids + self.first_position
            return into_head(self.causal, input_ids=batch.input_ids, position_ids=position_ids).flatten(0, 1)

    def _hidden_of_probes(self) -> torch.Tensor:
        ids = torch.cat([probe_ids(self.causal, length) for length in PROBE_LENGTHS], dim=1)
        position_ids = torch.cat([torch.arange(length, device=self.device) for length in PROBE_LENGTHS]).unsqueeze(0)
        with attending(Segments.of(list(PROBE_LENGTHS), self.device)):
            return into_head(self.causal, input_ids=ids, position_ids=position_ids + self.first_position)[0]

    def _precision(self) -> Any:
        """What is trained, in float32, is cast down for each product where the model computes in bfloat16."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


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
                logits = head(leaf)
            found = logits.detach()
            chunk_logprobs, probabilities = logprobs_at(found, torch.arange(len(found), device=found.device), tokens.squeeze(1))
            if differentiable:
                above = probabilities.neg_().scatter_add_(1, tokens, torch.ones_like(tokens, dtype=torch.float32))
                gradients.append(torch.autograd.grad(logits, leaf, above.to(logits.dtype))[0])
            logprobs.append(chunk_logprobs)
            target_logits = found.gather(1, tokens).squeeze(1).float()
            margins.append(target_logits - found.scatter_(1, tokens, float("-inf")).amax(-1).float())
        if differentiable:
            ctx.save_for_backward(torch.cat(gradients))
        margin = torch.cat(margins)
        ctx.mark_non_differentiable(margin)
        return torch.cat(logprobs), margin

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return (upstream.unsqueeze(1) * gradients).to(gradients.dtype), None, None


def _trained_head_scores(hidden: torch.Tensor, targets: torch.Tensor, head: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """As `_HeadScores`, with the gradient of the head's own weights, which depends on how each token's score is used.

    So it is formed in the backward pass, which computes each chunk's logits once more: still one chunk alive at a time.
    """
    scored = [
        checkpoint(_chunk_scores, states, tokens, head, use_reentrant=False)
        for states, tokens in zip(torch.split(hidden, _CHUNK), torch.split(targets.unsqueeze(1), _CHUNK), strict=True)
    ]
    return torch.cat([logprobs for logprobs, _ in scored]), torch.cat([margins for _, margins in scored])


def _chunk_scores(states: torch.Tensor, tokens: torch.Tensor, head: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states [n, width], tokens [n, 1] -> log-probabilities and margins [n]."""
    logits = head(states).float()
    target_logits = logits.gather(1, tokens).squeeze(1)
    best_others = logits.detach().scatter(1, tokens, float("-inf")).amax(-1)
    return target_logits - logits.logsumexp(-1), target_logits.detach() - best_others


def _as_now() -> tuple[Any, Any]:
    """Returns what a layer's forward pass is within, and its second one: where the packed examples lie, which is known now alone."""
    return nullcontext(), attending(attended())


def _require_causal(causal: Model, short: torch.Tensor, long: torch.Tensor) -> None:
    """Refuses a model that reads a token before it predicts it: its loss would say nothing. The longer probe begins as the shorter one."""
    if _relative_difference(long[: len(short)], short) > _PACKED_TOLERANCE:
        raise UserError(
            f"the model sees the tokens that it is to predict: as it is configured, '{causal.config.model_type}' is not causal",
            remedy="Train a causal model, or a masked one with 'objective: cloze'.",
        )


def _relative_difference(value: torch.Tensor, expected: torch.Tensor) -> float:
    return float((value.float() - expected.float()).norm() / expected.float().norm())
