"""How far some texts are from a voice, with an interval: `style_distance` of texts that no evaluation made."""

from collections.abc import Sequence

import numpy as np

from evals.compare.statistics import basic_interval, bootstrap_totals
from evals.data.contract import MetricValue
from evals.metrics.style.voice import Voice, distances
from loopwright.errors import UserError


def style_distance(
    texts: Sequence[str], voice: Sequence[str], *, num_resamples: int = 10_000, confidence: float = 0.95, seed: int = 17
) -> MetricValue:
    """Returns how far texts are from the voice of others, as the metric `style_distance` measures it: 0 the same habits, 1 none in common.

    The interval is of the texts' sampling alone, the voice is taken as it is. Few texts are further from any voice by chance: measure some
    texts of the voice itself, as many and not among `voice`, to see how near one can come.

    Args:
        texts: what is measured, such as the answers of a model.
        voice: texts of the voice, some hundreds.
        num_resamples: bootstrap resamples of the texts.
        confidence: coverage of the interval.
        seed: of the resamples.

    Raises:
        UserError: there is no text on one of the sides.
    """
    if not texts or not any(text.strip() for text in voice):
        side = "texts" if not texts else "voice"
        raise UserError("there is nothing to measure the style of", side, f"Give at least one text as `{side}`.")
    known = Voice.of(voice)
    counts = np.stack([known.count(text) for text in texts])
    value = float(distances(counts.sum(axis=0), known.totals).mean())
    resampled = distances(bootstrap_totals(counts, num_resamples, seed), known.totals).mean(axis=-1)
    low, high = basic_interval(resampled, value, confidence, (0.0, 1.0)) or (value, value)
    return MetricValue(value=value, low=low, high=high)
