"""The same thing from several seeds: a whole run each, of which the median stands for them all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from loopwright.errors import UserError
from train.api import train as call
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.inference.language_model import LanguageModel
from train.models.load import Model
from train.models.quantize import load_for_training
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_seed_is_a_whole_run_and_the_median_stands_for_them(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_loaded = 0

    def counting(*given: Any, **options: Any) -> Model:
        nonlocal num_loaded
        num_loaded += 1
        return load_for_training(*given, **options)

    monkeypatch.setattr("train.session.load_for_training", counting)
    record = train(dataset_dir, tmp_path / "run", options(seeds=3, seed=5))
    assert names(tmp_path / "run") == ["report.html", "run.json", "seed-5", "seed-6", "seed-7"]
    assert RunRecord.load(tmp_path / "run") == record
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(
        f'<a href="seed-{seed}/report.html">' in page and (tmp_path / "run" / f"seed-{seed}" / "report.html").is_file()
        for seed in (5, 6, 7)
    )
    assert page.count("<polyline") == 6 and f"Seed {record.seed} has the median loss" in page
    assert record.seeds == json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["seeds"] == [5, 6, 7]
    losses = {seed: RunRecord.load(tmp_path / "run" / f"seed-{seed}").validation_loss for seed in (5, 6, 7)}
    assert len(set(losses.values())) == 3
    assert record.validation_loss == losses[record.seed] == sorted(value for value in losses.values() if value is not None)[1]
    assert f"Seed {record.seed} of 5, 6, 7 has the median loss" in record.summary(tmp_path / "run")
    assert num_loaded == 1
    alone = train(dataset_dir, tmp_path / "alone", options(seed=6))
    assert alone.seeds is None
    for name in ("adapter_model.safetensors", "ledger.parquet"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "run" / "seed-6" / name).read_bytes()


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_run_is_used_as_its_median(method: str, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    result = call(dataset_dir, tmp_path / "run", options(method=method, seeds=3, learning_rate=3e-3))
    chosen = tmp_path / "run" / f"seed-{result.record.seed}"
    ids = torch.arange(3, 23)[None]
    model = LanguageModel(options().model, "float32", {"run": tmp_path / "run", "one": chosen})
    said = []
    with torch.no_grad():
        for name in ("run", "one", None):
            with model.with_adapter(name) as used:
                said.append(used(input_ids=ids).logits)
    assert torch.equal(said[0], said[1]) and not torch.equal(said[0], said[2])
    assert result.to_polars()["step"].max() == result.record.num_steps
    assert Comparison.load(tmp_path / "run", max_new_tokens=4).ask("The soup was great").tuned is not None


def test_seeds_are_resumed_added_and_replaced(dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = tmp_path / "run"
    two = train(dataset_dir, run_dir, options(seeds=2, seed=5))
    with pytest.raises(UserError, match="holds a finished run"):
        train(dataset_dir, run_dir, options(seeds=2, seed=5))
    (run_dir / "run.json").unlink()
    with pytest.raises(UserError, match="holds an unfinished run"):
        train(dataset_dir, run_dir, options(seeds=2, seed=5))
    before = (run_dir / "seed-5" / "run.json").stat().st_mtime_ns
    assert train(dataset_dir, run_dir, options(seeds=2, seed=5), resume=True) == two
    assert train(dataset_dir, run_dir, options(seeds=3, seed=5), resume=True).seeds == [5, 6, 7]
    assert (run_dir / "seed-5" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"another run: config.learning_rate was 0.01, is 0.1"):
        train(dataset_dir, run_dir, options(seeds=3, seed=5, learning_rate=0.1), resume=True)
    with pytest.raises(UserError, match=r"another run: .*config.seeds was 3, is 1"):
        train(dataset_dir, run_dir, options(seed=5), resume=True)
    assert train(dataset_dir, run_dir, options(seed=5), overwrite=True).seeds is None
    assert not [name for name in names(run_dir) if name.startswith("seed-")]
    with pytest.raises(UserError, match="the folder holds a run of one seed"):
        train(dataset_dir, run_dir, options(seeds=2, seed=5), resume=True)


def test_evals_takes_the_run_as_one_system_and_each_of_its_seeds(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    from evals.api import evaluate

    run_dir: Any = tmp_path / "run"
    record = train(dataset_dir, run_dir, options(seeds=2))
    systems = [f"adapter:{run_dir}", f"adapter:{run_dir / 'seed-17'}", f"adapter:{run_dir / 'seed-18'}"]
    result = evaluate(dataset_dir, tmp_path / "evals", systems=systems, metrics=["nll", "accuracy"], dtype="float32")
    for metric in ("nll", "accuracy"):
        mean, first, second = (result.report.systems[name].metrics[metric].value for name in systems)
        assert mean is not None and first is not None and second is not None
        assert mean == pytest.approx((first + second) / 2)
    assert any("means of its seeds 17, 18" in note for note in result.report.notes)
    predictions = result.predictions()
    whole, *alone = (predictions.filter(pl.col("system") == name) for name in systems)
    assert whole["seed"].to_list()[::2] == [record.seed] * (len(whole) // 2), "that of the median loss comes first"
    for seed, one in zip((17, 18), alone, strict=True):
        of_seed = whole.filter(pl.col("seed") == seed)
        assert of_seed.select("id", "choice_loglikelihoods", "scores").equals(one.select("id", "choice_loglikelihoods", "scores"))
        assert one["seed"].is_null().all()
