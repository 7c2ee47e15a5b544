"""A run that goes on from another one's checkpoint: with no change to the same bytes, with one where and only where it was asked for."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import train as trainer_package
from loopwright.errors import UserError
from tests.train import several
from tests.train.objectives.judged import write_judged
from tests.train.test_several_sequences import fresh_model, gradient_of, load, make_trainer
from train import RowChanges
from train.branch import branch_run
from train.config import TrainConfig
from train.data.branch import BranchOrder
from train.data.examples import TrainingExample
from train.data.order import StepOrder
from train.objectives.chat import Chat
from train.run import train
from train.runs.folder import kept_steps
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]


def test_with_no_change_a_branch_comes_to_the_bytes_of_the_run(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, tmp_path: Path
) -> None:
    run_dir, record = finished_run
    step = kept_steps(run_dir)[0]
    assert 0 < step < record.num_steps
    result = trainer_package.branch_run(run_dir, step, out=tmp_path / "branch")
    for name in ("adapter_model.safetensors", "ledger.parquet", "validation.json"):
        assert (tmp_path / "branch" / name).read_bytes() == (run_dir / name).read_bytes(), name
    steps = [json.loads(line)["step"] for line in (tmp_path / "branch" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == list(range(1, record.num_steps + 1))
    assert result.record.branch is not None and not result.record.branch.is_changed
    assert (result.record.branch.step, result.record.num_tokens) == (step, record.num_tokens)
    proofs = trainer_package.verify_run(tmp_path / "branch", dataset_dir)
    assert {name for name, proof in proofs.items() if proof.passed is False} == set()
    again = trainer_package.branch_run(run_dir, step, out=tmp_path / "branch", resume=True)
    assert again.record == result.record


@pytest.mark.parametrize("objective", ["preference", "unpaired"])
def test_what_is_compared_with_the_model_at_the_start_is_so_in_a_branch(objective: str, tmp_path: Path, options: Options) -> None:
    dataset = write_judged(tmp_path / "data") if objective == "unpaired" else several.write_rows(tmp_path / "data")
    train(dataset, tmp_path / "run", options(objective=objective, epochs=1))
    step = kept_steps(tmp_path / "run")[0]
    branch_run(tmp_path / "run", step, RowChanges(), tmp_path / "branch")
    for name in ("adapter_model.safetensors", "ledger.parquet"):
        assert (tmp_path / "branch" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_rows_change_from_the_checkpoint_on_and_the_others_keep_their_steps(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    train(dataset_dir, tmp_path / "run", options(epochs=3))
    step = kept_steps(tmp_path / "run")[0]
    before = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    later = before.filter(pl.col("step") > step)
    gone, flipped, heavy = later.filter(pl.col("epoch") == 3)["id"].to_list()[:3]
    row = pl.read_parquet(dataset_dir / "examples.parquet").filter(pl.col("id") == flipped).row(0, named=True)
    new: dict[str, Any] = {"messages": [{"role": "user", "content": "cold soup"}, {"role": "assistant", "content": "negative"}]}
    answer = "negative" if row["messages"][-1]["content"] == "positive" else "positive"
    changes = RowChanges(frozenset([gone]), {flipped: answer}, {heavy: 3.0}, [new])
    result = trainer_package.branch_run(tmp_path / "run", step, changes, out=tmp_path / "branch")
    ledger = pl.read_parquet(tmp_path / "branch" / "ledger.parquet")
    key = ["id", "epoch", "step"]
    assert ledger.filter(pl.col("step") <= step).select(*key, "loss").equals(before.filter(pl.col("step") <= step).select(*key, "loss"))
    new_steps, old_steps = (frame.filter(pl.col("step") > step).select(key) for frame in (ledger, before))
    assert new_steps.filter(pl.col("id") != "added-0").equals(old_steps.filter(pl.col("id") != gone))
    first = later["epoch"].to_list()[0]
    assert new_steps.filter(pl.col("id") == "added-0")["epoch"].to_list() == list(range(first, 4))
    branch = result.record.branch
    assert branch is not None
    assert (branch.num_dropped, branch.num_relabelled, branch.num_weighted, branch.num_added) == (1, 1, 1, 1)
    assert result.record.num_steps == 9
    assert result.record.proofs["trained_answers"].passed == "not applicable"
    assert result.failed_proofs == {}
    assert trainer_package.verify_run(tmp_path / "branch", dataset_dir)["first_steps"].passed is True


def test_a_weight_counts_as_so_many_copies(dataset_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    for normalize in ("token", "example"):
        objective = Chat(options(normalize=normalize))
        data = load(dataset_dir, objective, tiny_model_dir)
        model = fresh_model(tiny_model_dir, objective.config, scale=0.1)
        trainer = make_trainer(model, objective, data)
        found = []
        first, second, *_ = data.train
        for examples in ([replace(first, weight=2.0), second], [first, replace(first, id="copy"), second]):
            model.zero_grad()
            found.append((trainer.passes.accumulate(examples).item(), gradient_of(model).clone()))
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
        assert torch.allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def order_of(num_rows: int, config: TrainConfig, step: int, changed: list[str], seed: int) -> BranchOrder:
    def example(name: str) -> TrainingExample:
        return TrainingExample(name, name, "", (), 1.0)

    before = StepOrder.of([example(f"row{number}") for number in range(num_rows)], config)
    return BranchOrder(before, step, [example(name) for name in changed], seed)


@pytest.mark.parametrize("seed", [17, 18])
@pytest.mark.parametrize("step", [0, 1, 2, 3, 5])
def test_every_row_has_its_turn_once_an_epoch(step: int, seed: int, options: Options) -> None:
    config = options(batch_size=4, epochs=3)
    rows = [f"row{number}" for number in range(10)]
    order = order_of(10, config, step, [name for name in rows if name != "row4"] + ["new0", "new1"], seed)
    for epoch in range(3):
        steps = [[example.id for example in order[epoch * 3 + index]] for index in range(3)]
        done = max(0, min(3, step - epoch * 3))
        before, after = ([name for names in part for name in names] for part in (steps[:done], steps[done:]))
        assert len({*before, *after}) == len(before) + len(after)
        assert {*before, *after} - {"row4", "new0", "new1"} == {*rows} - {"row4"}
        assert not {*before} & {"new0", "new1"} and "row4" not in after
        assert done == 3 or {"new0", "new1"} <= {*after}
    unchanged = order_of(10, config, step, rows, 17)
    assert [[one.id for one in unchanged[index]] for index in range(9)] == [
        [one.id for one in unchanged.before[index]] for index in range(9)
    ]


def test_a_step_whose_rows_are_all_dropped_changes_nothing(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    train(dataset_dir, tmp_path / "run", options(batch_size=1, epochs=1, validation=False))
    before = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    last = before.filter(pl.col("step") == 11)["row_id"].item()
    record = branch_run(tmp_path / "run", 5, RowChanges(dropped=frozenset([last])), tmp_path / "branch")
    assert pl.read_parquet(tmp_path / "branch" / "ledger.parquet").height == before.height - 1
    assert record.num_steps == 11


def test_what_does_not_fit_is_refused(finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    run_dir, _ = finished_run
    step = kept_steps(run_dir)[0]
    refused: list[tuple[RowChanges, str]] = [
        (RowChanges(dropped=frozenset(["nobody"])), "no row 'nobody'"),
        (RowChanges(relabelled={"row0": "excellent"}), "'excellent' is no choice"),
        (RowChanges(added=[{"id": "row0", "messages": []}]), "has the id of another row"),
        (RowChanges(added=[{"messages": [{"role": "user", "content": "soup"}]}]), "no trained token|no assistant|cannot be trained on"),
    ]
    for changes, message in refused:
        with pytest.raises(UserError, match=message):
            branch_run(run_dir, step, changes, tmp_path / "branch")
        assert not (tmp_path / "branch").exists()
    with pytest.raises(UserError, match="keeps no checkpoint of step 999"):
        branch_run(run_dir, 999, RowChanges(), tmp_path / "branch")
    with pytest.raises(UserError, match="weight of 'row0' is 0"):
        RowChanges(weights={"row0": 0.0})
    with pytest.raises(UserError, match="no column 'message'"):
        RowChanges(added=[{"message": []}])
