"""The loss core against a plain reading of what the loss is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import write_dataset
from tests.train.conftest import reviews
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.packing import Segments, collate, micro_batches
from train.engine import attention
from train.engine import loss as scoring
from train.engine.loss import Scorer
from train.ledger.ledger import summarise
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model, unwrapped
from train.objectives.base import OBJECTIVES

CPU = torch.device("cpu")
CHAT = OBJECTIVES.get("chat")(TrainConfig())


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> list[TrainingExample]:
    dataset = Dataset.open(write_dataset(tmp_path_factory.mktemp("scoring") / "data", reviews()))
    return load_examples(dataset, CHAT, load_tokenizer(str(tiny_model_dir)), TrainConfig(), 512).train


@pytest.fixture
def adapted(tiny_model_dir: Path) -> Model:
    """The tiny model with an adapter whose effect is not zero."""
    torch.manual_seed(1)
    model = Lora(TrainConfig()).fresh(load_model(str(tiny_model_dir), "float32"))
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(std=0.1)
    return model


@pytest.fixture
def packed(adapted: Model) -> Scorer:
    scorer = Scorer.for_model(adapted)
    assert scorer.packed
    return scorer


def reference_losses(model: Model, examples: list[TrainingExample]) -> list[torch.Tensor]:
    """Each example alone through the model's own forward pass and torch's cross-entropy: the sum over its trained tokens."""
    losses = []
    for example in examples:
        ids = torch.tensor([example.sequences[0].encoded.input_ids])
        labels = torch.where(torch.tensor(example.sequences[0].encoded.loss_weights) > 0, ids[0], -100)
        logits = model(input_ids=ids).logits[0]
        losses.append(functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum"))
    return losses


def loss_and_gradient(scorer: Scorer, examples: list[TrainingExample], model: Model, **limits: Any) -> tuple[float, torch.Tensor]:
    """One step's loss and gradient as the loop computes them."""
    config = TrainConfig(**limits)
    model.zero_grad()
    total = 0.0
    weight = sum(example.normalizer for example in examples)
    for group in micro_batches(examples, config, packed=scorer.packed):
        loss = CHAT.loss(scorer.score(collate(group, CPU, packed=scorer.packed))) / weight
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, torch.cat([parameter.grad.flatten() for parameter in trainable(model).values() if parameter.grad is not None])


@pytest.fixture
def own_attention(adapted: Model) -> Callable[[], Model]:
    """Gives the model back its own attention, for reference."""

    def restore() -> Model:
        unwrapped(adapted).set_attn_implementation("sdpa")
        return adapted

    return restore


def test_packed_loss_and_gradient_equal_plain_cross_entropy(
    packed: Scorer, adapted: Model, examples: list[TrainingExample], own_attention: Callable[[], Model]
) -> None:
    loss, gradient = loss_and_gradient(packed, examples, adapted)
    model = own_attention()
    model.zero_grad()
    expected = sum(reference_losses(model, examples), torch.zeros(())) / sum(example.normalizer for example in examples)
    expected.backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(
        gradient,
        torch.cat([parameter.grad.flatten() for parameter in trainable(model).values() if parameter.grad is not None]),
        rtol=1e-4,
        atol=1e-6,
    )


def test_division_into_micro_batches_changes_nothing(packed: Scorer, adapted: Model, examples: list[TrainingExample]) -> None:
    whole, gradient = loss_and_gradient(packed, examples, adapted)
    for limits in ({"micro_batch_size": 1}, {"micro_batch_size": 4}, {"micro_batch_tokens": 100}):
        loss, other = loss_and_gradient(packed, examples, adapted, **limits)
        assert loss == pytest.approx(whole, rel=1e-5)
        torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-6)


def test_padded_equals_packed(packed: Scorer, adapted: Model, examples: list[TrainingExample], own_attention: Callable[[], Model]) -> None:
    loss, gradient = loss_and_gradient(packed, examples, adapted)
    own_attention()
    padded, other = loss_and_gradient(Scorer(packed.causal, packed=False), examples, adapted)
    assert padded == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-6)


