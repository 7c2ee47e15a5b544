"""How likely a given label is wrong, from what several classifiers say of it out of fold.

The classifiers' probabilities are pooled log-linearly, and the labels are taken to be the pool's with a share of them swapped for any other
(symmetric noise, Angluin and Laird 1988). The pool's weights, which calibrate it as well, and that share are fitted together to the given
labels. Where the classifiers are unsure the fit explains disagreement by their errors; only disagreement that does not fade as they grow
sure is left to be noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

_LEAST = 1e-6
_MAX_WEIGHT = 5.0
_NOISE_GRID = np.geomspace(1e-4, 0.45, 28)
# What is believed of the noise before the data speak: ten test sets in wide use have 0.15% to 10% wrong labels (Northcutt 2021), so about
# 1%, give or take a factor of e^2. It decides only where a task has too few doubtful rows to tell noise from the classifiers' errors.
_USUAL_NOISE = 0.01
_SPREAD = 2.0
_MAX_FITTED_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Pool:
    """A fitted pool.

    Attributes:
        weights: of each classifier's log-probabilities.
        noise: the likeliest share of labels that are wrong.
    """

    weights: NDArray[np.float64]
    noise: float

    def probabilities(self, classifiers: Sequence[Floats]) -> Floats:
        """Returns the pooled probabilities of the true label, [N, K]."""
        return _pooled(self.weights, [log_probabilities(one) for one in classifiers])

    def wrong(self, probabilities: Floats, given: Labels) -> Floats:
        """Returns the probability that each given label is wrong, [N], by Bayes' rule.

        Args:
            probabilities: the pooled ones, [N, K].
            given: index of each row's label, [N].
        """
        right = probabilities[np.arange(len(given)), given].astype(np.float64)
        swapped = self.noise * (1 - right) / (probabilities.shape[1] - 1)
        wrong: Floats = (swapped / (swapped + (1 - self.noise) * right + 1e-300)).astype(np.float32)
        return wrong


def fit_pool(classifiers: Sequence[Floats], given: Labels) -> Pool:
    """Fits the weights and the noise to the given labels.

    Args:
        classifiers: each one's out-of-fold probabilities, [N, K].
        given: index of each row's label, [N].
    """
    every = max(1, -(-len(given) // _MAX_FITTED_ROWS))
    logs = [log_probabilities(one[::every]) for one in classifiers]
    labels = given[::every]
    weights = np.ones(len(logs)) / len(logs)
    fits = []
    for noise in _NOISE_GRID:
        weights, loss = _fit_weights(logs, labels, float(noise), weights)
        fits.append((loss + (np.log(noise / _USUAL_NOISE) / _SPREAD) ** 2 / 2, weights, float(noise)))
    _, best, noise = min(fits, key=lambda fit: fit[0])
    return Pool(best, noise)


def log_probabilities(probabilities: Floats) -> Floats:
    """Returns logarithms that are finite."""
    found: Floats = np.log(np.clip(probabilities, _LEAST, 1))
    return found


def _pooled(weights: NDArray[np.float64], logs: Sequence[Floats]) -> Floats:
    mixed = sum(np.float32(weight) * one for weight, one in zip(weights, logs, strict=True))
    assert isinstance(mixed, np.ndarray)
    mixed -= mixed.max(axis=1, keepdims=True)
    np.exp(mixed, out=mixed)
    mixed /= mixed.sum(axis=1, keepdims=True)
    return mixed


def _fit_weights(logs: Sequence[Floats], labels: Labels, noise: float, start: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Returns the weights of the greatest likelihood under a share of noise, and the negative log-likelihood in nats."""
    from scipy.optimize import minimize

    rows, num_labels = np.arange(len(labels)), logs[0].shape[1]
    spread = noise / (num_labels - 1)
    centred = [one[rows, labels] for one in logs]

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        pooled = _pooled(weights, logs)
        right = pooled[rows, labels].astype(np.float64)
        likelihood = (1 - noise) * right + spread * (1 - right)
        # d right / d w = right x (log p of the label - its mean under the pool), and the chain rule through the noise.
        slope = (1 - noise - spread) * right / likelihood
        gradient = [-(slope * (own - (pooled * one).sum(axis=1))).sum() for own, one in zip(centred, logs, strict=True)]
        return float(-np.log(likelihood).sum()), np.array(gradient, dtype=np.float64)

    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0.0, _MAX_WEIGHT)] * len(logs), options={"maxiter": 40})
    return found.x, float(found.fun)
