"""The layout: each token is computed once, and sees what it sees in its own sequence."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from train.fast.layout import Layout

_IDS = st.lists(st.integers(0, 3), min_size=1, max_size=60)


@st.composite
def rows_of_sequences(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Sequences that often begin alike: all of them, or those of a row."""
    common = draw(st.lists(st.integers(0, 3), max_size=40))
    sequences, rows = [], []
    for row in range(draw(st.integers(1, 5))):
        prompt = draw(st.lists(st.integers(0, 3), max_size=40))
        for answer in draw(st.lists(_IDS, min_size=1, max_size=4)):
            sequences.append([*common, *prompt, *answer])
            rows.append(row)
    return sequences, rows


def seen_by(layout: Layout) -> list[list[int]]:
    """Returns which tokens each one sees, by their places, in the order of their positions."""
    seen: list[list[int]] = [[] for _ in layout.input_ids]
    for own in layout.own:
        places = np.arange(own.start, own.end) if own.padded is None else own.padded.numpy()
        real = np.arange(own.num * own.length) if own.real is None else own.real.numpy()
        assert places[real].tolist() == list(range(own.start, own.end))
        for index in real:
            first = index - index % own.length
            seen[places[index]] += places[first : index + 1].tolist()
    for one in layout.seen:
        for place in one.queries.tolist():
            seen[place] += range(one.start, one.end)
    return [sorted(places, key=lambda place: int(layout.position_ids[place])) for places in seen]


@given(rows_of_sequences())
def test_each_token_sees_what_stands_before_it_and_nothing_else(given_rows: tuple[list[list[int]], list[int]]) -> None:
    sequences, rows = given_rows
    layout = Layout.of([np.array(ids) for ids in sequences], rows)
    seen = seen_by(layout)
    assert len(layout.places) == sum(map(len, sequences)) and layout.longest == max(map(len, sequences))
    start = 0
    for ids in sequences:
        for position, place in enumerate(layout.places[start : start + len(ids)].tolist()):
            assert int(layout.position_ids[place]) == position
            assert layout.input_ids[seen[place]].tolist() == ids[: position + 1]
        start += len(ids)
    assert set(layout.places.tolist()) == set(range(len(layout.input_ids)))


def test_what_all_begin_with_is_computed_once_and_what_those_of_a_row_begin_with() -> None:
    instruction, prompts = list(range(50)), ([100] * 30, [101] * 20)
    sequences = [np.array([*instruction, *prompt, *answer]) for prompt in prompts for answer in ([1, 2], [3, 4, 5])]
    layout = Layout.of(sequences, [0, 0, 1, 1])
    assert len(layout.input_ids) == 50 + 30 + 20 + 2 * (2 + 3)
    assert len(Layout.of(sequences, [0, 0, 1, 1], share=False).input_ids) == sum(map(len, sequences))


def test_little_is_not_shared_and_equal_sequences_keep_a_token_each() -> None:
    short = [np.array([1, 2, 3, 9]), np.array([1, 2, 3, 8])]
    assert len(Layout.of(short, [0, 1]).input_ids) == 8
    equal = [np.arange(40)] * 3
    assert len(Layout.of(equal, [0, 1, 2]).input_ids) == 39 + 3
