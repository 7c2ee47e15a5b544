"""The ids of the metrics that `evals` has, which measures after this package: what a template may name under `metrics`."""

from collections.abc import Iterable

from loopwright.errors import UserError, did_you_mean
from loopwright.plugins import active_files, installed

METRIC_IDS = frozenset(
    {
        *(
            "acc_bytes",
            "acc_norm",
            "accuracy",
            "answer_nll",
            "aurc",
            "bits_per_byte",
            "bleu",
            "brier",
            "chrf",
            "copy_rate",
            "distinct_2",
            "ece",
            "exact_match",
        ),
        *("fact_precision", "fact_recall", "format_valid", "hallucination", "hit_at_k", "json_f1", "json_schema_valid", "json_valid"),
        *("length_ratio", "likelihood_accuracy", "macro_f1", "macro_precision", "macro_recall", "mcc", "mrr", "negation_flips", "nll"),
        *("normalised_match", "preference_accuracy", "preference_margin", "reward_margin", "rouge1", "rouge2", "rougeL", "rougeLsum"),
        *("style_distance", "text_nll", "token_f1", "tool_arguments", "tool_call_match", "tool_name", "tool_schema_valid"),
        *("unpaired_auc", "unpaired_margin", "verbalizer_mass", "weighted_f1"),
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
