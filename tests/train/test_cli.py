"""The command line: what scripts rely on, and what a person reads when something is wrong."""

import json
from pathlib import Path

import pytest

from loopwright.errors import ExitCode
from tests.helpers import write_dataset
from tests.train.conftest import Command
from tests.train.masked import cloze_rows
from train.objectives.base import OBJECTIVES
from train.runs.record import RunRecord


def test_models_json(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path))
    code, out, _ = command("models", "--json")
    folder = str(tmp_path / "models" / "embedded")
    embedded = {"name": "embedded", "path": folder, "ready": False, "parameters": 134_515_008, "licence": "Apache-2.0"}
    assert (code, json.loads(out)) == (ExitCode.FINE, {"models": [embedded]})
    assert command("models", "list", "--json")[1] == out
    code, out, err = command("models")
    assert (code, err) == (ExitCode.FINE, "")
    assert "train models fetch embedded" in out


def test_run_json_is_run_json(command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    options = ["--seed", "3", "--epochs", "1", "--max-steps", "2", "--learning-rate", "0.001", "--batch-size", "4", "--dtype", "float32"]
    options += ["--leaks", "allow"]
    code, out, err = command("run", dataset_dir, "--model", tiny_model_dir, "--out", run_dir, *options, "--json")
    assert code == ExitCode.FINE
    assert json.loads(out) == json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    config = json.loads(out)["config"]
    assert (config["seed"], config["epochs"], config["max_steps"], config["learning_rate"], config["batch_size"]) == (3, 1, 2, 0.001, 4)
    assert "2/2" in err


def test_options_stand_above_the_config(command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"train: {{model: '{tiny_model_dir}', seed: 5, max_steps: 1, dtype: float32, leaks: allow}}", encoding="utf-8")
    code, out, err = command("run", dataset_dir, "--out", tmp_path / "run", "--config", config, "--seed", "6")
    assert (code, out) == (ExitCode.FINE, "")
    assert "Try it: train chat" in err
    record = RunRecord.load(tmp_path / "run")
    assert (record.seed, record.num_steps) == (6, 1)


def test_errors_are_clear_and_leave_nothing(command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    config = tmp_path / "c.yaml"
    config.write_text("train: {epoch: 1}", encoding="utf-8")
    cases = {
        ("run", tmp_path / "none", "--out", run_dir): "there is no such dataset folder",
        ("run", dataset_dir, "--out", run_dir, "--model", "nowhere"): "there is no model 'nowhere'",
        ("run", dataset_dir, "--out", run_dir, "--epochs", "0"): "'epochs' is 0",
        ("run", dataset_dir, "--out", run_dir, "--truncation", "left"): "'truncation' is 'left'",
        ("run", dataset_dir, "--out", run_dir, "--config", config): "Did you mean 'epochs'?",
        ("run", dataset_dir, "--out", run_dir, "--resume", "--overwrite"): "exclude each other",
        ("chat", "--adapter", tmp_path / "none", "--ask", "x"): "there is no such run folder",
        ("chat", "--adapter", dataset_dir, "--ask", "x"): "the run is not finished",
        ("chat", "--adapter", dataset_dir, "--json"): "--json needs one question",
        ("models", "fetch", "embeded"): "Did you mean 'embedded'?",
    }
    for arguments, message in cases.items():
        code, out, err = command(*arguments)
        assert (code, out) == (ExitCode.COULD_NOT_RUN, ""), arguments
        assert message in err, arguments
        assert "Traceback" not in err
    assert not run_dir.exists()


def test_chat_shows_base_and_tuned(command: Command, finished_run: tuple[Path, RunRecord]) -> None:
    run_dir, _ = finished_run
    code, out, err = command("chat", "--adapter", run_dir, "--ask", "The soup was great", "--max-new-tokens", "4", "--json")
    assert code == ExitCode.FINE
    answers = json.loads(out)
    assert answers["question"] == "The soup was great"
    assert answers["system"] == "You sort restaurant reviews."
    assert answers["base"] != answers["tuned"]
    assert "System message, as in the training data" in err
    code, out, err = command("chat", "--adapter", run_dir, "--ask", "The soup", "--max-new-tokens", "4", "--system", "")
    assert code == ExitCode.FINE
    assert "base" in out
    assert "tuned" in out
    assert "System message" not in err


def test_chat_prompts_until_an_empty_line(command: Command, finished_run: tuple[Path, RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(["The soup", ""])
    monkeypatch.setattr("builtins.input", lambda *_: next(lines))
    code, out, _ = command("chat", "--adapter", finished_run[0], "--max-new-tokens", "2")
    assert code == ExitCode.FINE
    assert out.count("tuned") == 1


@pytest.mark.parametrize("arguments", [(), ("run",), ("verify",), ("chat",), ("models",), ("models", "list"), ("models", "fetch")])
def test_every_command_has_help(command: Command, arguments: tuple[str, ...]) -> None:
    code, out, _ = command(*arguments, "--help")
    assert code == ExitCode.FINE
    assert "Usage:" in out


def test_a_question_that_cannot_be_asked_does_not_end_the_chat(
    command: Command, finished_run: tuple[Path, RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["half \udcff", "soup " * 1000, "The soup", ""])
    monkeypatch.setattr("builtins.input", lambda *_: next(lines))
    code, out, err = command("chat", "--adapter", finished_run[0], "--max-new-tokens", "2")
    assert code == ExitCode.FINE
    assert "the question is not UTF-8" in err
    assert "tokens, and the model takes 512" in err
    assert out.count("tuned") == 1


def test_an_interrupted_run_says_how_it_goes_on(
    command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("train.engine.loop.Trainer.run", interrupt)
    code, out, err = command("run", dataset_dir, "--out", tmp_path / "run", "--model", tiny_model_dir, "--leaks", "allow")
    assert (code, out) == (ExitCode.INTERRUPTED, "")
    assert "--resume goes on" in err


def test_the_objective_is_an_option_that_says_which_there_are(
    command: Command, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    run = ["run", dataset_dir, "--model", tiny_model_dir, "--dtype", "float32", "--max-steps", "1", "--out", tmp_path / "run"]
    run += ["--leaks", "allow"]
    code, _, err = command(*run, "--objective", "verbaliser")
    assert code == ExitCode.COULD_NOT_RUN
    assert "unknown objective 'verbaliser'" in err and "verbalizer" in err
    code, out, _ = command(*run, "--objective", "verbalizer", "--json")
    assert code == ExitCode.FINE
    assert (json.loads(out)["objective"], json.loads(out)["form"], json.loads(out)["config"]["objective"]) == ("verbalizer",) * 3
    told = " ".join(command("run", "--help")[1].split())
    assert all(name in told for name in OBJECTIVES.entries)


def test_a_run_that_writes_nothing_names_its_evaluation(command: Command, masked_dirs: dict[str, Path], tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", cloze_rows())
    options = ["--model", masked_dirs["bert"], "--objective", "cloze", "--dtype", "float32", "--max-steps", "1", "--out", tmp_path / "run"]
    options += ["--leaks", "allow"]
    code, _, err = command("run", dataset, *options)
    assert code == ExitCode.FINE
    assert f"Evaluate it: evals run {dataset} --adapter {tmp_path / 'run'}" in " ".join(err.split())
    assert "Mean loss (nats): train" in err
    code, _, err = command("chat", "--adapter", tmp_path / "run", "--ask", "How was it?")
    assert code == ExitCode.COULD_NOT_RUN
    assert "fills blanks and writes nothing" in err
