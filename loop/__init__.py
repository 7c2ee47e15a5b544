"""Rounds: build, lint, train, evaluate, propose fixes, compare with the round before."""

from typing import TYPE_CHECKING

from loopwright.siblings import require_siblings

require_siblings("templates", "prep", "train", "evals")

__all__ = ["RoundOutcome", "run_round"]

if TYPE_CHECKING:
    from loop.run import RoundOutcome, run_round
else:
    from loopwright.library import lazy_names

    __getattr__ = lazy_names(
        __name__,
        {
            "RoundOutcome": "loop.run",
            "run_round": "loop.run",
        },
    )
