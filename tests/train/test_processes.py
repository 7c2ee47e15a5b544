"""Several processes that share a run, as torchrun starts them, come to what one process comes to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train import several
from tests.train.conftest import reviews, without_proofs
from tests.train.masked import cloze_rows
from tests.train.objectives.judged import write_judged
from train.config import TrainConfig
from train.run import train
from train.search import run_sweep
from train.world import ALONE, World

_ROOT = Path(__file__).parents[2]

# Trains what a JSON file lists, one run after the other, without proofs.
_RUNS = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
import train.session
from train.config import TrainConfig
from train.run import train as one_run
train.session.FreshProcess = nullcontext
train.session.prove_at_end = lambda *_, **__: (None, {})
for dataset, out, config in json.loads(Path(sys.argv[1]).read_text()):
    one_run(Path(dataset), Path(out), TrainConfig.model_validate(config))
"""

# The command, whose second process dies in step 5 (from 0): of a kill, or of an error of its own.
_DIES = """
import os, signal
from train.cli.app import main
from train.engine import loop
step = loop.Trainer._step
def dying(self, number, *rest):
    if number == 5 and os.environ["RANK"] == "1":
        {how}
    return step(self, number, *rest)
loop.Trainer._step = dying
main()
"""


def torchrun(program: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "program.py"
    script.write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=300)


