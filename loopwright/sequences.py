"""Comparing sequences."""

from collections.abc import Sequence


def num_common(one: Sequence[object], other: Sequence[object]) -> int:
    """Returns with how many equal items two sequences begin."""
    number = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        number += 1
    return number
