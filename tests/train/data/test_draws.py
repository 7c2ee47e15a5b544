"""Epochs of several datasets: shares kept, passes without replacement, no example twice in a step, and all of it repeatable."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from train.config import MixtureConfig
from train.data.draws import Draws, apportion
from train.data.mixture import Mixture


def _draws(sizes: dict[str, int], counts: dict[str, int], order: int = 1) -> Draws:
    names = [f"{name}/{number}" for name, size in sizes.items() for number in range(size)][::order]
    places = {name: [place for place, id_ in enumerate(names) if id_.startswith(f"{name}/")] for name in sizes}
    return Draws(names, places, counts)


def _epoch(draws: Draws, epoch: int, batch_size: int = 4) -> list[list[str]]:
    return [[draws.ids[place] for place in step] for step in draws.steps(17, epoch, batch_size)]


def test_an_epoch_takes_its_share_and_the_next_goes_on_where_it_stopped() -> None:
    draws = _draws({"big": 30, "small": 3}, {"big": 12, "small": 9})
    seen: Counter[str] = Counter()
    for epoch in range(5):
        steps = _epoch(draws, epoch)
        assert [len(step) for step in steps] == [4, 4, 4, 4, 4, 1]
        assert all(len(set(step)) == len(step) for step in steps), "an example comes twice in a step"
        flat = [one for step in steps for one in step]
        assert Counter(one.partition("/")[0] for one in flat) == {"big": 12, "small": 9}
        seen.update(flat)
        if epoch == 1:
            assert all(seen[f"big/{number}"] <= 1 for number in range(30)), "drawn again before all were drawn once"
    assert [seen[f"big/{number}"] for number in range(30)] == [2] * 30
    assert [seen[f"small/{number}"] for number in range(3)] == [15] * 3


def test_epochs_are_a_function_of_seed_epoch_and_ids_alone() -> None:
    sizes, counts = {"big": 30, "small": 3}, {"big": 12, "small": 9}
    forwards, backwards = _draws(sizes, counts), _draws(sizes, counts, order=-1)
    assert _epoch(forwards, 3) == _epoch(backwards, 3) == _epoch(_draws(sizes, counts), 3)
    assert _epoch(forwards, 3) != _epoch(forwards, 4)
    assert forwards.steps(17, 0, 4) != forwards.steps(18, 0, 4)


def test_an_example_that_comes_often_is_spread_over_the_epoch() -> None:
    steps = _epoch(_draws({"big": 400, "one": 1}, {"big": 396, "one": 4}), 0)
    places = [place for place, step in enumerate(steps) if "one/0" in step]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert len(places) == 4
    assert min(gaps) >= 10, "of 100 steps"


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    asked=st.lists(st.integers(1, 25), min_size=3, max_size=3),
    batch_size=st.integers(1, 7),
    epoch=st.integers(0, 4),
)
def test_no_example_comes_twice_in_a_step_whatever_the_sizes(sizes: list[int], asked: list[int], batch_size: int, epoch: int) -> None:
    counts = {f"part{number}": count for number, count in zip(range(len(sizes)), asked, strict=False)}
    draws = _draws({f"part{number}": size for number, size in enumerate(sizes)}, counts)
    try:
        draws.require_apart(batch_size)
    except UserError as error:
        assert "would come twice in a step" in str(error)
        return
    steps = _epoch(draws, epoch, batch_size)
    assert [len(step) for step in steps[:-1]] == [batch_size] * (len(steps) - 1)
    assert 0 < len(steps[-1]) <= batch_size
    assert all(len(set(step)) == len(step) for step in steps)
    assert Counter(one.partition("/")[0] for step in steps for one in step) == counts


def test_a_share_that_would_bring_an_example_twice_in_a_step_is_refused() -> None:
    with pytest.raises(UserError, match=r"each of the 2 examples of 'small' up to 5 times, and it has 4 full steps"):
        _draws({"big": 30, "small": 2}, {"big": 10, "small": 10}).require_apart(5)


def test_shares_become_whole_numbers_that_add_up() -> None:
    assert apportion({"a": 1, "b": 1, "c": 1}, 10) == {"a": 4, "b": 3, "c": 3}
    assert apportion({"a": 7, "b": 13}, 20) == {"a": 7, "b": 13}
    assert apportion({"a": 0.1, "b": 0.9}, 3) == {"a": 0, "b": 3}


def test_shares_follow_weights_sizes_or_temperature() -> None:
    paths = {"big": "big", "small": "small"}

    def counts(**options: object) -> dict[str, int]:
        return Mixture.of(MixtureConfig.model_validate({"datasets": paths, **options}), Path("there")).counts({"big": 900, "small": 100})

    assert counts() == {"big": 900, "small": 100}
    assert counts(temperature=2) == {"big": 750, "small": 250}, "as 30 to 10"
    assert counts(temperature=1e9, epoch_size=10) == {"big": 5, "small": 5}
    weights = {name: {"path": name, "weight": weight} for name, weight in (("big", 1), ("small", 3))}
    assert counts(datasets=weights, epoch_size=20) == {"big": 5, "small": 15}


def test_what_is_replayed_comes_on_top_of_an_epoch() -> None:
    paths = {name: Path(name) for name in ("own", "first", "second")}
    mixture = Mixture(paths, replay=0.1, replayed=frozenset({"first", "second"}))
    assert mixture.counts({"own": 900, "first": 300, "second": 100}) == {"own": 900, "first": 75, "second": 25}
