"""How often the intervals of an evaluation hold the truth: by simulation, against the 95% that they claim.

    python benchmarks/coverage.py [--trials 4000] [--resamples 1000] [--only proportion,paired,...]

Each cell draws rows (and seeds) from a population whose true value is known, measures them as `evals run` does, and counts in how many
trials the interval holds the truth. The cells: proportions, paired differences of proportions, macro-F1 over three unequal classes,
scores between 0 and 1 as ROUGE gives them, the same in clusters, and means over several seeds. It needs no model and no network.

The aim: 93% to 97% from 300 rows and 30 clusters on, and never less than 90%, else no interval is given.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from evals.compare.measure import Clusters, Column, difference_of, values_of
from evals.config import EvalsConfig
from evals.metrics.base import METRICS

Draw = Callable[[np.random.Generator], tuple[float, tuple[float | None, float | None]]]
"""Draws one sample; returns the truth and the interval."""

_CLASSES = (0.6, 0.3, 0.1)
_RIGHT = (0.9, 0.8, 0.6)  # of each class; what is wrong falls on the others evenly
_SHAPE = (2.0, 3.0)  # of the beta distribution of a row's score
_AMONG_CLUSTERS, _AMONG_SEEDS = 0.5, 0.02


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of interval at one size."""

    name: str
    kind: str
    draw: Draw
    is_large: bool


def column(metric: str, sums: np.ndarray, by_seed: tuple[Column, ...] = ()) -> Column:
    """Returns statistics as a metric gives them."""
    return Column(METRICS.get(metric)(), sums, np.ones(len(sums), dtype=bool), [], by_seed)


def scores(values: np.ndarray) -> np.ndarray:
    """Returns the statistics of a metric that is a mean of row scores."""
    return np.column_stack([values, np.ones(len(values))])


def single(config: EvalsConfig, made: Column, clusters: Clusters | None = None) -> tuple[float | None, float | None]:
    """Returns the interval of one system's value."""
    numbers = np.arange(len(made.sums)) if clusters is None else clusters
    value = values_of([made], numbers, config)[0]
    return value.low, value.high


def difference(config: EvalsConfig, left: Column, right: Column) -> tuple[float | None, float | None]:
    """Returns the interval of a paired difference."""
    found = difference_of(("a", "b"), left, right, np.arange(len(left.sums)), config)
    return found.low, found.high


