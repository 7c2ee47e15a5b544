"""The layout: each token is computed once, and sees what it sees in its own sequence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from train.fast.layout import Layout

_IDS = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@st.composite
def sequences_of_rows(draw: st.DrawFn) -> list[list[int]]:
    """Sequences that often begin alike: all of them, or those of a row."""
    common = draw(st.lists(st.integers(0, 3), max_size=40))
    sequences = []
    for _ in range(draw(st.integers(1, 5))):
        prompt = draw(st.lists(st.integers(0, 3), max_size=40))
        sequences += [[*common, *prompt, *answer] for answer in draw(st.lists(_IDS, min_size=1, max_size=4))]
    return draw(st.permutations(sequences))


def seen_by(layout: Layout) -> list[list[int]]:
    """Returns which tokens each one sees, by their places, in the order of their positions."""
    seen: list[list[int]] = [[] for _ in layout.input_ids]
    for own in layout.own:
        places, real = own.padded.flatten().numpy(), own.real.numpy()
        assert places[real].tolist() == list(range(own.start, own.end))
        for index in real:
            first = index - index % own.length
            seen[places[index]] += [*own.context.tolist(), *places[first : index + 1].tolist()]
        apart = {place for one in layout.seen for place in one.queries.tolist()}
        assert own.is_whole == (not apart & set(range(own.start, own.end)))
    for one in layout.seen:
        for place in one.queries.tolist():
            seen[place] += range(one.start, one.end)
    return [sorted(places, key=lambda place: int(layout.position_ids[place])) for places in seen]


@given(sequences_of_rows())
def test_each_token_sees_what_stands_before_it_and_nothing_else(sequences: list[list[int]]) -> None:
    layout = Layout.of([np.array(ids) for ids in sequences])
    seen = seen_by(layout)
    pairs = sum(len(places) for places in seen)
    padding = sum(one.num * one.length * (one.length + len(one.context)) for one in layout.own)
    assert pairs / 2 <= layout.num_pairs <= 2 * pairs + padding
    assert len(layout.places) == sum(map(len, sequences)) and layout.longest == max(map(len, sequences))
    start = 0
    for ids in sequences:
        for position, place in enumerate(layout.places[start : start + len(ids)].tolist()):
            assert int(layout.position_ids[place]) == position
            assert layout.input_ids[seen[place]].tolist() == ids[: position + 1]
        start += len(ids)
    assert set(layout.places.tolist()) == set(range(len(layout.input_ids)))


def test_what_all_begin_with_is_computed_once_and_what_some_begin_with() -> None:
    instruction, prompts = list(range(50)), ([100] * 30, [101] * 20)
    sequences = [np.array([*instruction, *prompt, *answer]) for prompt in prompts for answer in ([1, 2], [3, 4, 5])]
    layout = Layout.of(sequences)
    assert len(layout.input_ids) == 50 + 30 + 20 + 2 * (2 + 3)
    assert len(Layout.of(sequences, share=False).input_ids) == sum(map(len, sequences))


def test_little_is_not_shared_and_equal_sequences_keep_a_token_each() -> None:
    short = [np.array([1, 2, 3, 9]), np.array([1, 2, 3, 8])]
    assert len(Layout.of(short).input_ids) == 8
    equal = [np.arange(40)] * 3
    assert len(Layout.of(equal).input_ids) == 39 + 3


def test_two_instructions_and_choices_that_begin_alike_are_computed_once_each() -> None:
    instructions, labels = ([7] * 40, [8] * 30), ([1, *[2] * 20, 3], [1, *[2] * 20, 4], [5])
    sequences = [np.array([*instruction, 50 + row, *label]) for instruction in instructions for row in range(2) for label in labels]
    layout = Layout.of(sequences)
    of_instructions, of_labels = 40 + 30, 4 * (21 + 1 + 1 + 1)  # 1 and twenty 2 once a row, then 3 or 4; and 5
    assert len(layout.input_ids) <= of_instructions + of_labels + 4 * 3  # the row's own token, where it is not worth sharing
