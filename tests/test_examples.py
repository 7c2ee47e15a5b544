"""docs/examples, done as they say: each page's files written into an empty folder, its commands run there, on tiny models."""

import json
import math
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import evals.cli
import prep.cli.app
import train.cli.app
from tests.train.masked import write_model
from train.runs.record import RunRecord

PAGES = Path(__file__).parents[1] / "docs" / "examples"
APPS = {"prep": prep.cli.app.app, "evals": evals.cli.app, "train": train.cli.app.app}
# What a tiny model on a busy machine needs beside what the page says: two epochs' steps that move it, and short answers.
ALSO = {
    "train run": ["--dtype", "float32", "--learning-rate", "0.01", "--max-steps", "4"],
    "train chat": ["--max-new-tokens", "4"],
    "evals run": ["--dtype", "float32", "--max-new-tokens", "4"],
}
OBJECTIVES = {
    "domain-text": {"legal-run": "completion", "financial-run": "completion", "medical-run": "completion"},
    "style": {"voice-run": "chat"},
    "preference": {"dpo": "preference", "reward": "reward"},
    "cloze": {"claims-run": "cloze"},
    "chinese-verbalizer": {"zh-run": "verbalizer"},
}


def files(page: str) -> dict[str, str]:
    return dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def sessions(page: str) -> list[tuple[str, list[str]]]:
    """Each command of a page, with the lines of its output that the page shows."""
    found = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    entries = [entry.splitlines() for session in found for entry in session.removeprefix("$ ").split("\n$ ")]
    return [(command, lines) for command, *lines in entries]


def run(command: str, lines: list[str]) -> None:
    """Runs a command; each line that the page shows of it has to be printed, `[...]` standing for any one word."""
    program, *arguments = shlex.split(command)
    result = CliRunner().invoke(APPS[program], [*arguments, *ALSO.get(f"{program} {arguments[0]}", [])])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found_something = "prep lint" in command and any(": warning: " in line for line in lines)  # which the page shows
    assert result.exit_code == int(found_something), f"{command}\n{result.output}"
    printed = " ".join(result.output.split())
    for line in lines:
        shown = re.escape(" ".join(line.split())).replace(re.escape("[...]"), r"\S+?")
        assert re.search(shown, printed), f"{command}: {line!r} is not in\n{printed}"


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_example_runs_as_its_page_says(name: str, tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    texts = files(page)
    models = {"embedded": str(tiny_model_dir), "Qwen/Qwen2.5-0.5B-Instruct": str(tiny_model_dir)}
    if name == "cloze":
        models["distilbert-base-uncased"] = str(write_model("distilbert", tmp_path / "model", texts=list(texts.values())))
    for file, text in texts.items():
        (tmp_path / file).write_text(re.sub(r"model: ([\w./-]+)", lambda found: f"model: {models[found[1]]}", text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for command, lines in sessions(page):
        run(command, lines)
    records = {out: RunRecord.load(tmp_path / out) for out in OBJECTIVES[name]}
    assert {out: record.objective for out, record in records.items()} == OBJECTIVES[name]
    for record in records.values():
        assert record.dropped_too_long == record.dropped_other_form == record.leaks == []
        assert record.validation_loss is not None
        assert record.validation_loss_before is not None
        if record.objective in {"completion", "chat"}:  # of two or three choices or pairs, a few steps promise nothing
            assert record.validation_loss < record.validation_loss_before
    trained = [(span.sequence, span.text) for record in records.values() for span in record.sample.spans if span.trained]
    match name:
        case "chinese-verbalizer":
            assert sorted(trained) == [("好评", "好评"), ("差评", "差评")]
        case "cloze":
            assert sorted(sequence for sequence, _ in trained) == ["fire", "water"]
        case "domain-text":
            assert all(records[out].num_trained_tokens > 100 for out in records)
        case "preference":
            assert records["dpo"].validation_loss_before == pytest.approx(math.log(2), abs=1e-6)
            assert records["dpo"].validation_ranked is not None
        case "style":
            assert trained[0][1].startswith("Ahoy!")
    for report in tmp_path.glob("*-evals/report.json"):
        systems = json.loads(report.read_text(encoding="utf-8"))["systems"]
        assert {one["role"] for one in systems.values()} >= {"base", "tuned"}


def test_every_example_is_tested_and_listed() -> None:
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "README.md").read_text(encoding="utf-8"))
    assert set(listed) == {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert set(listed) >= set(OBJECTIVES)