def confusion_sums(actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns the statistics of macro-F1."""
    is_actual, is_predicted = (one[:, None] == np.arange(len(_CLASSES)) for one in (actual, predicted))
    return np.hstack([is_predicted & is_actual, is_predicted & ~is_actual, ~is_predicted & is_actual]).astype(float)


def classified(generator: np.random.Generator, size: int) -> np.ndarray:
    """Draws rows of three classes, and what a system says of them."""
    actual = generator.choice(len(_CLASSES), size, p=_CLASSES)
    other = (actual + generator.integers(1, len(_CLASSES), size)) % len(_CLASSES)
    predicted = np.where(generator.random(size) < np.array(_RIGHT)[actual], actual, other)
    return confusion_sums(actual, predicted)


def true_macro_f1() -> float:
    """Returns the macro-F1 of the population that `classified` draws from."""
    right = np.array(_CLASSES) * np.array(_RIGHT)
    wrong = np.array(_CLASSES) * (1 - np.array(_RIGHT))
    false_positives = (wrong.sum() - wrong) / (len(_CLASSES) - 1)
    return float((2 * right / (2 * right + false_positives + wrong)).mean())


def cells(config: EvalsConfig) -> Iterator[Cell]:
    """Yields all cells."""
    for share in (0.5, 0.8, 0.95):
        for size in (50, 300, 2000):

            def proportion(
                generator: np.random.Generator, share: float = share, size: int = size
            ) -> tuple[float, tuple[float | None, float | None]]:
                return share, single(config, column("accuracy", scores((generator.random(size) < share).astype(float))))

            yield Cell(f"proportion {share}, {size} rows", "proportion", proportion, size >= 300)
    for size in (50, 300, 2000):

        def paired(generator: np.random.Generator, size: int = size) -> tuple[float, tuple[float | None, float | None]]:
            kind = generator.choice(4, size, p=(0.6, 0.2, 0.1, 0.1))  # both right, only a, only b, neither
            left, right = (column("accuracy", scores(np.isin(kind, which).astype(float))) for which in ((0, 1), (0, 2)))
            return 0.1, difference(config, left, right)

        def macro_f1(generator: np.random.Generator, size: int = size) -> tuple[float, tuple[float | None, float | None]]:
            return true_macro_f1(), single(config, column("macro_f1", classified(generator, size)))

        def rouge(generator: np.random.Generator, size: int = size) -> tuple[float, tuple[float | None, float | None]]:
            return _SHAPE[0] / sum(_SHAPE), single(config, column("rougeL", scores(generator.beta(*_SHAPE, size))))

        def rouge_difference(generator: np.random.Generator, size: int = size) -> tuple[float, tuple[float | None, float | None]]:
            hard = generator.beta(*_SHAPE, size)
            left, right = (column("rougeL", scores(hard * generator.uniform(low, 1, size))) for low in (0.6, 0.4))
            return _SHAPE[0] / sum(_SHAPE) * 0.1, difference(config, left, right)

        for name, draw in (("paired proportions", paired), ("macro-F1", macro_f1), ("ROUGE", rouge), ("paired ROUGE", rouge_difference)):
            yield Cell(f"{name}, {size} rows", name, draw, size >= 300)
    for number in (5, 10, 30, 100):

        def clustered(generator: np.random.Generator, number: int = number) -> tuple[float, tuple[float | None, float | None]]:
            clusters = np.repeat(np.arange(number), generator.integers(2, 9, number))
            own = generator.beta(*_SHAPE, number)[clusters]
            mixed = np.where(generator.random(len(clusters)) < _AMONG_CLUSTERS, own, generator.beta(*_SHAPE, len(clusters)))
            return _SHAPE[0] / sum(_SHAPE), single(config, column("rougeL", scores(mixed)), clusters)

        def clustered_proportion(generator: np.random.Generator, number: int = number) -> tuple[float, tuple[float | None, float | None]]:
            clusters = np.repeat(np.arange(number), generator.integers(2, 9, number))
            share = generator.beta(4, 2, number)[clusters]
            return 4 / 6, single(config, column("accuracy", scores((generator.random(len(clusters)) < share).astype(float))), clusters)

        yield Cell(f"ROUGE, {number} clusters", "clusters", clustered, number >= 30)
        yield Cell(f"proportion, {number} clusters", "clusters", clustered_proportion, number >= 30)
    for number in (3, 5, 10):

        def seeds(generator: np.random.Generator, number: int = number) -> tuple[float, tuple[float | None, float | None]]:
            of_rows = generator.beta(*_SHAPE, 300)
            lucks = generator.normal(0, _AMONG_SEEDS, number)
            made = [column("rougeL", scores(of_rows + luck + generator.normal(0, 0.1, 300))) for luck in lucks]
            base = column("rougeL", scores(of_rows + generator.normal(0, 0.1, 300)))
            return 0.0, difference(config, Column.mean(made), base)

        yield Cell(f"{number} seeds against base, 300 rows", "seeds", seeds, is_large=True)


def main() -> None:
    """Runs the simulation and prints a line a cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    config = EvalsConfig(num_resamples=arguments.resamples)
    wanted = set(arguments.only.split(",")) - {""}
    for index, cell in enumerate(cells(config)):
        if wanted and cell.kind not in wanted:
            continue
        started = time.perf_counter()
        generator = np.random.default_rng(1000 + index)
        held = refused = 0
        for _ in range(arguments.trials):
            truth, (low, high) = cell.draw(generator)
            if low is None or high is None:
                refused += 1
            else:
                held += low <= truth <= high
        given = arguments.trials - refused
        share = held / given if given else float("nan")
        fits = not given or (0.93 <= share <= 0.97 if cell.is_large else share >= 0.90)
        took = time.perf_counter() - started
        print(f"{cell.name:34} {share:6.1%} of {given:5} ({refused} refused)  {'' if fits else 'MISSED'}  {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
