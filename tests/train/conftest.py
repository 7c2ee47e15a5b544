"""Fixtures of the trainer's tests: one small dataset, options for the tiny model, and one finished run."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import review, write_dataset
from tests.train.masked import KINDS, write_model
from train.cli.app import main
from train.config import TrainConfig
from train.runs.record import RunRecord

Command = Callable[..., tuple[int, str, str]]
_GOOD = ["The soup was great", "The waiter was great, and the soup", "great bill", "A great replacement for the soup and the bill"]
_BAD = ["The waiter was slow", "The bill was wrong and the soup was slow", "slow soup", "wrong order, wrong bill, slow waiter"]


def reviews(num_train: int = 11, num_validation: int = 3) -> list[dict[str, Any]]:
    """Reviews of unlike lengths, both labels, with a last step that is smaller than the others."""
    texts = [(text, label) for pair in zip(_GOOD, _BAD, strict=True) for label, text in ((1, pair[0]), (0, pair[1]))]
    rows = []
    for index in range(num_train + num_validation):
        text, label = texts[index % len(texts)]
        rows.append(review(f"{text} {'again ' * (index // len(texts))}", label, split="train" if index < num_train else "validation"))
    return rows


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """A tiny model gains nothing from a second thread, which beside a busy process waits for its turn in every product."""
    import torch

    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OMP_NUM_THREADS", "1")  # for `use_physical_cores`, and for subprocesses
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "reviews", reviews())


@pytest.fixture(scope="session")
def masked_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random masked language model of each family, in a folder."""
    return {kind: write_model(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture
def options(tiny_model_dir: Path) -> Callable[..., TrainConfig]:
    """Makes options for the tiny model, in float32; the small dataset repeats its rows across splits."""

    def make(**changes: Any) -> TrainConfig:
        defaults = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "learning_rate": 1e-2, "epochs": 2, "leaks": "allow"}
        return TrainConfig.model_validate({**defaults, **changes})

    return make


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path, dataset_dir: Path) -> tuple[Path, RunRecord]:
    """A run of three epochs with dropout, that learns something."""
    from train.run import train

    run_dir = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig.model_validate(
        {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "learning_rate": 2e-2, "epochs": 3, "lora": {"dropout": 0.1}}
        | {"leaks": "allow"}
    )
    return run_dir, train(dataset_dir, run_dir, config)


def without_proofs(patch: pytest.MonkeyPatch) -> None:
    """Lets runs end without their proofs, which take longer than they do, for tests of what comes behind."""
    patch.setattr("train.session.FreshProcess", nullcontext)
    patch.setattr("train.session.prove_at_end", lambda *_, **__: (None, {}))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `train` with some arguments; returns exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["train", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run
