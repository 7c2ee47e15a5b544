"""The ids of the metrics that `evals` has, which measures after this package: what a template may name under `metrics`."""

from collections.abc import Iterable

from loopwright.errors import UserError, did_you_mean
from loopwright.plugins import active_files, installed

METRIC_IDS = frozenset(
    {
        *("accuracy", "exact_match", "fact_recall", "macro_f1", "mcc", "nll", "rouge1", "rouge2", "rougeL"),
        *("answer_nll", "bits_per_byte", "text_nll"),
        *("likelihood_accuracy", "preference_accuracy", "preference_margin", "reward_margin"),
        *("unpaired_auc", "unpaired_margin"),
    }
)
_KIND = "metrics"


def unknown_metrics(names: Iterable[str], location: str) -> list[UserError]:
    """Returns an error for each id that is no metric's.

    Where the config in use or an installed package brings metrics, none: which ids those have is known when they are loaded, by `evals`.

    Args:
        names: the ids.
        location: where they stand, for messages.
    """
    if active_files((_KIND,)) or installed(_KIND):
        return []
    remedy = "A metric of your own is named under 'plugins: metrics:' of the config."
    return [
        UserError(f"there is no metric '{name}'", f"{location}: metrics", f"{did_you_mean(name, sorted(METRIC_IDS))} {remedy}")
        for name in names
        if name not in METRIC_IDS
    ]
