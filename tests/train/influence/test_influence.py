"""A run's sketches: written after training without changing it, and compared with those of other rows."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.errors import UserError
from tests.helpers import review, write_dataset
from tests.train.conftest import Command, reviews, without_proofs
from tests.train.several import write_rows
from train.api import nearest_rows, sketch_rows
from train.config import TrainConfig
from train.engine.optim import learning_rate
from train.influence.sketcher import Sketcher
from train.ledger.influence import influence_schema, prepare_influence
from train.run import train
from train.runs.folder import INFLUENCE_NAME
from train.runs.proof import failed_proofs
from train.runs.record import RunRecord

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of another dataset: one that train has, too, and one that is told the opposite of what train says."""
    (same,) = (row for row in reviews() if row["messages"][1]["content"] == "great bill ")
    rows = [{**same, "split": "test", "row_id": "copy"}, review("great bill ", 0, split="test", row_id="opposite")]
    return write_dataset(tmp_path_factory.mktemp("influence") / "others", rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset_dir: Path, finished_run: tuple[Path, RunRecord]) -> SimpleNamespace:
    """The finished run once more, killed while it sketches, and gone on with."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig.model_validate({**finished_run[1].config, "influence": {"size": 128}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sketcher, "sketch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(dataset_dir, folder, config)
    assert not (folder / "run.json").exists()
    return SimpleNamespace(folder=folder, record=train(dataset_dir, folder, config, resume=True), config=config)


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_each_training_row_is_sketched_at_each_kept_checkpoint(run: SimpleNamespace) -> None:
    frame, record = pl.read_parquet(run.folder / INFLUENCE_NAME), run.record
    assert frame.schema == influence_schema(128)
    assert [path.name for path in sorted((run.folder / "checkpoints").iterdir())] == sorted(
        f"step-{step}" for step in record.influence.steps
    )
    assert record.influence.steps == sorted({record.num_steps // 2, record.best_step})
    assert frame.height == 11 * len(record.influence.steps) and frame.select("id", "step").n_unique() == frame.height
    assert np.linalg.norm(frame["sketch"].to_numpy().astype(float), axis=1) == pytest.approx(np.ones(frame.height), abs=2e-3)
    rates = [learning_rate(step, 9, TrainConfig.model_validate(record.config)) for step in range(9)]
    half, best = record.influence.steps
    assert record.influence.learning_rates == pytest.approx([np.mean(rates[:half]), np.mean(rates[half:best])])
    assert RunRecord.load(run.folder).influence == record.influence


def test_a_run_is_the_same_with_and_without_and_may_have_them_later(
    run: SimpleNamespace, dataset_dir: Path, finished_run: tuple[Path, RunRecord], tmp_path: Path, command: Command
) -> None:
    assert '"influence": {' not in (finished_run[0] / "run.json").read_text(encoding="utf-8")
    assert (finished_run[0] / WEIGHTS).read_bytes() == (run.folder / WEIGHTS).read_bytes()
    assert not failed_proofs(run.record.proofs) and run.record.evidence.weights_hash == finished_run[1].evidence.weights_hash  # type: ignore[union-attr]
    later = copytree(finished_run[0], tmp_path / "run")
    before = {path: path.read_bytes() for path in later.rglob("*") if path.is_file() and path.name != "run.json"}
    assert not any(path.name == INFLUENCE_NAME for path in before)
    section = tmp_path / "config.yaml"
    section.write_text(f"train: {run.config.model_dump_json(exclude={'influence': True})}", encoding="utf-8")
    code, _, error = command("run", dataset_dir, "--out", later, "--config", section, "--influence", "--resume")
    assert code == 0, error
    assert "influence: 11 rows x 2 checkpoints x 512 x 2 bytes = 0.0 MB" in error
    assert {path: path.read_bytes() for path in before} == before
    assert RunRecord.load(later).influence.size == 512  # type: ignore[union-attr]
    assert train(dataset_dir, later, run.config, resume=True).influence == run.record.influence
    assert pl.read_parquet(later / INFLUENCE_NAME).equals(pl.read_parquet(run.folder / INFLUENCE_NAME))


def test_another_row_is_sketched_as_the_run_sketched_its_own(run: SimpleNamespace, dataset_dir: Path) -> None:
    same(sketch_rows(run.folder, dataset_dir, "train"), pl.read_parquet(run.folder / INFLUENCE_NAME))


def same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert found.select("id", "step").equals(expected.select("id", "step"))
    assert found["norm"].to_numpy() == pytest.approx(expected["norm"].to_numpy(), rel=1e-3)
    assert found["sketch"].to_numpy().astype(float) == pytest.approx(expected["sketch"].to_numpy().astype(float), abs=2e-3)


def test_a_copied_row_names_its_original_first(run: SimpleNamespace, others: Path) -> None:
    sketches = sketch_rows(run.folder, others, "test")
    first, second, *_ = (nearest_rows(run.folder, sketches, top=3).filter(pl.col("id").str.starts_with("copy/"))).iter_rows(named=True)
    assert (first["train_id"].split("/")[0], first["rank"], second["rank"]) == ("row4", 1, 2)
    assert first["score"] == pytest.approx(1, abs=5e-3)
    turned = nearest_rows(run.folder, sketches.reverse(), top=3)
    assert turned.sort("id", "rank").equals(nearest_rows(run.folder, sketches, top=3).sort("id", "rank")), "by id, in whatever order"
    assert second["score"] < first["score"]
    # Told the opposite, the same text is pushed away by rows that have the other label.
    against = nearest_rows(run.folder, sketches, top=2, opposing=True)
    assert against["id"].unique(maintain_order=True).to_list() == sketches["id"].unique(maintain_order=True).to_list()
    worst, next_ = against.filter(pl.col("id").str.starts_with("opposite/")).iter_rows(named=True)
    assert worst["score"] <= next_["score"] < 0
    assert all(int(one["train_id"].split("/")[0].removeprefix("row")) % 2 == 0 for one in (worst, next_)), "even rows are positive"


def test_the_dot_product_is_the_change_that_a_step_makes(run: SimpleNamespace, others: Path) -> None:
    """In nats: the mean learning rate times the inner product, summed over the checkpoints."""
    train_rows = pl.read_parquet(run.folder / INFLUENCE_NAME)
    asked = sketch_rows(run.folder, others, "test", ids=["opposite/reviews/sentiment/0"])
    found = nearest_rows(run.folder, asked, top=11, measure="dot")
    id_ = found["train_id"][4]
    expected = 0.0
    for step, rate in zip(run.record.influence.steps, run.record.influence.learning_rates, strict=True):
        one, other = (frame.filter(pl.col("step") == step) for frame in (asked, train_rows.filter(pl.col("id") == id_)))
        left, right = (frame["sketch"].to_numpy()[0].astype(float) * frame["norm"][0] for frame in (one, other))
        expected += rate * float(left @ right)
    assert found["score"][4] == pytest.approx(expected, rel=1e-3)


def test_a_row_is_compared_with_what_the_run_began_with(
    tmp_path: Path, options: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of an objective that has a reference, which the door has to ask for anew."""
    without_proofs(monkeypatch)
    pairs = write_rows(tmp_path / "pairs")
    train(pairs, tmp_path / "run", options(objective="preference", influence=True, epochs=1))
    same(sketch_rows(tmp_path / "run", pairs, "train"), pl.read_parquet(tmp_path / "run" / INFLUENCE_NAME))


