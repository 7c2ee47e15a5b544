"""The backward passes that are written by hand, against finite differences in float64."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from train.fast import kernels
from train.fast.attention import attend
from train.fast.elementwise import add_rms_norm, gate, rms_norm, rotate
from train.fast.kernels import Kernels
from train.fast.layout import Layout
from train.fast.linear import Adapter, Joined

_PLAIN = Kernels()


def tensor(*shape: int, grad: bool = True) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_norms() -> None:
    weight = tensor(6, grad=False)
    assert gradcheck(lambda x: rms_norm(x, weight, 1e-5, _PLAIN), (tensor(4, 6),))
    assert gradcheck(lambda x, y: add_rms_norm(x, y, weight, 1e-5, _PLAIN), (tensor(4, 6), tensor(4, 6)))


def test_gate_and_rotation() -> None:
    assert gradcheck(lambda x: gate(x, _PLAIN), (tensor(3, 8),))
    angle = tensor(3, 1, 2, grad=False)
    for num in (1, 2):
        assert gradcheck(lambda x, num=num: rotate(x, angle.cos(), angle.sin(), num, _PLAIN), (tensor(3, 2, 4),))
    x = tensor(3, 2, 4, grad=False)
    turned = rotate(x, angle.cos(), angle.sin(), 1, _PLAIN)
    assert torch.equal(turned[:, 1], x[:, 1]) and not torch.allclose(turned[:, 0], x[:, 0]), "the rest stays"
    assert torch.allclose(turned, kernels.rotate(x, angle.cos(), angle.sin(), 1)), "by steps and in one"


@pytest.mark.parametrize("needs_x", [True, False])
def test_joined_layers_with_adapters(needs_x: bool) -> None:
    adapters = [(tensor(2, 5), tensor(3, 2)), (tensor(1, 5), tensor(4, 1))]
    weight, bias = tensor(9, 5, grad=False), tensor(9, grad=False)

    def product(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        first, second = (
            Adapter(parameters[0], parameters[1], 0.5, torch.nn.Identity()),
            Adapter(parameters[2], parameters[3], 3.0, torch.nn.Identity()),
        )
        return Joined(weight, bias, (3, 2, 4), (first, None, second))(x)

    x = tensor(4, 5, grad=needs_x)
    flat = [one for pair in adapters for one in pair]
    assert gradcheck(product, (x, *flat))
    (down, up), (other_down, other_up) = adapters
    update = torch.cat([0.5 * up @ down, torch.zeros(2, 5, dtype=torch.float64), 3 * other_up @ other_down])
    assert torch.allclose(product(x, *flat), x @ (weight + update).t() + bias)


def test_dropout_of_an_adapters_input_has_the_gradient_of_what_it_left(monkeypatch: pytest.MonkeyPatch) -> None:
    down, up, x = tensor(2, 5), tensor(3, 2), tensor(4, 5)
    dropout = torch.nn.Dropout(0.4)

    def product(x: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)  # the same is left out each time
        return Joined(torch.zeros(3, 5, dtype=torch.float64), None, (3,), (Adapter(down, up, 2.0, dropout),))(x)

    assert gradcheck(product, (x, down, up))
    torch.manual_seed(3)
    left = torch.native_dropout(x, 0.4, True)[0]
    assert torch.allclose(product(x, down, up), 2 * left @ down.t() @ up.t())
    assert 0 < int((left == 0).sum()) < x.numel()
    dropout.eval()
    assert torch.allclose(product(x, down, up), 2 * x @ down.t() @ up.t())


def test_layers_that_are_joined_again_are_not_copied() -> None:
    layers = [torch.nn.Linear(4, size, bias=False) for size in (3, 5)]
    for layer in layers:
        layer.weight.requires_grad_(False)
    first, second = Joined.of(layers), Joined.of(layers)
    assert first is not None and second is not None
    assert first.weight.data_ptr() == second.weight.data_ptr() and torch.equal(first.weight, second.weight)


@pytest.mark.parametrize("copied", [0, 4])
@pytest.mark.parametrize("kept", [0, 320])
@pytest.mark.parametrize("share", [True, False])
def test_attention_over_groups_of_nodes_and_over_what_they_continue(
    share: bool, kept: int, copied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.fast.layout.KEPT_LENGTH", kept)
    monkeypatch.setattr("train.fast.layout._COPIED", copied)
    monkeypatch.setattr("train.fast.attention._CHUNK", 3)  # several chunks a node
    monkeypatch.setattr("train.fast.layout._FEWEST_SAVED", 2)
    sequences = [np.array(ids) for ids in ([7, 7, 1, 2, 3, 4, 5], [7, 7, 1, 2, 8, 9], [7, 7, 5, 5, 5, 5, 5])]
    layout = Layout.of(sequences, share=share)
    assert len(layout.seen) == (2 if share and not (kept and copied) else 0)
    assert bool(sum(len(own.context) for own in layout.own)) == (share and bool(kept and copied))
    num = len(layout.input_ids)
    states = tensor(num, 4 + 2 + 2, 3)
    assert gradcheck(lambda x: attend(x, layout, 0.7, 4), (states,))
    # As each token by itself: softmax over the keys of its own sequence up to it.
    found, start = attend(states, layout, 0.7, 4), 0
    for ids in sequences:
        places = layout.places[start : start + len(ids)]
        start += len(ids)
        query, key, value = torch.split(states[places], [4, 2, 2], 1)
        products = torch.einsum("lhd,mhd->hlm", query, key.repeat_interleave(2, 1)) * 0.7
        hidden = torch.ones(len(ids), len(ids), dtype=torch.bool).triu(1)
        weights = torch.softmax(products.masked_fill(hidden, float("-inf")), -1)
        assert torch.allclose(found[places], torch.einsum("hlm,mhd->lhd", weights, value.repeat_interleave(2, 1)))
