"""Trackers: the real libraries, offline, are told what `metrics.jsonl` holds, and the run is the same with and without them."""

import importlib.util
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import UserError
from tests.train.conftest import Command
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord
from train.trackers.base import TRACKERS, Status, TrackedRun, Tracker
from train.trackers.tracking import Tracking

REAL = {"tensorboard": "tensorboardX", "trackio": "trackio", "wandb": "wandb", "mlflow": "mlflow"}


class Rude(Tracker):
    """Leaves the random numbers elsewhere than it found them."""

    name = "rude"

    def begin(self, run: TrackedRun) -> str | None:
        self.calls = HEARD.setdefault("rude", [])
        self.calls.append(("begin", run.name, run.num_steps, run.tracked))
        return "known"

    def log(self, step: int, values: Mapping[str, float]) -> None:
        import random

        import torch

        random.seed(step)
        torch.manual_seed(step)
        print("to stdout")
        self.calls.append((step, dict(values)))

    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        self.calls.append(("end", status, dict(outcome)))


class Broken(Tracker):
    """Fails once it is told something."""

    name = "broken"

    def begin(self, run: TrackedRun) -> str | None:
        return None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        raise ConnectionError("the server is gone")

    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        HEARD.setdefault("broken", []).append(("end",))


HEARD: dict[str, list[tuple[Any, ...]]] = {}


@dataclass(frozen=True, slots=True)
class Both:
    """A run without trackers and one with them all, which was killed and gone on with."""

    plain: Path
    tracked: Path
    lines: list[dict[str, Any]]
    said: str
    mlflow_after_kill: str

    def values(self, key: str) -> dict[int, float]:
        return {line["step"]: line[key] for line in self.lines if key in line}