def test_what_cannot_be_answered_says_why(run: SimpleNamespace, others: Path, finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    sketches = pl.read_parquet(run.folder / INFLUENCE_NAME)
    with pytest.raises(UserError, match="no sketches of its training rows"):
        nearest_rows(finished_run[0], sketches)
    with pytest.raises(UserError, match="no sketches of its training rows"):
        sketch_rows(finished_run[0], others)
    with pytest.raises(UserError, match="no rows in the split 'tset'"):
        sketch_rows(run.folder, others, "tset")
    with pytest.raises(UserError, match="'nobody' is no row of the split 'test'"):
        sketch_rows(run.folder, others, "test", ids=["nobody"])
    with pytest.raises(UserError, match="no row is asked about"):
        sketch_rows(run.folder, others, "test", ids=[])
    with pytest.raises(UserError, match="of another run"):
        nearest_rows(run.folder, sketches.filter(pl.col("step") == run.record.influence.steps[0]))
    with pytest.raises(UserError, match="of another run"):
        nearest_rows(run.folder, sketches.head(sketches.height - 1))
    with pytest.raises(UserError, match="at least one"):
        nearest_rows(run.folder, sketches, top=0)
    copytree(run.folder, tmp_path / "run")
    rmtree(tmp_path / "run" / "checkpoints" / f"step-{run.record.influence.steps[0]}")
    with pytest.raises(UserError, match="no longer there"):
        sketch_rows(tmp_path / "run", others)
    (tmp_path / "run" / INFLUENCE_NAME).write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"influence\.parquet cannot be read"):
        nearest_rows(tmp_path / "run", sketches)


def test_sketches_that_do_not_fit_are_refused_before_training(
    options: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_influence(options(influence=True, epochs=4), 1200, tmp_path / "none" / "yet")
    assert "influence: 1,200 rows x 2 checkpoints x 512 x 2 bytes = 2.5 MB" in capsys.readouterr().err
    prepare_influence(options(), 10**12, tmp_path)
    with pytest.raises(UserError, match="best one is not to"):
        prepare_influence(options(influence=True, keep_checkpoints=["half"]), 1200, tmp_path)
    with pytest.raises(UserError, match="more than a quarter of the machine's memory"):
        prepare_influence(options(influence=True), 10**12, tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    with pytest.raises(UserError, match=r"the sketches take 2\.5 MB, and 2\.0 MB are free"):
        prepare_influence(options(influence=True), 1200, tmp_path)
    prepare_influence(options(influence={"size": 64}), 1200, tmp_path)
