"""What the parts of an example add up to."""

from collections.abc import Iterable

from evals.data.prediction import PartScore


def nats_and_tokens(parts: Iterable[PartScore]) -> tuple[float, float] | None:
    """Returns the negative log-likelihood of some parts in nats and their tokens; None where no token is scored."""
    scored = [(part.loglikelihood, part.num_tokens) for part in parts if part.loglikelihood is not None]
    num_tokens = sum(count for _, count in scored)
    return (-sum(value for value, _ in scored), num_tokens) if num_tokens else None
