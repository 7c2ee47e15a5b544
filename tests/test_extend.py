"""docs/extend.md, done as it says: its files written into a folder outside of the project, its commands run there, its tests called."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import evals.cli
import prep.cli.app
import train.cli.app
from loopwright.plugins import KINDS
from train.runs.record import RunRecord

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
SESSIONS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
APPS = {"prep": prep.cli.app.app, "evals": evals.cli.app, "train": train.cli.app.app}


@pytest.fixture
def folder(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's files, with a model that was made for tests in the place of the one that has to be fetched."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.replace("embedded", str(tiny_model_dir)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if f"{name}.py" in FILES]:
        del sys.modules[name]


def run(command: str) -> str:
    """Runs a command of the page; returns what it printed, each run of blanks as one."""
    program, *arguments = shlex.split(command)
    result = CliRunner().invoke(APPS[program], arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in {0, 1}, result.output
    return " ".join(result.output.split())


def test_the_commands_of_the_page_print_what_it_shows(folder: Path) -> None:
    assert len(SESSIONS) == 5
    for session in SESSIONS:
        for entry in session.removeprefix("$ ").split("\n$ "):
            command, *lines = entry.splitlines()
            printed = run(command)
            for line in lines:
                shown = re.escape(" ".join(line.split())).replace(re.escape("[...]"), r"\S+?")
                assert re.search(shown, printed), f"{command}: {line!r} is not in\n{printed}"
    record = RunRecord.load(folder / "run")
    assert record.objective == "focal" and record.plugins is not None


def test_the_tests_of_the_page_pass(folder: Path) -> None:
    module = importlib.import_module("test_mine")
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert len(tests) == 3
    for one in tests:
        one()


def test_the_page_knows_every_kind() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == KINDS
