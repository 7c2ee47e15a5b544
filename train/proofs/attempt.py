"""Making a proof without breaking the run that it is about: hours of training must not be lost to a check of them."""

from collections.abc import Callable, Sequence

from loopwright.errors import UserError
from train.runs.proof import Proof


def attempt(names: Sequence[str], make: Callable[[], Sequence[Proof]]) -> dict[str, Proof]:
    """Returns some proofs by name. One that ends in an error failed, but where there was no memory for it: that says nothing of the run.

    Args:
        names: of the proofs.
        make: makes as many, in the same order.
    """
    import torch

    try:
        return dict(zip(names, make(), strict=True))
    except (torch.OutOfMemoryError, MemoryError):
        proof = Proof.not_applicable("there is no memory for it")
    except UserError as error:
        proof = Proof(passed=False, reason=f"it cannot be made: {error.cause}")
    except Exception as error:  # whatever it is, run.json is written and says so
        proof = Proof(passed=False, reason=f"it ended in an error, {type(error).__name__}: {(str(error).strip() or '?').splitlines()[0]}")
    return dict.fromkeys(names, proof)
