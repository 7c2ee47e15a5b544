"""What goes wrong in the middle of a run, and what is left of it: memory, Ctrl-C, a full disk, a loss that is no number."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from loopwright.errors import UserError, UserErrors
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.data.packing import MicroBatch
from train.engine.flops import _attention
from train.engine.interrupts import watching_for_interrupts
from train.engine.loss import Scorer
from train.engine.passes import Passes
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
CPU = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], list[int]]:
    """Lets a forward pass take so many tokens at most; returns the sizes of those that were tried."""

    def limit(most: int, error: Exception) -> list[int]:
        sizes: list[int] = []
        score = Scorer.score

        def scored(self: Scorer, batch: MicroBatch) -> Any:
            sizes.append(batch.input_ids.numel())
            if batch.input_ids.numel() > most:
                raise error
            return score(self, batch)

        monkeypatch.setattr(Scorer, "score", scored)
        return sizes

    return limit


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError(CPU), MemoryError()])
def test_where_memory_runs_out_micro_batches_become_smaller_and_steps_stay(
    error: Exception, dataset_dir: Path, tmp_path: Path, options: Options, little_memory: Callable[[int, Exception], list[int]]
) -> None:
    config = options(batch_size=8, normalize="example")
    whole = train(dataset_dir, tmp_path / "whole", config)
    sizes = little_memory(150, error)
    record = train(dataset_dir, tmp_path / "cut", config)
    assert record.final_train_loss == pytest.approx(whole.final_train_loss, rel=1e-5)
    assert record.validation_loss == pytest.approx(whole.validation_loss, rel=1e-5)
    assert record.num_steps == whole.num_steps
    assert whole.micro_batch_tokens is None
    assert record.micro_batch_tokens is not None and record.micro_batch_tokens <= 150
    assert max(sizes[:2]) > 150 and max(sizes[5:]) <= 150  # the very first is of the validation before training
    ledgers = [(tmp_path / name / "ledger.parquet") for name in ("whole", "cut")]
    assert pl.read_parquet(ledgers[0])["id"].to_list() == pl.read_parquet(ledgers[1])["id"].to_list()


def test_a_row_that_does_not_fit_alone_is_named(
    dataset_dir: Path, tmp_path: Path, options: Options, little_memory: Callable[[int, Exception], list[int]]
) -> None:
    little_memory(20, RuntimeError(CPU))
    with pytest.raises(UserError, match=r"data.jsonl:\d+: memory runs out on row row\d+ alone, which has \d+ tokens"):
        train(dataset_dir, tmp_path / "run", options())


def test_other_errors_are_no_lack_of_memory(
    dataset_dir: Path, tmp_path: Path, options: Options, little_memory: Callable[[int, Exception], list[int]]
) -> None:
    little_memory(20, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(dataset_dir, tmp_path / "run", options())


_INTERRUPTED = """
import os, signal
from train.cli.app import main
from train.engine import loop
from train.engine.flops import _attention
step = loop.Trainer._step
def interrupted(self, number, *rest):
    if number == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return step(self, number, *rest)
