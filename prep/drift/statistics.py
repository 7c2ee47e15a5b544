"""The statistics of `prep drift`: pure functions of arrays. What lint needs too is in `loopwright.statistics`."""

import numpy as np

from loopwright.statistics import Floats, detectable_errors


def permutation_p(observed: float, permuted: Floats) -> float:
    """Returns the share of arrangements that are as extreme, the observed one included: never 0 (Phipson and Smyth 2010)."""
    return (1 + int((permuted >= observed - 1e-12).sum())) / (1 + len(permuted))


def log_odds_z(new: Floats, known: Floats, prior_mass: float = 500.0) -> Floats:
    """Returns how many standard errors each word's log-odds differ, new against known (Monroe, Colaresi and Quinn 2008, equation 22).

    Their informative Dirichlet prior is the two sides pooled, so that rare words need more evidence.

    Args:
        new: `[V]`, counts of each word on the new side.
        known: `[V]`, on the known side.
        prior_mass: imagined words that the prior counts for.
    """
    prior = prior_mass * (new + known) / (new + known).sum()
    odds = [np.log((count + prior) / (count.sum() + prior_mass - count - prior)) for count in (new, known)]
    z: Floats = (odds[0] - odds[1]) / np.sqrt(1 / (new + prior) + 1 / (known + prior))
    return z


def smallest_share_shift(share: float, num_known: int, num_new: int) -> float:
    """Returns the smallest shift of a share that samples of this size would show in 80 of 100 cases, at a level of 5 %."""
    return smallest_mean_shift(num_known, num_new) * float(np.sqrt(share * (1 - share)))


def smallest_mean_shift(num_known: int, num_new: int) -> float:
    """Returns the same for a mean, in standard deviations (Cohen 1988, 2.4)."""
    return detectable_errors() * float(np.sqrt(1 / num_known + 1 / num_new))
