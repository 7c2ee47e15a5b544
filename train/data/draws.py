"""Which examples of several datasets an epoch takes, and in which steps: a function of the seed, the epoch and the ids alone."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loopwright.errors import UserError
from loopwright.hashing import hash_text

# Multiples of it, taken modulo 2^32, are spread evenly however many they are (Knuth 1973, volume 3, 6.4: 2^32 over the golden ratio).
_GOLDEN = 2654435769


@dataclass(frozen=True, slots=True)
class Draws:
    """How the epochs of a mixture are drawn.

    Each dataset is gone through in passes, each in an order of its own, in which every example comes once. An epoch takes the next `counts`
    of them: where a dataset has more than that, the next epoch goes on where this one stopped; where it has fewer, an epoch holds several
    passes, or parts of them.

    Attributes:
        ids: of all training examples.
        places: name of a dataset -> where its examples stand among them.
        counts: name of a dataset -> how many examples an epoch takes of it.
    """

    ids: list[str]
    places: dict[str, list[int]]
    counts: dict[str, int]

    @property
    def epoch_size(self) -> int:
        """The examples of an epoch, each as often as it comes."""
        return sum(self.counts.values())

    def require_apart(self, batch_size: int) -> None:
        """Makes sure that no example need come twice in one step, where it would be nothing but an example that weighs more.

        Raises:
            UserError: a dataset is so small, and its share so large, that one would.
        """
        num_full = self.epoch_size // batch_size
        for name, count in self.counts.items():
            times = _most_times(count, len(self.places[name]))
            if times > max(1, num_full):
                raise UserError(
                    f"an epoch would take each of the {len(self.places[name])} examples of '{name}' up to {times} times, and it has "
                    f"{num_full} full steps: one would come twice in a step",
                    f"mixture.datasets.{name}",
                    "Give it less weight, raise epoch_size, or lower batch_size.",
                )

    def steps(self, seed: int, epoch: int, batch_size: int) -> list[list[int]]:
        """Returns the places of the examples of each step of an epoch, counted from 0.

        An example that comes several times comes in as many different steps, spread evenly over the epoch.
        """
        times = Counter(place for name in self.counts for place in self._drawn(name, seed, epoch))
        ordered = sorted(times, key=lambda place: hash_text(str(seed), str(epoch), self.ids[place]))
        steps: list[list[int]] = [[] for _ in range(-(-self.epoch_size // batch_size))]
        drawn = (place for place in ordered for _ in range(times[place]))
        for place, step in zip(drawn, self._slots(len(steps), batch_size), strict=True):
            steps[step].append(place)
        return steps

    def _drawn(self, name: str, seed: int, epoch: int) -> Iterator[int]:
        """Yields the places that an epoch takes of a dataset, some of them several times."""
        places, count = self.places[name], self.counts[name]
        first, last = epoch * count, (epoch + 1) * count
        for number in range(first // len(places), -(-last // len(places))):
            start, stop = max(first - number * len(places), 0), min(last - number * len(places), len(places))
            if stop - start == len(places):
                yield from places
            else:
                yield from sorted(places, key=lambda place: hash_text(str(seed), "pass", str(number), self.ids[place]))[start:stop]

    def _slots(self, num_steps: int, batch_size: int) -> Iterator[int]:
        """Yields the step of each place in an epoch, round by round: as many in a row as there are full steps are all different."""
        by_key = sorted(range(num_steps), key=lambda index: index * _GOLDEN % (1 << 32))
        visited = sorted(range(num_steps), key=by_key.__getitem__)
        last_size = self.epoch_size - (num_steps - 1) * batch_size
        for number in range(batch_size):
            yield from (step for step in visited if number < (last_size if step == num_steps - 1 else batch_size))


def apportion(shares: Mapping[str, float], size: int) -> dict[str, int]:
    """Divides a number by shares into whole numbers that add up to it (largest remainders; equal ones in the order of the names)."""
    total = sum(shares.values())
    exact = {name: size * share / total for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return counts


def _most_times(count: int, size: int) -> int:
    """Returns how often one of `size` examples can come among `count` that follow each other in passes."""
    return count // size if count % size == 0 else max(0, count - 2) // size + (2 if count > 1 else 1)
