"""The projection: unbiased, as accurate as it says, and the same everywhere."""

import numpy as np
import pytest
import torch

from train.ledger.projection import Projection, random_words


def test_inner_products_are_kept_without_bias_and_as_accurately_as_said() -> None:
    torch.manual_seed(3)
    one = torch.randn(2000) * torch.linspace(0.1, 3, 2000)  # no two numbers alike, as in gradients
    other = 0.5 * one + torch.randn(2000)
    exact = float(one @ other)
    found = []
    for seed in range(400):
        left, right = Projection(seed, 64).sketch("layer", torch.stack([one, other]))
        found.append(float(left @ right))
    said = float((one @ one) * (other @ other) + exact**2) ** 0.5 / 64**0.5
    assert np.mean(found) == pytest.approx(exact, abs=4 * said / 400**0.5)
    assert np.std(found) == pytest.approx(said, rel=0.15)


def test_a_sketch_is_linear_and_that_of_a_matrix_is_of_its_numbers() -> None:
    torch.manual_seed(4)
    gradients = torch.randn(3, 7, 11)
    projection = Projection(17, 32)
    sketches = projection.sketch("a", gradients)
    assert sketches.shape == (3, 32)
    torch.testing.assert_close(projection.sketch("a", gradients.sum(0, keepdim=True))[0], sketches.sum(0))
    torch.testing.assert_close(projection.sketch("a", gradients.flatten(1)), sketches)
    assert not torch.allclose(projection.sketch("b", gradients), sketches), "each parameter has signs of its own"
    assert not torch.allclose(Projection(18, 32).sketch("a", gradients), sketches)
    # Each number keeps its length, whatever it meets: nothing is lost or counted twice.
    single = torch.zeros(77, 77).fill_diagonal_(2.0)
    assert torch.equal(projection.sketch("a", single).abs().sum(1), torch.full((77,), 2.0))


def test_the_signs_are_the_same_on_every_machine() -> None:
    # The first outputs of SplitMix64 from this seed, as its reference implementation gives them.
    assert random_words(1234567, 2).tolist() == [6457827717110365317, 3203168211198807973]
    sketch = Projection(17, 16).sketch("layers.0.lora_A.default.weight", torch.arange(40.0).unsqueeze(0))[0]
    assert sketch.tolist() == [-81.0, 44.0, 2.0, 32.0, -18.0, 18.0, -22.0, -18.0, -26.0, 60.0, 3.0, -52.0, -17.0, 72.0, -75.0, -78.0]
