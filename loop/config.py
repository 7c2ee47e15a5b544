"""The options of the loop: the `loop:` section of a config file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class LoopConfig(BaseModel):
    """How rounds are run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: str = "rounds"
    """The folder of the rounds, relative to the config file."""
    allow_stale: bool = False
    """Go on although entries of the fix ledger no longer fit their rows; they are left out of the build."""
    gate: Literal["none", "not_worse"] = "none"
    """`not_worse`: exit 1 where a round is worse than the one before, as `evals: {gates: {primary: {not_worse_than: last_round}}}` says."""
