"""A learning curve: nested parts, each trained once, and a prediction only where the points bear one."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from tests.helpers import review, write_dataset
from tests.train.conftest import Command, without_proofs
from train.api import learning_curve
from train.config import TrainConfig
from train.curve import CurveResult, _label_verdict, _overall_verdict
from train.data.subsets import nested_subsets, write_subset
from train.ledger.learning_curve import Losses, SliceCurve, slice_curve
from train.runs.record import RunRecord

WORDS = ["soup", "waiter", "bill", "order", "replacement", "slow", "great", "wrong"]
SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]


def rows(num_train: int, num_validation: int = 24) -> list[dict[str, Any]]:
    """Reviews of which a quarter is negative, each train text twice, in a group."""
    made = []
    for index in range(num_train + num_validation):
        number = index // 2 if index < num_train else index
        label = int(number % 4 != 0)
        text = " ".join(WORDS[(number >> shift) % 8] for shift in (0, 3, 1, 4)) + f" {'great' if label else 'wrong'}"
        split = "train" if index < num_train else "validation"
        made.append(review(text, label, split=split, group=f"{split}{number}"))
    return made


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("curve") / "reviews", rows(128))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dataset: Path, tiny_model_dir: Path) -> SimpleNamespace:
    """A whole curve."""
    config = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "learning_rate": 1e-2, "epochs": 1, "leaks": "allow"}
    out = tmp_path_factory.mktemp("out") / "curve"
    with pytest.MonkeyPatch.context() as patch:
        without_proofs(patch)
        return SimpleNamespace(out=out, config=config, result=learning_curve(dataset, out, config))


def test_parts_are_nested_with_whole_groups_and_labels_in_their_shares(dataset: Path) -> None:
    opened = Dataset.open(dataset)
    frame = opened.examples("train").select("id", "group", "label").collect()
    parts = nested_subsets(opened, SHARES, 17)
    assert [len(part) for part in parts] == [8, 16, 32, 64, 128]
    for smaller, larger in pairwise(parts):
        assert smaller < larger
    for part in parts:
        chosen = frame.filter(pl.col("id").is_in(list(part)))
        assert frame.filter(pl.col("group").is_in(chosen["group"].implode())).height == len(part), "no group is divided"
        assert chosen.filter(pl.col("label") == 0).height == len(part) / 4
    assert nested_subsets(opened, SHARES, 17) == parts
    assert nested_subsets(opened, SHARES, 18)[0] != parts[0]


def test_a_part_is_a_dataset_of_its_own(dataset: Path, tmp_path: Path) -> None:
    opened = Dataset.open(dataset)
    ids = nested_subsets(opened, SHARES, 17)[1]
    part = Dataset.open(write_subset(opened, ids, tmp_path))
    assert set(part.examples("train").collect()["id"]) == ids
    assert part.examples("validation").collect().equals(opened.examples("validation").collect())
    assert part.examples("train").collect()["position"].to_list() == list(range(16))
    assert (part.manifest.splits, part.manifest.examples) == ({"train": 16, "validation": 24}, 40)
    assert part.manifest.key != opened.manifest.key
    assert write_subset(opened, sorted(ids), tmp_path) == part.path
    assert len(list(tmp_path.iterdir())) == 1


def test_a_curve_is_of_nested_runs_and_says_what_it_found(finished: SimpleNamespace, dataset: Path) -> None:
    result: CurveResult = finished.result
    assert [(point.size, point.seed) for point in result.points] == [(size, seed) for size in (8, 16, 32, 64, 128) for seed in (17, 18)]
    assert json.loads((finished.out / "curve.json").read_text(encoding="utf-8")) == result.as_json()
    assert result.as_json().keys() == {"points", "fit", "at_twice", "slices", "verdict"}
    for point in result.points:
        record = RunRecord.load(point.folder)
        assert (record.num_examples, record.seed, record.validation_loss) == (point.size, point.seed, point.validation_loss)
        assert record.num_steps == point.size // 4 and not (point.folder / "checkpoints").exists()
        assert point.metric.value == pytest.approx(point.validation_loss)
    assert [mean.value for mean in result.overall.means] == pytest.approx(
        [np.mean([point.validation_loss for point in result.points if point.size == size]) for size in (8, 16, 32, 64, 128)]
    )
    assert {name: one.rows for name, one in result.slices.items()} == {"negative": 32, "positive": 96}
    assert result.to_polars().height == 10 and "128" in result.verdict and "training examples" in result._repr_html_()


def test_a_curve_goes_on_and_trains_nothing_twice(
    finished: SimpleNamespace, dataset: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("a run was trained again"))
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"train": finished.config}), encoding="utf-8")
    code, out, error = command("curve", dataset, "--out", finished.out, "--config", config, "--json")
    assert code == 0 and json.loads(out) == finished.result.as_json()
    assert "10 runs: 8, 16, 32, 64, 128 rows, from 2 seeds." in error and "fewer rows are fewer steps" in error
    code, out, _ = command("curve", dataset, "--out", finished.out, "--config", config)
    assert code == 0 and "training examples" in out and "negative" in out


def curve(loss: Callable[[float], float], *, num_rows: int = 200, noise: float = 0.05, seed_noise: float = 0.003) -> SliceCurve:
    """A curve of made-up losses: rows that differ much, each followed through all runs."""
    generator = np.random.default_rng(5)
    own = generator.gamma(2, 0.5, num_rows)
    sizes, steps, sums = [], [], []
    for step, size in enumerate((25, 50, 100, 200, 400)):
        for _ in range(2):
            sizes.append(size)
            steps.append(step)
            sums.append(own * loss(size) + generator.normal(0, noise, num_rows) + generator.normal(0, seed_noise))
    own_mean = own.mean()
    return slice_curve(sizes, steps, Losses(np.array(sums) / own_mean, np.ones(num_rows), np.arange(num_rows)), 17)


def test_a_power_law_is_found_with_what_it_predicts() -> None:
    found = curve(lambda size: 0.3 + 2 * size**-0.5)
    assert found.fit is not None and found.at_twice is not None and found.gain_at_twice is not None and found.why_not == ""
    assert found.fit.c == pytest.approx(0.5, rel=0.2) and found.fit.r_squared > 0.99
    assert found.fit.a + found.fit.b * 800**-found.fit.c == pytest.approx(found.at_twice.value)
    assert found.at_twice.low < 0.3 + 2 * 800**-0.5 < found.at_twice.high
    gain = 2 * (400**-0.5 - 800**-0.5)
    assert found.gain_at_twice.low < gain < found.gain_at_twice.high
    assert "With twice the rows, 800, it would be about 0.37" in _overall_verdict(found)
    rare = curve(lambda size: 0.3 + 0.2 * size**-0.5)
    (said,) = _label_verdict({"a": rare, "b": found})
    assert "400 more rows of label 'b'" in said


def test_intervals_hold_what_they_should_about_as_often_as_said() -> None:
    held = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        sizes = [size for size in (25, 50, 100, 200, 400) for _ in range(2)]
        steps = [step for step in range(5) for _ in range(2)]
        own = generator.gamma(2, 0.5, 100)
        sums = np.stack([own * (0.3 + 2 * size**-0.5) + generator.normal(0, 0.01) for size in sizes])
        mean = slice_curve(sizes, steps, Losses(sums, np.ones(100), np.arange(100)), seed).means[-1]
        held += mean.low < 0.3 + 2 * 400**-0.5 < mean.high
    assert held >= 16


@pytest.mark.parametrize(
    ("loss", "more", "why"),
    [
        (lambda size: 1.0, {}, "does not fall beyond the noise"),
        (lambda size: 1 + 0.1 * np.log(size), {}, "does not fall beyond the noise"),
        (lambda size: 1.0 if size < 300 else 0.5, {}, "do not lie on a power law"),
        (lambda size: 0.3 + 2 * size**-0.5, {"num_rows": 6}, "6 independent validation rows"),
        (lambda size: 1.5 - 0.1 * np.log2(size / 25) - 0.1 * (size > 300), {}, "foresee"),
    ],
)
def test_where_points_bear_no_power_law_there_is_no_prediction(loss: Callable[[float], float], more: dict[str, Any], why: str) -> None:
    found = curve(loss, **more)
    assert (found.fit, found.at_twice, found.gain_at_twice) == (None, None, None)
    assert why in found.why_not and f"No prediction: {found.why_not}." in _overall_verdict(found)
    assert not list(_label_verdict({"a": found}))


def test_what_makes_no_curve_is_refused_before_training(
    dataset: Path, tmp_path: Path, options: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.curve.train", lambda *_, **__: pytest.fail("a run was trained"))
    with pytest.raises(UserError, match="4 sizes do not show the shape"):
        learning_curve(dataset, tmp_path / "out", options(), sizes=4)
    with pytest.raises(UserError, match="equal epochs"):
        learning_curve(dataset, tmp_path / "out", options(max_steps=5))
    with pytest.raises(UserError, match="validation split"):
        learning_curve(dataset, tmp_path / "out", options(validation=False))
    few = write_dataset(tmp_path / "few", rows(16))
    with pytest.raises(UserError, match="16 training rows are too few for 5 sizes"):
        learning_curve(few, tmp_path / "out", options())
    with pytest.raises(UserError, match="no part of a curve"):
        learning_curve(dataset, few, options())
    assert not (tmp_path / "out").exists()
