"""Which checkpoint a run keeps, when it stops early, and which checkpoints stay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from loopwright.errors import UserError
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.engine.best import Best, LossScorer
from train.engine.passes import Passes
from train.engine.validation import ValidationScores
from train.run import train

Options = Callable[..., TrainConfig]


def example(number: int, normalizer: float = 1.0, group: str = "") -> TrainingExample:
    return TrainingExample(f"row{number}", f"row{number}", "rows:1", (), normalizer, group or f"row{number}")


def test_a_later_checkpoint_is_worse_only_beyond_the_noise() -> None:
    by = LossScorer([example(number) for number in range(8)])
    first = [1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.0]
    noisy = [loss + (0.5 if number % 2 else -0.45) for number, loss in enumerate(first)]  # worse by 0.025 on average, either way by row
    worse = [loss + 0.3 + number / 100 for number, loss in enumerate(first)]
    best = Best.first(1, first, first).after(2, noisy, noisy, by)
    assert (best.step, best.leader, best.scores, best.own, best.losses, best.num_worse) == (2, 1, first, noisy, noisy, 0)
    best = best.after(3, worse, worse, by)
    assert (best.step, best.leader, best.num_worse) == (2, 1, 1)
    assert best.after(4, worse, worse, by).num_worse == 2
    assert best.own == best.losses == noisy
    better = [loss - 0.1 for loss in first]
    assert best.after(4, better, better, by) == Best.first(4, better, better)


def test_the_interval_is_that_of_a_ratio_over_groups() -> None:
    from scipy.stats import t

    by = LossScorer([example(0), example(1), example(2)])
    found = by.gain([1.0, 1.0, 1.0], [1.1, 1.2, 1.6])
    error = ((0.2**2 + 0.1**2 + 0.3**2) * 3 / 2) ** 0.5 / 3  # of differences 0.1, 0.2, 0.6 with mean 0.3: the usual standard error
    spread = t.ppf(0.975, 2) * error
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3 - spread, 0.3 + spread))
    # Tokens weigh: 3 tokens that lose 0.6 in all, and 1 that loses 0.4, are 0.25 a token.
    assert LossScorer([example(0, 3.0), example(1, 1.0)]).value([0.6, 0.4]).value == pytest.approx(0.25)
    # Rows of a group are one piece of evidence: of a single group nothing can be said.
    alone = LossScorer([example(number, group="same") for number in range(3)]).gain([1.0, 1.0, 1.0], [0.1, 0.1, 0.1])
    assert (alone.low, alone.high) == (None, None)


@pytest.fixture
def overfitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each validation after the second finds every row worse than before; the pass before the first step is none of them."""
    real = Passes.row_losses
    asked: list[Passes] = []

    def rising(self: Passes, examples: list[TrainingExample]) -> list[float]:
        done = sum(one is self for one in asked)
        asked.append(self)
        return [loss * (1.0 + max(0, done - 2) / 2 + number / 1000) for number, loss in enumerate(real(self, examples))]

    monkeypatch.setattr(Passes, "row_losses", rising)


def steps_in(run_dir: Path) -> list[int]:
    folder = run_dir / "checkpoints"
    return sorted(int(path.name.removeprefix("step-")) for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_a_run_saves_is_its_best_checkpoint(
    method: str, overfitting: None, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    config = options(method=method, epochs=5)  # 15 steps, 3 an epoch
    record = train(dataset_dir, tmp_path / "best", config)
    last = train(dataset_dir, tmp_path / "last", options(method=method, epochs=5, best="last"))
    assert (record.best_step, record.num_steps) == (6, 15)
    assert record.validation_loss == dict(record.validation_losses)[6] < record.validation_losses[-1][1]
    assert "Step 6 is the best by validation_loss" in record.summary(tmp_path / "best")
    assert (last.best_step, last.validation_loss) == (15, last.validation_losses[-1][1])
    assert steps_in(tmp_path / "best") == [6, 7]
    assert steps_in(tmp_path / "last") == [7, 15]
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    found = ValidationScores.load(tmp_path / "best")
    assert found.step == 6
    assert found.by_loss().value(found.losses).value == pytest.approx(record.validation_loss)
    saved, kept = load_file(tmp_path / "best" / name), load_file(tmp_path / "best" / "checkpoints" / "step-6" / "tensors.safetensors")
    for key, value in kept.items():
        if key.startswith("adapter/"):
            own = key.removeprefix("adapter/").replace(".default.", ".")
            assert (saved[own] == value).all(), key
    assert (tmp_path / "best" / name).read_bytes() != (tmp_path / "last" / name).read_bytes()


def test_a_run_stops_early_and_says_how_far_it_went(overfitting: None, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(epochs=9, early_stopping=2, keep_checkpoints=["best", 2, 3]))
    assert (record.best_step, record.num_steps, len(record.validation_losses)) == (6, 12, 4)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 12
    assert steps_in(tmp_path / "run") == [2, 3, 6]
    import polars as pl

    assert pl.read_parquet(tmp_path / "run" / "ledger.parquet")["step"].max() == 12


def test_no_checkpoint_stays_that_is_not_asked_for(overfitting: None, dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(epochs=5, keep_checkpoints=[]))
    assert record.best_step == 6
    assert not (tmp_path / "run" / "checkpoints").exists()
    train(dataset_dir, tmp_path / "half", options(epochs=5, keep_checkpoints=["half"]))
    assert steps_in(tmp_path / "half") == [7]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_while_its_files_are_written_a_run_is_finished_from_the_best(
    method: str, overfitting: None, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    config = options(method=method, epochs=5, keep_checkpoints=[])
    whole = train(dataset_dir, tmp_path / "whole", config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.runs.record.RunRecord.save", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            train(dataset_dir, tmp_path / "killed", config)
    record = train(dataset_dir, tmp_path / "killed", config, resume=True)
    assert record.best_step == whole.best_step == 6
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "killed").iterdir()) and "checkpoints" not in names
    for name in {*names} - {"run.json", "metrics.jsonl", "report.html"}:  # these say how fast it was
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_run_without_validation_keeps_its_last_checkpoint(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(validation=False))
    assert (record.best_step, record.validation_loss) == (6, None)
    assert steps_in(tmp_path / "run") == [3, 6]
    for changes in ({"early_stopping": 1}, {"best": "accuracy"}):
        with pytest.raises(UserError, match="there are no validation rows"):
            train(dataset_dir, tmp_path / "other", options(validation=False, **changes))
    with pytest.raises(UserError, match=r"early_stopping.*best: last"):
        train(dataset_dir, tmp_path / "other", options(best="last", early_stopping=1))


def test_from_a_kept_checkpoint_a_run_goes_on_as_it_did(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    config: Any = options(epochs=3)
    train(dataset_dir, tmp_path / "run", config)
    (tmp_path / "again").mkdir()
    (tmp_path / "run" / "checkpoints" / "step-4").rename(tmp_path / "again" / "checkpoint")
    train(dataset_dir, tmp_path / "again", config, resume=True)
    for name in ("adapter_model.safetensors", "ledger.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    steps = [json.loads(line)["step"] for line in (tmp_path / "again" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == [5, 6, 7, 8, 9]