def test_two_processes_come_to_what_one_does(
    tmp_path: Path, dataset_dir: Path, masked_dirs: dict[str, Path], options: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [{"text": f"The soup of order {index} was slow. " * (index + 1), "split": "train"} for index in range(5)]
    documents += [{"text": "The waiter was great. " * 20, "split": "validation"}]
    shared: dict[str, Any] = {"learning_rate": 1e-3, "epochs": 1}
    runs: dict[str, tuple[Path, dict[str, Any]]] = {
        # 11 examples in steps of 5: neither is a multiple of two, and the last step has one example, so that a process has none.
        "chat": (dataset_dir, {"batch_size": 5, "epochs": 2}),
        "sharded": (dataset_dir, {"batch_size": 3, "micro_batch_size": 1, "shard": True}),
        "full": (dataset_dir, {"method": "full", "normalize": "example"}),
        "preference": (several.write_rows(tmp_path / "pairs"), {"objective": "preference"}),
        "unpaired": (write_judged(tmp_path / "judged"), {"objective": "unpaired"}),
        "verbalizer": (write_dataset(tmp_path / "reviews", reviews()), {"objective": "verbalizer", "lora": {"dora": True}}),
        "completion": (
            write_dataset(tmp_path / "texts", documents),
            {"objective": "completion", "max_length": 16, "micro_batch_tokens": 60},
        ),
        "cloze": (write_dataset(tmp_path / "cloze", cloze_rows()), {"objective": "cloze", "model": str(masked_dirs["roberta"])}),
    }
    configs = {name: options(**{**shared, **changes}) for name, (_, changes) in runs.items()}
    listed = [[str(runs[name][0]), str(tmp_path / f"two-{name}"), config.model_dump(mode="json")] for name, config in configs.items()]
    (tmp_path / "runs.json").write_text(json.dumps(listed), encoding="utf-8")
    done = torchrun(_RUNS, tmp_path / "runs.json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    without_proofs(monkeypatch)
    for name, config in configs.items():
        one, two = tmp_path / f"one-{name}", tmp_path / f"two-{name}"
        expected = train(runs[name][0], one, config.model_copy(update={"shard": False}))
        found = json.loads((two / "run.json").read_text(encoding="utf-8"))
        assert found["num_processes"] == 2
        assert "num_processes" not in json.loads((one / "run.json").read_text(encoding="utf-8"))
        losses = [[loss for _, loss in record] for record in (expected.validation_losses, found["validation_losses"])]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5), name
        assert found["final_train_loss"] == pytest.approx(expected.final_train_loss, rel=1e-5), name
        assert_same_lines(one, two, name)
        assert_same_ledger(one, two, name)
        for file in one.glob("*.safetensors"):
            weights, others = load_file(file), load_file(two / file.name)
            assert weights.keys() == others.keys()
            for key, weight in weights.items():
                assert (weight - others[key]).norm() <= 1e-3 * weight.norm() + 1e-6, (name, key)


def assert_same_lines(one: Path, two: Path, name: str) -> None:
    expected, found = ([json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()] for folder in (one, two))
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    for key, limit in (("loss", 1e-5), ("grad_norm", 1e-4)):
        assert [line[key] for line in found] == pytest.approx([line[key] for line in expected], rel=limit), (name, key)


def assert_same_ledger(one: Path, two: Path, name: str) -> None:
    expected, found = (pl.read_parquet(folder / "ledger.parquet") for folder in (one, two))
    whole = ["id", "epoch", "step", "num_trained_tokens"]
    assert found.select(whole).equals(expected.select(whole)), name
    for key in ("loss", "margin"):
        assert found[key].to_list() == pytest.approx(expected[key].to_list(), rel=1e-4, abs=1e-4), (name, key)


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError('this process has its own trouble')"])
def test_a_process_that_dies_ends_all_and_the_run_goes_on_from_its_checkpoint(
    how: str, tmp_path: Path, dataset_dir: Path, options: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = options(batch_size=2, epochs=2, learning_rate=1e-3, checkpoint_every=2)
    (tmp_path / "config.yaml").write_text(json.dumps({"train": config.model_dump(mode="json")}), encoding="utf-8")
    run = "run", dataset_dir, "--out", tmp_path / "run", "--config", tmp_path / "config.yaml"
    done = torchrun(_DIES.format(how=how), *run, folder=tmp_path)
    assert done.returncode != 0
    assert "another process of the run has ended" in done.stderr or "SIGTERM" in done.stderr or "Signal 9" in done.stderr
    if "ValueError" in how:
        assert "this process has its own trouble" in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()
    without_proofs(monkeypatch)
    resumed = train(dataset_dir, tmp_path / "run", config, resume=True)  # by one process
    unbroken = train(dataset_dir, tmp_path / "unbroken", config)
    assert resumed.validation_loss == pytest.approx(unbroken.validation_loss, rel=1e-5)
    assert_same_lines(tmp_path / "unbroken", tmp_path / "run", "resumed")
    assert_same_ledger(tmp_path / "unbroken", tmp_path / "run", "resumed")


def test_the_command_speaks_once_and_proves_its_run(tmp_path: Path, dataset_dir: Path, options: Callable[..., TrainConfig]) -> None:
    config = options(epochs=1, best="accuracy", learning_rate=1e-3)
    (tmp_path / "config.yaml").write_text(json.dumps({"train": config.model_dump(mode="json")}), encoding="utf-8")
    run = "run", dataset_dir, "--out", tmp_path / "run", "--config", tmp_path / "config.yaml"
    done = torchrun("from train.cli.app import main; main()", *run, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)  # one document, not two
    assert printed == json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert {str(proof["passed"]) for proof in printed["proofs"].values()} == {"True", "not applicable"}
    assert done.stderr.count("before the first step: validation loss") == 1
    assert done.stderr.count("2 processes") == 1
    refused = torchrun("from train.cli.app import main; main()", *run, folder=tmp_path)
    assert refused.returncode != 0
    assert "the folder holds a finished run" in refused.stderr


def test_what_works_in_one_process_refuses_several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "2")
    with pytest.raises(UserError, match=r"'train sweep' works in one process, and there are 2.*Start it without torchrun"):
        run_sweep(tmp_path, tmp_path, TrainConfig(), None)  # type: ignore[arg-type]


def test_each_item_goes_to_one_process_and_their_work_is_alike() -> None:
    sizes = [300, 20, 20, 280, 150, 130, 10]
    parts = [World(rank, 2).share(sizes, lambda size: size) for rank in range(2)]
    assert sorted(parts[0] + parts[1]) == sorted(sizes)
    assert abs(sum(parts[0]) - sum(parts[1])) <= 20
    assert [World(rank, 3).share([5], lambda size: size) for rank in range(3)] == [[5], [], []]
    assert ALONE.share(sizes, lambda size: size) == sizes
