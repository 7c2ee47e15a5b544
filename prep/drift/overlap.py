"""How much of the new rows stands in train already."""

from dataclasses import dataclass

from prep.keys import normalise
from prep.near import NEAR_THRESHOLD, jaccard, shingles

_NUM_HASHES = 128
_NUM_BANDS = 32  # four hashes each: a pair at the threshold of 0.8 is missed once in ten million
_SEED = 17


@dataclass(frozen=True, slots=True)
class Overlap:
    """Shares of the new texts, in [0, 1].

    Attributes:
        exact: those that a known text equals after normalisation.
        near: those that share `NEAR_THRESHOLD` of their word pairs with a known text (Jaccard), equal ones among them.
    """

    exact: float
    near: float


def find_overlap(known: list[str], new: list[str]) -> Overlap:
    """Compares each new text with the known ones: candidates by MinHash-LSH (Broder 1997), each proven by its exact Jaccard."""
    from rensa import RMinHash, RMinHashLSH

    normal = {normalise(text) for text in known}
    known_sets = [shingles(text) for text in known]
    index = RMinHashLSH(NEAR_THRESHOLD, _NUM_HASHES, _NUM_BANDS)
    index.insert_many(RMinHash.from_token_sets([sorted(one) for one in known_sets], _NUM_HASHES, _SEED))
    exact = near = 0
    new_sets = [shingles(text) for text in new]
    hashes = RMinHash.from_token_sets([sorted(one) for one in new_sets], _NUM_HASHES, _SEED)
    for text, one, hashed in zip(new, new_sets, hashes, strict=True):
        is_equal = normalise(text) in normal
        exact += is_equal
        near += is_equal or any(jaccard(one, known_sets[place]) >= NEAR_THRESHOLD for place in index.query(hashed))
    return Overlap(exact / len(new), near / len(new))