loop.Trainer._step = interrupted
main()
"""


def test_ctrl_c_writes_a_checkpoint_and_exits_with_130(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    config = options(batch_size=2, keep_checkpoints=[])
    (tmp_path / "config.yaml").write_text(json.dumps({"train": config.model_dump(mode="json", exclude_none=True)}), encoding="utf-8")
    command = [sys.executable, "-c", _INTERRUPTED, "run", str(dataset_dir), "--out", str(tmp_path / "run")]
    command += ["--config", str(tmp_path / "config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 130, done.stderr
    assert "the step is being finished and a checkpoint written" in done.stderr
    assert "--resume goes on from the last checkpoint" in " ".join(done.stderr.split())
    state = json.loads((tmp_path / "run" / "checkpoint" / "state.json").read_text(encoding="utf-8"))
    assert state["progress"]["num_steps"] == 4
    assert len((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    resumed = train(dataset_dir, tmp_path / "run", config, resume=True)
    unbroken = train(dataset_dir, tmp_path / "unbroken", config)
    assert resumed.validation_loss_before == unbroken.validation_loss_before  # of the base, not of the checkpoint
    assert unbroken.validation_loss_before not in {None, unbroken.validation_loss}
    for name in ("adapter_model.safetensors", "ledger.parquet"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()


def test_a_second_ctrl_c_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), watching_for_interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.pressed
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = os.fsync

    def full(handle: int) -> None:
        if "metrics.jsonl" in str(Path(f"/proc/self/fd/{handle}").readlink()) and os.fstat(handle).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    yield


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks the file up by its handle")
def test_a_full_disk_under_the_metrics_is_an_error_that_names_them(
    full_disk: None, dataset_dir: Path, tmp_path: Path, options: Options
) -> None:
    with pytest.raises(UserError, match=r"metrics.jsonl: cannot write: No space left on device. .* --resume"):
        train(dataset_dir, tmp_path / "run", options())
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_full_disk_under_the_weights_leaves_no_half_file(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("transformers.modeling_utils.PreTrainedModel.save_pretrained", full)
    with pytest.raises(UserError, match=r"cannot write: .*No space left on device"):
        train(dataset_dir, tmp_path / "run", options(method="full", max_steps=1))
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoint", "checkpoints", "metrics.jsonl"}
    monkeypatch.undo()
    assert train(dataset_dir, tmp_path / "run", options(method="full", max_steps=1), resume=True).num_steps == 1


def test_metrics_say_what_every_step_was(dataset_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(dataset_dir, tmp_path / "run", options(epochs=3, max_steps=8))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 7, 8]
    always = ["step", "epoch", "loss", "learning_rate", "grad_norm", "tokens_per_second"]
    assert all(list(line)[:6] == always for line in lines)
    assert [line["epoch"] for line in lines[2::3]] == [1.0, 2.0]
    assert [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line] == record.validation_losses
    assert [step for step, _ in record.validation_losses] == [3, 6, 8]
    assert lines[0]["learning_rate"] == 1e-2 and lines[-1]["learning_rate"] < 2e-3
    assert all(line["grad_norm"] > 0 and line["tokens_per_second"] > 0 for line in lines)


def test_the_curve_up_to_a_loss_that_is_no_number_is_kept(
    dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Passes._loss
    num_micro_batches = 0  # as many as steps

    def broken(self: Passes, *given: Any) -> torch.Tensor:
        nonlocal num_micro_batches
        num_micro_batches += 1
        return real(self, *given) * (float("nan") if num_micro_batches == 5 else 1.0)

    monkeypatch.setattr(Passes, "_loss", broken)
    with pytest.raises(UserErrors, match="training has diverged"):
        train(dataset_dir, tmp_path / "run", options(epochs=3))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 4
    assert all(line["loss"] is not None for line in lines[:4])


def test_what_a_run_took_is_recorded(dataset_dir: Path, tmp_path: Path, options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    record = train(dataset_dir, tmp_path / "run", options())
    said = " ".join(capsys.readouterr().err.split())
    for words in ("model", "device cpu", "dtype float32", "trained 16,384 of", "steps 3 an epoch of 4 examples, 6 in all", "tokens"):
        assert words in said, words
    assert f"{record.num_tokens:,} in all" in said
    assert record.peak_memory_bytes is not None and record.peak_memory_bytes > 1 << 20
    found = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert found["best_step"] == 6
    for name in ("best_step", "peak_memory_bytes", "flops_per_token", "micro_batch_tokens"):
        del found[name]
    (tmp_path / "run" / "run.json").write_text(json.dumps(found), encoding="utf-8")
    assert RunRecord.load(tmp_path / "run").best_step is None  # as in runs from before there was one


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of all products with a matrix of weights that torch does, by torch's own formulas; attention's are batched."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        out = function(*given, **(named or {}))
        packet = function._overloadpacket
        if packet in {torch.ops.aten.mm, torch.ops.aten.addmm}:
            count = flop_registry[packet]
            self.flops += count(*given, **(named or {}), out_val=out)
        return out


@pytest.mark.parametrize("changes", [{}, {"method": "full"}, {"method": "freeze", "freeze": {"layers": 1}}], ids=["lora", "full", "freeze"])
def test_flops_are_those_of_the_products(
    changes: dict[str, Any], dataset_dir: Path, tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but attention's, of which the unseen half is computed here, and padding."""
    products = Products()
    attention: list[float] = []
    step_gradient = Passes.step_gradient
    examples: list[TrainingExample] = []

    def counting(self: Passes, of_step: list[TrainingExample], seed: int) -> Any:
        examples.extend(of_step)
        sequences = [one for example in examples for one in example.sequences]
        lengths = [one.num_tokens for one in sequences]
        attention.append(_attention(self.model, sum(length**2 for length in lengths) / sum(lengths)))
        with products:
            return step_gradient(self, of_step, seed)

    monkeypatch.setattr(Passes, "step_gradient", counting)
    monkeypatch.setattr("train.session.prove_at_end", lambda *_, **__: (None, {}))  # the proofs do steps of their own
    record = train(dataset_dir, tmp_path / "run", options(epochs=1, validation=False, exact=True, **changes))
    assert record.flops_per_token is not None
    tolerance = 1e-6 if changes.get("method") == "full" else 0.03
    assert record.flops_per_token - attention[-1] == pytest.approx(products.flops / record.num_tokens, rel=tolerance)
    assert 0 < attention[-1] < record.flops_per_token / 2
