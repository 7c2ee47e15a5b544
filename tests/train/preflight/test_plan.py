"""What `train plan` says is what the run does: the same tokens, steps and refusals. No time is held against a clock."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import train as library
from loopwright.errors import ExitCode, UserError
from tests.helpers import review, summary, write_dataset
from tests.train.conftest import Command
from tests.train.objectives.judged import write_judged
from tests.train.several import write_rows
from train import PlanResult, TrainConfig, plan_run
from train.data.packing import MicroBatch
from train.engine.loss import Scorer
from train.preflight.result import Estimate
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
KEYS = {
    *("minutes", "gigabytes", "num_tokens", "num_trained_tokens", "padding_share", "truncated_rows", "adapter_parameters"),
    "warnings",
}


@pytest.fixture(scope="module")
def planned(tiny_model_dir: Path, dataset_dir: Path) -> PlanResult:
    """The plan of `finished_run`."""
    config = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "epochs": 3, "lora": {"dropout": 0.1}, "leaks": "allow"}
    return plan_run(dataset_dir, config)


def test_a_plan_counts_what_the_run_counts(planned: PlanResult, finished_run: tuple[Path, RunRecord]) -> None:
    _, record = finished_run
    assert planned.num_tokens == record.num_tokens
    assert planned.num_trained_tokens == record.num_trained_tokens
    assert planned.num_steps == record.num_steps
    assert (planned.padding_share, planned.truncated_rows) == (0.0, 0)
    assert planned.adapter_parameters == 2 * 16 * (6 * 32 + 2 * (32 + 16) + 3 * (32 + 64) - 2 * 32)


def test_intervals_hold_their_values_and_parts_add_up(planned: PlanResult) -> None:
    for estimate in (planned.minutes, planned.gigabytes, planned.seconds, *planned.parts.values()):
        assert 0 < estimate.low <= estimate.value <= estimate.high
    assert sum(part.value for part in planned.parts.values()) == pytest.approx(planned.minutes.value, rel=2e-3)
    assert planned.parts["training"].value * 60 == pytest.approx(planned.seconds.value, rel=2e-3)
    assert {"reading", "loading", "training", "validation", "checkpoints", "proofs"} == set(planned.parts)
    assert {one.num_tokens for one in planned.timed} == set(planned.to_polars()["num_tokens"])
    assert len(planned.timed) >= 2 and len({one.longest for one in planned.timed}) >= 2
    assert "<table" in planned._repr_html_()


CASES: dict[str, dict[str, Any]] = {
    "a part of an epoch": {"max_steps": 2},
    "choices, which go apart": {"objective": "verbalizer", "max_steps": 4, "micro_batch_size": 3},
    "dpo": {"objective": "preference", "max_steps": 3, "micro_batch_size": 1},
    "kto": {"objective": "unpaired", "epochs": 1},
    "full": {"method": "full", "epochs": 1, "optimizer": "adafactor"},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_every_objective_is_counted_as_it_is_trained(
    changes: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.prove_at_end", lambda *_, **__: (None, {}))  # the proofs are not what is asked for
    write = {"preference": write_rows, "unpaired": write_judged}.get(changes.get("objective", ""))
    data = write(tmp_path / "data") if write else dataset_dir
    config = options(**changes)
    planned = plan_run(data, config)
    record = train(data, tmp_path / "run", config)
    assert (planned.num_tokens, planned.num_trained_tokens) == (record.num_tokens, record.num_trained_tokens)
    assert planned.num_steps == record.num_steps
    assert ("reference" in planned.parts) == (changes.get("objective") in {"preference", "unpaired"})


def test_seeds_multiply(planned: PlanResult, dataset_dir: Path, options: Options) -> None:
    three = plan_run(dataset_dir, options(epochs=3, seeds=2, lora={"dropout": 0.1}))
    assert (three.num_tokens, three.num_steps) == (2 * planned.num_tokens, 2 * planned.num_steps)
    assert three.num_trained_tokens == 2 * planned.num_trained_tokens


def test_a_plan_leaves_nothing_behind(
    dataset_dir: Path, tiny_model_dir: Path, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for folder in (dataset_dir, tiny_model_dir, tmp_path) for path in folder.rglob("*")}

    monkeypatch.chdir(tmp_path)
    before = files()
    plan_run(dataset_dir, options(max_steps=1))
    assert files() == before


def test_timing_moves_no_weight(dataset_dir: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    from train.engine.tensor_hash import hash_tensors
    from train.methods.base import trainable

    seen: list[tuple[str, str]] = []
    from train.preflight.timing import take_timings

    def watched(trainer: Any, *given: Any, **more: Any) -> Any:
        before = hash_tensors(trainable(trainer.model).values())
        timings = take_timings(trainer, *given, **more)
        seen.append((before, hash_tensors(trainable(trainer.model).values())))
        return timings

    monkeypatch.setattr("train.preflight.rehearsal.take_timings", watched)
    plan_run(dataset_dir, options(weight_decay=0.5))
    [(before, after)] = seen
    assert before == after


def test_rows_over_the_limit_are_said_and_the_rest_is_planned(dataset_dir: Path, options: Options, tmp_path: Path) -> None:
    config = options(max_length=36, epochs=1)
    planned = plan_run(dataset_dir, config)
    assert 0 < planned.truncated_rows < 14
    assert f"stop at {planned.truncated_rows} rows of more than 36 tokens" in planned.warnings[0]
    with pytest.raises(UserError):
        train(dataset_dir, tmp_path / "run", config)
    dropped = plan_run(dataset_dir, options(max_length=36, epochs=1, truncation="drop"))
    assert (dropped.truncated_rows, dropped.num_tokens) == (planned.truncated_rows, planned.num_tokens)
    assert any("of 14 rows are over the length limit, and left out" in one for one in dropped.warnings)
    record = train(dataset_dir, tmp_path / "run", options(max_length=36, epochs=1, truncation="drop"))
    assert record.num_tokens == dropped.num_tokens
    with pytest.raises(UserError, match="training examples exceed the length limit"):
        plan_run(dataset_dir, options(max_length=5))


def test_what_a_run_would_trip_over_is_warned_of(dataset_dir: Path, options: Options) -> None:
    config = options(leaks="refuse", max_steps=1, batch_size=4, early_stopping=1, best="accuracy", lora={"rank": 32}, influence=True)
    warnings = plan_run(dataset_dir, config).warnings
    for words in (
        *("also appear in validation or test", "ends the run before its first epoch does: it trains on 4 of 11 rows"),
        *("has 1 steps", "learn the answers by heart", "best: accuracy has the model answer", "may end the run sooner", "influence takes"),
    ):
        assert any(words in warning for warning in warnings), (words, warnings)
    calm = plan_run(dataset_dir, options(epochs=10, lora={"rank": 1, "targets": ["q_proj"]}))
    assert calm.warnings == []
    wide = plan_run(dataset_dir, options(batch_size=16))
    assert any("A step is 16 rows, and there are 11" in warning for warning in wide.warnings)


def test_memory_near_the_limit_is_warned_of(dataset_dir: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.preflight.advice.available_bytes", lambda: 10_000_000)
    warnings = plan_run(dataset_dir, options(max_steps=1)).warnings
    assert any("and there are 0.0" in warning and "Lower micro_batch_tokens" in warning for warning in warnings)


@pytest.mark.parametrize("most", [150, 20])
def test_where_memory_runs_out_smaller_micro_batches_are_planned(
    most: int, dataset_dir: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = Scorer.score

    def scored(self: Scorer, batch: MicroBatch) -> Any:
        if batch.input_ids.numel() > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return score(self, batch)

    monkeypatch.setattr(Scorer, "score", scored)
    if most == 20:
        with pytest.raises(UserError, match=r"data.jsonl:\d+: memory runs out on row row\d+ alone"):
            plan_run(dataset_dir, options(batch_size=8))
        return
    planned = plan_run(dataset_dir, options(batch_size=8))
    assert max(one.num_positions for one in planned.timed) <= most
    assert any("Memory ran out" in warning for warning in planned.warnings)


def test_json_is_the_contract(command: Command, dataset_dir: Path, tiny_model_dir: Path) -> None:
    given = ["--model", tiny_model_dir, "--dtype", "float32", "--max-steps", "3", "--leaks", "allow"]
    code, out, _ = command("plan", dataset_dir, *given, "--json")
    found = json.loads(out)
    assert code == ExitCode.FINE
    assert KEYS <= set(found) <= {*KEYS, "seconds", "num_steps", "parts"}
    assert set(found["minutes"]) == set(found["gigabytes"]) == {"value", "low", "high"}
    code, out, err = command("plan", dataset_dir, *given)
    assert code == ExitCode.FINE
    assert "trained parameters" in out and "memory" in out
    assert "warning: The run has 3 steps" in err


def test_what_a_run_refuses_before_its_model_is_loaded_is_refused(
    command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.models.load.load_model", None)
    empty = write_dataset(tmp_path / "empty", [review("The soup was great", 1, split="validation")])
    chats = write_dataset(tmp_path / "chats", [summary("The soup", "great")])
    model = ("--model", tiny_model_dir)
    cases: dict[tuple[Any, ...], str] = {
        (tmp_path / "none", *model): "there is no such dataset folder",
        (dataset_dir, "--model", "nowhere"): "there is no model 'nowhere'",
        (empty, *model): "the train split is empty",
        (chats, *model, "--objective", "preference"): "no training example has the preference form",
        (dataset_dir, *model, "--epochs", "0"): "'epochs' is 0",
        (dataset_dir, *model, "--method", "lroa"): "Did you mean 'lora'?",
        (dataset_dir, *model, "--loss", "dpo"): "loss",
        (dataset_dir, *model, "--best", "acuracy"): "Did you mean 'accuracy'?",
        (chats, *model, "--early-stopping", "1"): "there are no validation rows to choose a checkpoint by",
        (dataset_dir, *model, "--quantize", "nf4"): "nf4",
    }
    for arguments, message in cases.items():
        code, out, err = command("plan", *arguments, "--json")
        assert (code, out) == (ExitCode.COULD_NOT_RUN, ""), arguments
        assert message in err, arguments
        assert "Traceback" not in err


def test_durations_are_said_in_units_that_people_use() -> None:
    def said(minutes: float) -> str:
        one = Estimate(minutes, minutes, minutes)
        return PlanResult(one, one, 1, 1, 0.0, 0, 1, [], one, {}, 1).lines()[0][1].partition(" (")[0]

    assert [said(minutes) for minutes in (0.05, 0.5, 3.25, 42, 200)] == ["3.0 s", "30 s", "3.2 min", "42 min", "3 h 20 min"]


def test_the_call_is_a_public_name() -> None:
    assert {"plan_run", "PlanResult"} <= set(library.__all__)


def test_a_start_in_a_config_file_is_relative_to_the_file(
    finished_run: tuple[Path, RunRecord], dataset_dir: Path, options: Options, tmp_path: Path
) -> None:
    config = tmp_path / "plan.yaml"
    start = os.path.relpath(finished_run[0], tmp_path)
    config.write_text(json.dumps({"train": {"model": options().model, "start": start, "leaks": "allow"}}), encoding="utf-8")
    assert plan_run(dataset_dir, config, max_steps=1).num_steps == 1
