"""Conversations with a base and runs on it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import ExitCode, UserError
from templates.chat import EncodeError, encode_prompt
from tests.conftest import CHATML, make_tokenizer
from tests.train.conftest import Command
from train.cli.chat_prompt import show_answers
from train.config import TrainConfig
from train.inference.chat import BASE, Answers, Comparison
from train.inference.chat_files import read_messages
from train.run import train
from train.runs.record import RunRecord

Options = Callable[..., TrainConfig]
SYSTEM = "You sort restaurant reviews."
ALTERNATES = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}{% endfor %}" + CHATML
)


@pytest.fixture(scope="module")
def two_runs(
    tmp_path_factory: pytest.TempPathFactory, finished_run: tuple[Path, RunRecord], dataset_dir: Path, tiny_model_dir: Path
) -> tuple[Path, Path]:
    """An adapter, and a run on the same base whose topmost layer is trained."""
    config = {"model": str(tiny_model_dir), "dtype": "float32", "learning_rate": 0.05, "leaks": "allow", "epochs": 1, "method": "freeze"}
    other = tmp_path_factory.mktemp("runs") / "other"
    train(dataset_dir, other, TrainConfig.model_validate({**config, "freeze": {"layers": 1}}))
    return finished_run[0], other


def of_template(run: Path, folder: Path, template: str, system: str | None = None) -> Path:
    """Copies a run onto a copy of its base with another chat template."""
    record = json.loads((run / "run.json").read_text())
    shutil.copytree(record["model_path"], folder / "model")
    make_tokenizer(template).save_pretrained(folder / "model")
    shutil.copytree(run, folder / "run")
    changes = {"model": str(folder / "model"), "model_path": str(folder / "model"), "system_prompt": system}
    (folder / "run" / "run.json").write_text(json.dumps({**record, **changes}))
    return folder / "run"


def test_each_model_goes_on_from_its_own_answers(finished_run: tuple[Path, RunRecord]) -> None:
    comparison = Comparison.load(finished_run[0], max_new_tokens=4)
    comparison.keeps_history = True
    first = comparison.ask("The soup was great")
    assert first.base != first.answers["tuned"]
    second = comparison.ask("And the waiter?")
    for name, answer in (("base", first.base), ("tuned", first.answers["tuned"])):
        expected = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": "The soup was great"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "And the waiter?"},
        ]
        assert second.prompts[name].input_ids == encode_prompt(make_tokenizer(), expected)  # type: ignore[arg-type]
    comparison.start_over()
    assert comparison.ask("The soup was great") == first
    comparison.use_system("")
    assert SYSTEM not in comparison.ask("The soup was great").prompts["base"].text


def test_without_history_questions_stand_by_themselves(finished_run: tuple[Path, RunRecord]) -> None:
    comparison = Comparison.load(finished_run[0], max_new_tokens=2)
    assert comparison.ask("The soup") == comparison.ask("The soup")


def test_several_runs_answer_as_each_does_by_itself(two_runs: tuple[Path, Path]) -> None:
    both = Comparison.load(two_runs, max_new_tokens=6).ask("The soup was great")
    assert list(both.answers) == ["run", "other"]
    alone = [Comparison.load(run, max_new_tokens=6).ask("The soup was great") for run in two_runs]
    assert [one.base for one in alone] == [both.base, both.base]
    assert [one.answers["tuned"] for one in alone] == list(both.answers.values())
    assert len({both.base, *both.answers.values()}) == 3


def test_several_runs_as_json_and_as_a_table(command: Command, two_runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("chat", "--adapter", two_runs[0], "--adapter", two_runs[1], "--ask", "The soup", "--max-new-tokens", "4")
    code, out, _ = command(*arguments, "--json", "--show-prompt")
    assert code == ExitCode.FINE
    found = json.loads(out)
    assert list(found) == ["question", "system", "base", "tuned", "answers", "prompts"]
    assert found["tuned"] == found["answers"]["run"]
    assert found["prompts"]["other"] == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\nThe soup<|im_end|>\n<|im_start|>assistant\n"
    )
    code, out, _ = command(*arguments, "--show-prompt")
    assert code == ExitCode.FINE
    assert out.count("--- prompt of base, run, other, ") == 1
    assert "<|im_start|>assistant\n\n--- end of the prompt" in out
    assert [name in out for name in ("base", "run", "other")] == [True] * 3


def test_one_run_keeps_its_json(command: Command, finished_run: tuple[Path, RunRecord]) -> None:
    _, out, _ = command("chat", "--adapter", finished_run[0], "--ask", "The soup", "--max-new-tokens", "2", "--json")
    assert list(json.loads(out)) == ["question", "system", "base", "tuned"]


def test_runs_of_two_bases_are_refused_with_both_names(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(two_runs[1], other)
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "model": "some/model", "model_sha256": "0" * 64}))
    with pytest.raises(UserError, match=r"'run' was trained on '.*tiny-model0', 'elsewhere' on 'some/model' with other weights"):
        Comparison.load([two_runs[0], other])
    with pytest.raises(UserError, match="named twice"):
        Comparison.load([two_runs[0], two_runs[0] / "." / ""])


def test_runs_of_one_name_and_seeds_are_told_apart(finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    for name in ("a/run", "b/run", "c/seed-17"):
        shutil.copytree(finished_run[0], tmp_path / name)
    names = Comparison.load([tmp_path / "a/run", tmp_path / "b/run"]).names
    assert names == (str(tmp_path / "a/run"), str(tmp_path / "b/run"))
    assert Comparison.load([tmp_path / "a/run", tmp_path / "c/seed-17"]).names == ("run", "c/seed-17")


def test_each_run_has_the_system_message_of_its_training(
    two_runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(two_runs[1], other)
    record = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps({**record, "system_prompt": "Be brief."}))
    comparison = Comparison.load([two_runs[0], other], max_new_tokens=1)
    assert comparison.systems == {BASE: SYSTEM, "run": SYSTEM, "other": "Be brief."}
    assert "other: Be brief." in capsys.readouterr().err
    assert Comparison.load([two_runs[0], other], system="").systems == {BASE: None, "run": None, "other": None}


def test_a_conversation_that_is_too_long_says_the_way_out(finished_run: tuple[Path, RunRecord]) -> None:
    comparison = Comparison.load(finished_run[0], max_new_tokens=200)
    comparison.keeps_history = True
    with pytest.raises(UserError, match=r"the conversation has \d+ tokens, and the model takes 512.*/reset") as raised:
        for _ in range(10):
            comparison.ask("The soup was great, and the waiter was slow")
    kept = {name: len(turns) for name, turns in comparison.histories.items()}
    assert len(set(kept.values())) == 1 and kept["base"] % 2 == 0, raised.value
    comparison.start_over()
    comparison.ask("The soup")


def test_templates_that_alternate_and_know_no_system(finished_run: tuple[Path, RunRecord], tmp_path: Path) -> None:
    run = of_template(finished_run[0], tmp_path, ALTERNATES)
    comparison = Comparison.load(run, max_new_tokens=2)
    comparison.keeps_history = True
    comparison.ask("The soup")
    assert comparison.ask("The waiter").prompts["tuned"].text.count("<|im_start|>user") == 2
    comparison.use_system("Be brief.")
    with pytest.raises(UserError, match=r"the chat template takes no system message here.*--system ''"):
        comparison.ask("The soup")
    comparison.use_system(None)
    comparison.start_over([{"role": "user", "content": "a"}])
    with pytest.raises(EncodeError, match="Roles must alternate"):
        comparison.ask("b")


def test_the_conversation_is_typed(command: Command, two_runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    typed = [
        "/prompt",
        "The soup",
        "The bill",
        "/prompt",
        "/reset",
        "/system Be brief.",
        "Hm",
        "/prompt",
        "/halp",
        " /help",
        "/help",
        "/quit",
    ]
    lines = iter([*typed, "never asked"])
    monkeypatch.setattr("builtins.input", lambda *_: next(lines))
    code, out, err = command("chat", "--adapter", two_runs[0], "--max-new-tokens", "2")
    assert code == ExitCode.FINE
    assert next(lines) == "never asked"
    assert "nothing was asked yet" in err
    assert "there is no command '/halp'. Did you mean '/help'?" in err
    assert "forget the conversation" in err
    first, *_ = out.split("--- end of the prompt")
    assert "user\nThe soup<|im_end|>\n<|im_start|>assistant\n" in first and "user\nThe bill<|im_end|>" in first
    assert "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHm<|im_end|>\n<|im_start|>assistant\n\n---" in out
    assert out.count("tuned ") == 4, "a table a question"


def test_a_file_of_messages_comes_first(command: Command, finished_run: tuple[Path, RunRecord], write: Callable[[str, str], Path]) -> None:
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "The soup"},
        {"role": "assistant", "content": "positive"},
        {"role": "user", "content": "The bill"},
    ]
    run = ("chat", "--adapter", finished_run[0], "--max-new-tokens", "2", "--json", "--show-prompt", "--messages")
    listed, lines = write("m.json", json.dumps(turns)), write("m.jsonl", "\n".join(map(json.dumps, turns)) + "\n")
    code, out, _ = command(*run, listed)
    assert code == ExitCode.FINE
    found = json.loads(out)
    assert (found["question"], found["system"]) == ("The bill", "Be brief.")
    assert "positive<|im_end|>\n<|im_start|>user\nThe bill" in found["prompts"]["base"]
    assert command(*run, lines)[1] == out
    assert read_messages(write("o.json", json.dumps({"messages": turns}))) == turns
    cases = {
        "[]": "holds no messages",
        "{": "not valid JSON",
        '{"role": "user", "content": "a"}\n{': "m.txt:2: not valid JSON",
        '[{"role": "user"}]': "messages[0]: this is no message with a role and a text",
        '[{"role": "tool", "content": "x"}]': "a message of the role 'tool' cannot stand here",
        '[{"role": "user", "content": "x"}, {"role": "system", "content": "x"}]': "messages[1]: a message of the role 'system'",
    }
    for text, message in cases.items():
        code, out, err = command(*run, write("m.txt", text))
        assert (code, out) == (ExitCode.COULD_NOT_RUN, ""), text
        assert message in err, (text, err)
    code, _, err = command(*run, listed, "--ask", "x")
    assert (code, "--ask is another" in err) == (ExitCode.COULD_NOT_RUN, True)


@pytest.mark.parametrize("num_runs", [1, 4])
def test_a_long_word_is_shown_whole(num_runs: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    runs = {f"run-{place}": "x" * 97 for place in range(num_runs)}
    show_answers(Answers("Hm [red]?", None, "[b]", runs, {}), show_prompt=False)
    out = capsys.readouterr().out
    assert out.count("x") == 97 * num_runs
    assert "Hm [red]?" in out and "[b]" in out and all(name in out for name in runs)
