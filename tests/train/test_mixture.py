"""One run on several datasets: each by its share, measured apart, resumed to the same bytes, and proven."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from tests.helpers import summary, write_dataset
from tests.train.conftest import Command, reviews
from train.api import train, verify_run
from train.config import TrainConfig
from train.proofs.short_runs import FewRows
from train.runs.proof import failed_proofs
from train.runs.record import RunRecord

_ORDERS = ["a replacement", "the bill", "a late waiter", "wrong soup", "the order number"]

# Dies in step 11 (from 0) of 7 an epoch; the checkpoint is of step 8.
_DIES = """
import os, signal
from train.cli.app import main
from train.engine import loop
step = loop.Trainer._step
def dying(self, number, *rest):
    if number == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, *rest)
loop.Trainer._step = dying
main()
"""


def orders(num_train: int = 3, num_validation: int = 2) -> list[dict[str, Any]]:
    splits = ["train"] * num_train + ["validation"] * num_validation
    return [summary(f"The customer wants {_ORDERS[place]}.", "order", split=split) for place, split in enumerate(splits)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets whose examples have the same ids, side by side."""
    root = tmp_path_factory.mktemp("mixed")
    write_dataset(root / "reviews", reviews(), key="a" * 32)
    write_dataset(root / "orders", orders(), key="b" * 32)
    write_dataset(root / "empty", [summary("Nothing to train", "here", split="test")], key="c" * 32)
    return root


