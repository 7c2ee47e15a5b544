"""A random projection of gradients to a few numbers, the same on every machine, which inner products survive."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from loopwright.hashing import hash_text

Words = npt.NDArray[np.uint64]

# SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): each word is a function of its place alone.
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True, slots=True)
class Projection:
    """Projects the gradients of named parameters to `size` numbers, one parameter after the other, and adds them up.

    A parameter's gradient is cut into blocks of `size` numbers; each number gets a random sign, each block a random rotation, and the
    blocks are summed. The signs are independent, so that `E[<sketch(a), sketch(b)>] = <a, b>`. Which numbers meet differs from block to
    block, so that the variance is about (|a|^2 |b|^2 + <a, b>^2) / size, as that of a count sketch (Charikar, Chen and Farach-Colton,
    2002) or of a dense matrix of signs. The work is a multiplication and an addition a number, and one bit is kept of each.

    Attributes:
        seed: decides all signs and rotations, together with each parameter's name.
        size: numbers of a sketch.
    """

    seed: int
    size: int
    _known: dict[tuple[str, int, torch.device], tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def sketch(self, name: str, gradients: torch.Tensor) -> torch.Tensor:
        """Returns what one parameter adds to the sketches of R rows, float32 [R, size].

        Args:
            name: the parameter's.
            gradients: each row's gradient of it, [R, ...].
        """
        flat = gradients.detach().flatten(1).float()
        num_rows, num_values = flat.shape
        num_blocks = -(-num_values // self.size)
        packed_signs, rotations = self._random(name, num_blocks, flat.device)
        bits = torch.arange(8, device=flat.device, dtype=torch.uint8)
        signs = ((packed_signs.unsqueeze(1) >> bits) & 1).flatten()[:num_values].float() * 2 - 1
        padded = torch.nn.functional.pad(flat * signs, (0, num_blocks * self.size - num_values))
        places = (torch.arange(self.size, device=flat.device) - rotations.unsqueeze(1)) % self.size
        places += torch.arange(num_blocks, device=flat.device).unsqueeze(1) * self.size
        return padded.index_select(1, places.flatten()).view(num_rows, num_blocks, self.size).sum(1)

    def _random(self, name: str, num_blocks: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns a parameter's signs, eight to a byte, and the rotation of each block."""
        key = (name, num_blocks, device)
        if key not in self._known:
            signs = random_words(self._key(name, "signs"), -(-num_blocks * self.size // 64))
            rotations = random_words(self._key(name, "rotations"), num_blocks) % np.uint64(self.size)
            # Little-endian bytes, whatever the machine: the signs are part of what a run's sketches are.
            packed = torch.from_numpy(signs.astype("<u8").view(np.uint8).copy())
            self._known[key] = packed.to(device), torch.from_numpy(rotations.astype(np.int64)).to(device)
        return self._known[key]

    def _key(self, name: str, purpose: str) -> int:
        return int(hash_text("influence", purpose, str(self.seed), name)[:16], 16)


def random_words(key: int, count: int) -> Words:
    """Returns random words of 64 bits, a function of the key and of each word's place."""
    word = np.uint64(key) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    return word ^ (word >> np.uint64(31))