def installed() -> list[str]:
    return [name for name, module in REAL.items() if importlib.util.find_spec(module)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path, dataset_dir: Path) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("tracked")
    HEARD.clear()
    options = {"model": str(tiny_model_dir), "dtype": "float32", "batch_size": 4, "learning_rate": 1e-2, "epochs": 2, "leaks": "allow"}
    plain = TrainConfig.model_validate(options)
    tracked = TrainConfig.model_validate(options | {"track": [*installed(), "broken", "rude"]})
    notices: list[str] = []

    def stop(_: str, step: int, __: int | None) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for name in ("WANDB_API_KEY", "WANDB_PROJECT", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        patch.setenv("TRACKIO_DIR", str(folder / "trackio"))
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("MLFLOW_TRACKING_URI", (folder / "mlruns").as_uri())
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setattr("train.trackers.tracking.notice", lambda text, **_: notices.append(text))
        for one in (Rude, Broken):
            stack.enter_context(TRACKERS.holding(one))
        train(dataset_dir, folder / "plain", plain)
        with pytest.raises(KeyboardInterrupt):
            train(dataset_dir, folder / "run", tracked, progress=stop)
        after_kill = mlflow_run(folder)["status"] if "mlflow" in installed() else ""
        train(dataset_dir, folder / "run", tracked, resume=True)
        lines = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        yield Both(folder / "plain", folder / "run", lines, "\n".join(notices), after_kill)


def needs(name: str) -> None:
    if name not in installed():
        pytest.skip(f"{REAL[name]} is not installed")


def test_trackers_change_nothing_of_the_run(both: Both) -> None:
    for name in ("adapter_model.safetensors", "ledger.parquet", "validation.json"):
        assert (both.tracked / name).read_bytes() == (both.plain / name).read_bytes()
    plain, tracked = RunRecord.load(both.plain), RunRecord.load(both.tracked)
    assert tracked.config.pop("track") == [*installed(), "broken", "rude"] and "track" not in plain.config
    assert plain.config == tracked.config
    assert not any(proof.passed is False for proof in tracked.proofs.values())


def test_a_tracker_is_told_each_line_the_options_and_how_it_ended(both: Both) -> None:
    heard = HEARD["rude"]
    name = "/".join(both.tracked.parts[-2:])
    assert heard[0] == ("begin", name, 0, None)
    killed = next(index for index, call in enumerate(heard) if call[0] == "end")
    assert heard[killed] == ("end", Status.KILLED, {})
    assert heard[killed + 1] == ("begin", name, 3, "known")  # the last checkpoint is that of the first epoch's end
    told = {call[0]: call[1] for call in heard if isinstance(call[0], int)}
    assert set(told) == {line["step"] for line in both.lines} == set(range(1, 7))
    for line in both.lines[3:]:
        assert told[line["step"]] == {key: value for key, value in line.items() if key != "step"}
    assert "validation_loss" in told[3] and "validation_loss" in told[6]
    _, status, outcome = heard[-1]
    record = RunRecord.load(both.tracked)
    assert status is Status.FINISHED
    assert (outcome["final_train_loss"], outcome["best_step"]) == (record.final_train_loss, record.best_step)
    assert outcome["num_failed_proofs"] == 0


def test_one_that_fails_is_noted_once_a_run_and_left_out(both: Both) -> None:
    failures = [line for line in both.said.splitlines() if "'broken' failed" in line]
    assert len(failures) == 2  # of the killed run, and of the resumed one
    assert "the run goes on. (ConnectionError: the server is gone)" in failures[0]
    assert "broken" not in HEARD
    assert [line for line in both.said.splitlines() if " failed " in line] == failures


def test_tensorboard_has_the_values_and_options(both: Both) -> None:
    needs("tensorboard")
    from tensorboardX.proto.event_pb2 import Event

    losses: dict[int, float] = {}
    texts = []
    for path in sorted((both.tracked / "tracking" / "tensorboard").glob("events.*")):
        for data in records(path.read_bytes()):
            event = Event.FromString(data)
            for value in event.summary.value:
                if value.tag == "loss":
                    losses[event.step] = value.simple_value
                texts += [b"".join(value.tensor.string_val)] if value.tensor.string_val else []
    assert losses == pytest.approx(both.values("loss"), rel=1e-6)
    assert any(b"| lora.rank | 16 |" in text for text in texts) and b"finished" in texts and b"killed" in texts
    assert list((both.tracked / "tracking" / "tensorboard" / "outcome").glob("events.*"))


def records(data: bytes) -> Iterator[bytes]:
    """Yields the records of a TFRecord file: length, its checksum, the bytes, their checksum."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        yield data[12 : 12 + length]
        data = data[16 + length :]


def test_trackio_has_the_values_and_goes_on_as_the_same_run(both: Both) -> None:
    needs("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    name = "/".join(both.tracked.parts[-2:])
    assert SQLiteStorage.get_runs("loopwright") == [name]
    logs = SQLiteStorage.get_logs("loopwright", name)
    assert {line["step"]: line["loss"] for line in logs if "loss" in line} == both.values("loss")
    assert {line["step"]: line["validation_loss"] for line in logs if "validation_loss" in line} == both.values("validation_loss")
    assert [line["status"] for line in logs if "status" in line] == ["killed", "finished"]


def test_wandb_keeps_an_offline_run_and_goes_on_as_the_same_one(both: Both) -> None:
    needs("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    files = sorted((both.tracked / "tracking" / "wandb" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2 and len({path.name for path in files}) == 1  # two processes of one run
    losses: dict[int, float] = {}
    codes: list[int] = []
    options: dict[str, str] = {}
    for path in files:
        for data in logged(path.read_bytes()):
            record = Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "history":
                line = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
                if "loss" in line:
                    losses[int(line.get("_step", record.history.step.num))] = line["loss"]
            elif kind == "run":
                options |= {item.key: item.value_json for item in record.run.config.update}
            elif kind == "exit":
                codes.append(record.exit.exit_code)
    assert losses == both.values("loss")
    assert codes == [255, 0]
    assert options["lora.rank"] == "16"


def logged(data: bytes) -> Iterator[bytes]:
    """Yields the records of a log as LevelDB writes it: blocks of 32 KiB, in which each piece has checksum, length and kind before it."""
    place, pieces = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        _, length, kind = struct.unpack("<IHB", data[place : place + 7]) if left >= 7 else (0, 0, 0)
        if kind == 0:
            place += left
            continue
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in {1, 4}:  # whole, or the last
            yield pieces
            pieces = b""


def mlflow_run(folder: Path) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "mlruns").as_uri())
    runs = client.search_runs([client.get_experiment_by_name("loopwright").experiment_id])
    assert len(runs) == 1
    run = runs[0]
    history = {key: {one.step: one.value for one in client.get_metric_history(run.info.run_id, key)} for key in run.data.metrics}
    return {"status": run.info.status, "name": run.info.run_name, "options": run.data.params, "history": history}


def test_mlflow_has_the_values_and_goes_on_as_the_same_run(both: Both) -> None:
    needs("mlflow")
    found = mlflow_run(both.tracked.parent)
    assert (both.mlflow_after_kill, found["status"]) == ("KILLED", "FINISHED")
    for key in ("loss", "validation_loss", "learning_rate", "grad_norm"):
        assert found["history"][key] == both.values(key)
    assert found["options"]["lora.rank"] == "16" and found["options"]["learning_rate"] == "0.01"
    assert found["history"]["outcome/num_steps"] == {0: 6.0}


def test_an_unknown_tracker_or_a_missing_library_is_refused_before_anything_is_written(
    dataset_dir: Path, tmp_path: Path, options: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"unknown tracker 'wandbb'\. Did you mean 'wandb'\?"):
        train(dataset_dir, tmp_path / "run", options(track=["wandbb"]))
    monkeypatch.setattr("train.trackers.base._is_there", lambda module: module != "wandb")
    with pytest.raises(UserError, match=r"pip install 'loopwright\[wandb\]'"):
        train(dataset_dir, tmp_path / "run", options(track=["tensorboard", "wandb"]))
    assert not (tmp_path / "run").exists()


def test_track_is_no_part_of_what_a_run_is(both: Both, dataset_dir: Path, options: Callable[..., TrainConfig]) -> None:
    assert options(track=["mlflow"]).identity() == options().identity()
    assert train(dataset_dir, both.tracked, options(), resume=True) == RunRecord.load(both.tracked)  # finished: nothing is done


def test_the_option_may_be_repeated(dataset_dir: Path, tmp_path: Path, tiny_model_dir: Path, command: Command) -> None:
    code, _, err = command(
        "run", dataset_dir, "--out", tmp_path / "run", "--model", tiny_model_dir, "--track", "tensorboard", "--track", "nosuch"
    )
    assert code == 2 and "unknown tracker 'nosuch'" in err


def test_one_that_cannot_begin_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Broken):
        name = "refused"

        def begin(self, run: TrackedRun) -> str | None:
            raise RuntimeError("no key\nfound")

    notices: list[str] = []
    monkeypatch.setattr("train.trackers.tracking.notice", lambda text, **_: notices.append(text))
    heard = Rude()
    trackers = Tracking([Refused(), heard])
    trackers.begin(tmp_path / "a" / "run", {})
    trackers.log([{"step": 1, "loss": 2.0, "grad_norm": None}])
    trackers.end(Status.FAILED)
    assert heard.calls[-2:] == [(1, {"loss": 2.0}), ("end", Status.FAILED, {})]
    out, err = capsys.readouterr()
    assert out == "" and "to stdout" in err  # a command's stdout is its result
    assert [one for one in notices if "'refused' failed" in one and one.endswith("(RuntimeError: no key)")] == notices[:1]
    never_begun = Rude()
    Tracking([never_begun]).end(Status.FAILED)
    assert not hasattr(never_begun, "calls")
    assert json.loads((tmp_path / "a" / "run" / "tracking" / "runs.json").read_text(encoding="utf-8")) == {"rude": "known"}