def test_long_examples_take_the_fused_kernel_and_agree(
    packed: Scorer, adapted: Model, examples: list[TrainingExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand, gradient = loss_and_gradient(packed, examples, adapted)
    monkeypatch.setattr(attention, "_LONGEST_BY_HAND", 0)
    fused, other = loss_and_gradient(packed, examples, adapted)
    assert fused == pytest.approx(by_hand, rel=1e-5)
    torch.testing.assert_close(other, gradient, rtol=1e-4, atol=1e-6)


def test_head_in_chunks_changes_nothing(
    packed: Scorer, adapted: Model, examples: list[TrainingExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, gradient = loss_and_gradient(packed, examples, adapted)
    monkeypatch.setattr(scoring, "_CHUNK", 3)
    chunked, other = loss_and_gradient(packed, examples, adapted)
    assert chunked == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(other, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("through_modules", "tolerance"), [(True, 0.0), (False, 1e-5)])
def test_packed_examples_do_not_see_each_other(
    packed: Scorer, examples: list[TrainingExample], through_modules: bool, tolerance: float
) -> None:
    """Not at all; the fast path computes otherwise where the two have less in common, which rounds otherwise."""
    scorer = packed.through_modules() if through_modules else packed
    assert through_modules or packed.fast is not None
    pair = collate(examples[:2], CPU, packed=True)
    before = scorer.score(pair).logprobs.detach()
    pair.input_ids[0, : examples[0].num_tokens - 3] += 1  # perturb the first example's prompt
    after = scorer.score(pair).logprobs.detach()
    second = pair.sequences == 1
    torch.testing.assert_close(before[second], after[second], rtol=0, atol=tolerance)
    assert not torch.allclose(before[~second], after[~second], atol=1e-3)


def test_sliding_window_is_kept_within_a_packed_example() -> None:
    torch.manual_seed(0)
    lengths, window = [9, 5], 3
    query, key, value = (torch.randn(1, heads, sum(lengths), 8) for heads in (4, 2, 2))
    with attention.attending(Segments.of(lengths, CPU)):
        output, _ = attention._packed_attention(torch.nn.Identity(), query, key, value, None, sliding_window=window)
    start = 0
    for length in lengths:
        q, k, v = (states[:, :, start : start + length] for states in (query, key, value))
        distance = torch.arange(length)[:, None] - torch.arange(length)
        mask = (distance >= 0) & (distance < window)
        expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True).transpose(1, 2)
        torch.testing.assert_close(output[:, start : start + length], expected)
        start += length


def test_what_packing_cannot_do_is_refused() -> None:
    states = torch.randn(1, 2, 4, 8)
    with attention.attending(Segments.of([4], CPU)), pytest.raises(NotImplementedError):
        attention._packed_attention(torch.nn.Identity(), states, states, states, None, softcap=30.0)
    with pytest.raises(NotImplementedError):
        attention._packed_attention(torch.nn.Identity(), states, states, states, None)


def test_margin_and_correctness_follow_from_the_logits(
    packed: Scorer, adapted: Model, examples: list[TrainingExample], own_attention: Callable[[], Model]
) -> None:
    batch = collate(examples, CPU, packed=True)
    with torch.no_grad():
        losses, margins, least, counts = summarise(CHAT, examples, packed.score(batch))
    model = own_attention()
    for row, example in enumerate(examples):
        ids, weights = torch.tensor(example.sequences[0].encoded.input_ids), torch.tensor(example.sequences[0].encoded.loss_weights)
        with torch.no_grad():
            logprobs = model(input_ids=ids[None]).logits[0].log_softmax(-1)[:-1][weights[1:] > 0]
        targets = ids[1:][weights[1:] > 0]
        chosen = logprobs[torch.arange(len(targets)), targets]
        others = logprobs.scatter(1, targets[:, None], float("-inf")).amax(-1)
        assert counts[row] == len(targets)
        torch.testing.assert_close(losses[row], -chosen.mean(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(margins[row], (chosen - others).mean(), rtol=1e-4, atol=1e-5)
        assert (least[row] > 0) == bool((logprobs.argmax(-1) == targets).all())


def test_a_model_whose_attention_differs_takes_the_padded_path(adapted: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_visible", lambda length, *_: torch.ones(length, length, dtype=torch.bool))
    scorer = Scorer.for_model(adapted)
    assert not scorer.packed
    assert scorer.causal.config._attn_implementation == "sdpa"