@pytest.fixture(scope="module")
def config(folder: Path, tiny_model_dir: Path) -> Path:
    section = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 2, "epochs": 3, "learning_rate": 1e-2, "leaks": "allow"}
    section |= {"checkpoint_every": 4, "lora": {"dropout": 0.1}}
    mixture = {"datasets": {"reviews": {"path": "reviews", "weight": 1}, "orders": {"path": "orders", "weight": 1}}, "epoch_size": 13}
    path = folder / "mix.yaml"
    path.write_text(json.dumps({"train": section, "mixture": mixture}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(folder: Path, config: Path) -> tuple[Path, RunRecord]:
    result = train(out=folder / "runs" / "whole", config=config)
    return result.out, result.record


def test_a_run_records_what_it_drew_and_measures_each_dataset(run: tuple[Path, RunRecord], folder: Path) -> None:
    run_dir, record = run
    assert record.mixture is not None and record.mixture.epoch_size == 13
    reviews_part, orders_part = record.mixture.datasets["reviews"], record.mixture.datasets["orders"]
    assert (reviews_part.per_epoch, orders_part.per_epoch) == (6, 7)
    assert (reviews_part.drawn, orders_part.drawn) == (18, 21)
    assert (orders_part.num_examples, orders_part.num_validation_examples, orders_part.key) == (3, 2, "b" * 32)
    assert record.num_examples == 14 and record.num_steps == 21
    ledger = pl.read_parquet(run_dir / "ledger.parquet")
    assert Counter(ledger["dataset"].to_list()) == {"reviews": 18, "orders": 21}
    assert set(ledger.filter(dataset="orders")["id"]) == {f"row{number}/reviews/sentiment/0" for number in range(3)}
    assert ledger["num_trained_tokens"].sum() == record.num_trained_tokens
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    measured = [(line["step"], line["validation_by_task"]) for line in lines if "validation_loss" in line]
    assert measured == record.validation_by_task and [step for step, _ in measured] == [7, 14, 21]
    validation = json.loads((run_dir / "validation.json").read_text(encoding="utf-8"))
    own = [place for place, id_ in enumerate(validation["ids"]) if id_.startswith("orders/")]
    expected = sum(validation["losses"][place] for place in own) / sum(validation["weights"][place] for place in own)
    assert dict(record.validation_by_task)[validation["step"]]["orders"] == pytest.approx(expected)
    told = f"orders: 21 drawn from 3 examples (53.8% of an epoch), validation {record.validation_by_task[-1][1]['orders']:.4f}"
    assert record.best_step != 21 or told in record.summary(run_dir)
    assert "orders: 21 drawn from 3 examples" in record.summary(run_dir)
    assert record.was_trained_on("a" * 32) and record.was_trained_on("b" * 32) and not record.was_trained_on("c" * 32)
    assert not failed_proofs(record.proofs)


def test_a_run_is_verified_with_all_of_its_datasets(run: tuple[Path, RunRecord], folder: Path, command: Command) -> None:
    code, out, err = command("verify", run[0], "--dataset", folder / "orders", "--dataset", folder / "reviews", "--json")
    assert code == 0, err
    proofs = json.loads(out)["proofs"]
    assert proofs["first_steps"]["passed"] is True and proofs["trained_answers"]["passed"] is True
    with pytest.raises(UserError, match="trained on 'reviews' too"):
        verify_run(run[0], folder / "orders")
    assert verify_run(run[0])["first_steps"].passed == "not applicable"


def test_killed_in_the_middle_of_an_epoch_a_run_goes_on_to_the_same_bytes(
    run: tuple[Path, RunRecord], config: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.proofs.at_end.show_effects", lambda *_: "they were shown of the whole run")
    killed = tmp_path / "killed"
    arguments = ["run", "--config", str(config), "--out", str(killed)]
    done = subprocess.run(
        [sys.executable, "-c", _DIES, *arguments], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert json.loads((killed / "checkpoint" / "state.json").read_text(encoding="utf-8"))["progress"]["num_steps"] == 10
    code, out, err = command(*arguments, "--resume", "--json")
    assert code == 0, err
    assert json.loads(out)["validation_by_task"] == json.loads((run[0] / "run.json").read_text(encoding="utf-8"))["validation_by_task"]
    for name in ("adapter_model.safetensors", "ledger.parquet", "validation.json"):
        assert (killed / name).read_bytes() == (run[0] / name).read_bytes(), name
    code, _, err = command(*arguments, "--resume")
    assert code == 0 and "finished already" in err


def test_another_mixture_does_not_go_on_with_the_run(run: tuple[Path, RunRecord], folder: Path, config: Path) -> None:
    weights = {"reviews": {"path": str(folder / "reviews"), "weight": 2}, "orders": {"path": str(folder / "orders"), "weight": 1}}
    with pytest.raises(UserError, match=r"mixture\.orders\.per_epoch was 7, is 4"):
        train(out=run[0], config=config, mixture={"datasets": weights, "epoch_size": 13}, resume=True)


@pytest.mark.parametrize(
    ("mixture", "told"),
    [
        ({}, "'datasets' is missing"),
        ({"datasets": {}}, "It must not be empty"),
        ({"datasets": {"reviews": "reviews"}, "weights": 1}, "unknown key 'weights'"),
        ({"datasets": {"reviews": {"path": "reviews", "weigth": 1}}}, "Did you mean 'weight'"),
        ({"datasets": {"a b": "reviews"}}, "The name 'a b' is not fit"),
        ({"datasets": {"../a": "reviews"}}, "is not fit"),
        ({"datasets": {"a": {"path": "reviews", "weight": 1}, "b": "orders"}}, "Give a weight to each dataset"),
        ({"datasets": {"a": {"path": "reviews", "weight": 1}}, "temperature": 2}, "exclude each other"),
        ({"datasets": {"a": {"path": "reviews", "weight": 0}}}, "weight"),
        ({"datasets": {"a": "reviews"}, "temperature": 0.5}, "temperature"),
        ({"datasets": {"a": "nowhere"}}, "no such dataset folder"),
        ({"datasets": {"a": "reviews", "b": "./orders/../reviews"}}, "'a' and 'b' are the same folder"),
        ({"datasets": {"a": {"path": "reviews", "weight": 1e9}, "b": {"path": "orders", "weight": 1}}}, "the share of 'b' is 1e-09"),
        ({"datasets": {"a": {"path": "reviews", "weight": 1}, "b": {"path": "orders", "weight": 9}}}, "would come twice in a step"),
        ({"datasets": {"a": "reviews", "b": "empty"}}, "'b' has no example that the run could train on"),
    ],
)
def test_what_is_wrong_with_a_mixture_is_said_before_anything_is_written(
    mixture: dict[str, Any], told: str, config: Path, tmp_path: Path, command: Command
) -> None:
    path = config.parent / "wrong.yaml"
    path.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "mixture": mixture}), encoding="utf-8")
    code, _, err = command("run", "--config", path, "--out", tmp_path / "out", "--batch-size", "4")
    assert code == 2 and told in " ".join(err.split()), err
    assert not (tmp_path / "out").exists()


def test_a_run_is_on_a_dataset_or_on_a_mixture(folder: Path, config: Path, tmp_path: Path, command: Command) -> None:
    code, _, err = command("run", folder / "reviews", "--config", config, "--out", tmp_path / "out")
    assert code == 2 and "a mixture too" in err
    code, _, err = command("run", "--out", tmp_path / "out")
    assert code == 2 and "nothing to train on" in err
    code, _, err = command("run", "--config", config, "--out", tmp_path / "out", "--best", "accuracy")
    assert code == 2 and "one dataset, and there are several" in err
    with pytest.raises(UserError, match="no folder is named"):
        train(folder / "reviews")


def test_train_rows_that_another_dataset_evaluates_are_refused(folder: Path, options: Callable[..., TrainConfig], tmp_path: Path) -> None:
    held_out = [summary("The customer wants  THE bill.", "order", split="test"), summary("Where is my order?", "order")]
    other = write_dataset(tmp_path / "other", held_out, key="d" * 32)
    mixture = {"datasets": {"orders": str(folder / "orders"), "other": str(other)}}
    with pytest.raises(UserError) as refused:
        train(out=tmp_path / "run", config=options(leaks="refuse", epochs=1), mixture=mixture)
    assert "Rows: row1 (data.jsonl:2 of 'orders')" in str(refused.value) and "1 train row also appears" in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_few_rows_of_a_mixture_are_those_of_its_datasets(folder: Path) -> None:
    from train.data.mixture import Mixture

    whole = Mixture({name: folder / name for name in ("reviews", "orders")}).open()
    few = FewRows.of(whole, ["orders/row1/reviews/sentiment/0"])
    assert few.examples().collect()["id"].to_list() == ["orders/row1/reviews/sentiment/0"]
