"""How much memory a run takes, and how much there is."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from train.preflight.result import Estimate

_GB = 1e9
# A run takes more than its largest micro-batch did: it meets more shapes, an allocator keeps holes between them, it validates, it saves.
# Twelve unlike runs took 0.97 to 1.51 times as much (benchmarks/README.md).
_GROWTH = 1.2
_LESS, _MORE = 0.2, 0.3


def forget_peak() -> None:
    """Lets `peak_memory_bytes` begin anew, where the system can: what this process did before is no part of the run."""
    if (
        "torch" in sys.modules and (cuda := sys.modules["torch"].cuda).is_available()
    ):  # else nothing is on a GPU, and torch is slow to import
        cuda.reset_peak_memory_stats()
    with suppress(OSError):  # of Linux; elsewhere the peak is that of the whole process
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@dataclass(frozen=True, slots=True)
class MeasuredMemory:
    """What the largest micro-batch took, with the optimiser's state in place.

    Attributes:
        peak: the most memory that was taken at any time until then, bytes.
        before: what was taken just before its forward pass, bytes.
        num_positions: what the model read in it.
    """

    peak: int
    before: int
    num_positions: int

    @classmethod
    def after(cls, before: int, num_positions: int) -> "MeasuredMemory":
        """Takes it now, behind the largest micro-batch."""
        from train.engine.memory import peak_memory_bytes

        return cls(peak_memory_bytes(), before, num_positions)

    def of_run(self, num_proof_positions: int, num_kept_bytes: int) -> Estimate:
        """Returns the gigabytes of a run.

        Args:
            num_proof_positions: what the model reads at once in the proofs at the end, which try a handful of examples in one batch.
            num_kept_bytes: what a run keeps beside: the reference of its losses, and the ledger.
        """
        activations = max(0, self.peak - self.before)
        more = activations * max(0.0, num_proof_positions / self.num_positions - 1) + num_kept_bytes
        taken = self.peak * _GROWTH
        high = taken * (1 + _MORE) + more
        return Estimate((taken + num_kept_bytes) / _GB, taken * (1 - _LESS) / _GB, high / _GB)
