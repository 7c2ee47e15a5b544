"""The `loopwright` command, and the manners that all commands share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loopwright import __version__

PROGRAMS = ("loopwright", "prep", "train", "evals", "loop")


def run(
    program: str, *arguments: str, cwd: Path | None = None, path: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", program, *arguments]
    given = {**os.environ, "COLUMNS": "80", **environment} | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(command, capture_output=True, text=True, check=False, env=given, cwd=cwd or path, timeout=60)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_runs_as_a_module_and_says_its_version(program: str) -> None:
    assert run(program, "--version").stdout == f"loopwright {__version__}\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_h_is_help_everywhere_and_its_sentences_are_whole(program: str) -> None:
    shown = run(program, "-h")
    assert shown.returncode == 0 and shown.stdout == run(program, "--help").stdout
    assert "..." not in shown.stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    "arguments", [("prep", "fix", "propose"), ("prep", "lint"), ("train", "models", "fetch"), ("loopwright", "evals", "run")]
)
def test_h_is_help_of_each_command(arguments: tuple[str, ...]) -> None:
    shown = run(*arguments, "-h")
    assert shown.returncode == 0 and shown.stdout.startswith("Usage: ") and "-h, --help" in shown.stdout


def listed(help_text: str) -> list[str]:
    """Returns the commands of a help text, in its order."""
    lines = help_text.partition("Commands:\n")[2].splitlines()
    return [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]


def test_commands_stand_in_the_order_of_use() -> None:
    names = listed(run("prep", "--help").stdout)
    assert names == ["init", "templates", "build", "show", "lint", "rule", "fix", "diff", "export", "validate", "push", "drift"]
    assert listed(run("train", "--help").stdout) == [
        *["models", "plan", "run", "stages", "sweep", "curve", "rlhf", "verify", "report", "export", "chat"]
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_for_the_shell(shell: str) -> None:
    program = "from loopwright.cli import app; app(prog_name='loopwright')"
    environment = {**os.environ, "_LOOPWRIGHT_COMPLETE": f"source_{shell}"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0 and "_LOOPWRIGHT_COMPLETE" in done.stdout


def complete(words: str) -> list[str]:
    program = "from loopwright.cli import app; app(prog_name='loopwright')"
    position = str(len(words.split()) - (not words.endswith(" ")))
    environment = {**os.environ, "_LOOPWRIGHT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": position}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    return done.stdout.split()


def test_completion_knows_the_commands_of_all_programs() -> None:
    assert complete("loopwright li") == ["lint"]
    assert complete("loopwright train mod") == ["models"]
    assert "propose" in complete("loopwright prep fix ")
    assert complete("loopwright lint --sel") == ["--select"]


def test_the_commands_of_prep_are_there_with_its_name_and_without(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 3, encoding="utf-8")
    direct, named, short = (
        run(*command, "lint", "rows.jsonl", "--format", "json", cwd=tmp_path)
        for command in (("prep",), ("loopwright", "prep"), ("loopwright",))
    )
    assert json.loads(direct.stdout)["diagnostics"], "the same row three times is reported"
    assert direct.returncode == 1
    for other in (named, short):
        assert (other.returncode, other.stdout) == (direct.returncode, direct.stdout)


def test_errors_are_those_of_the_program() -> None:
    for arguments in (("evals", "run", "no/such", "--out", "x"), ("train", "run", "no/such", "--out", "x"), ("loop", "run", "no.yaml")):
        direct, handed = run(*arguments), run("loopwright", *arguments)
        assert direct.returncode == handed.returncode == 2
        assert direct.stderr == handed.stderr != ""
    unknown = run("loopwright", "trian", "run")
    assert unknown.returncode == 2 and "there is no command 'trian'. Did you mean 'train'?" in unknown.stderr


@pytest.mark.parametrize(("folder", "remedy"), [("mine", "Rename it, or start"), ("site-packages", "See whose it is: loopwright doctor")])
def test_a_program_that_another_package_hides_leaves_the_others_alone(tmp_path: Path, folder: str, remedy: str) -> None:
    place = tmp_path / folder
    (place / "evals").mkdir(parents=True)
    (place / "evals" / "__init__.py").write_text("", encoding="utf-8")
    assert "evals this file hides Loopwright's package 'evals'" in " ".join(run("loopwright", "--help", path=place).stdout.split())
    hidden = run("loopwright", "evals", "run", "x", "--out", "y", path=place)
    assert hidden.returncode == 2 and f"{place}/evals/__init__.py: this file hides" in hidden.stderr and remedy in hidden.stderr
    assert run("loopwright", "prep", "rule", "CON201", path=place).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prep", "build", "x", "--out", "o", "--limit", "0"), "'--limit': Give 1 or more."),
        (("prep", "build", "x", "--out", "o", "--limit", "many"), "'--limit': Give a whole number."),
        (("train", "run", "x", "--out", "o", "--learning-rate", "low"), "'--learning-rate': Give a number."),
        (("prep", "lint", "x", "--fail-on", "eror"), "'--fail-on': 'eror' is not one of 'error', 'warning', 'info', 'never'."),
        (
            ("loopwright", "evals", "run", "x", "--out", "o", "--split", "tset"),
            "'--split': 'tset' is not one of 'train', 'validation', 'test'.",
        ),
        (("loopwright", "lint", "x", "--fail-on", "eror"), "'--fail-on': 'eror' is not one of"),
        (("prep", "fix", "apply", "x", "y", "--safe", "z"), "z"),
    ],
)
def test_what_is_wrong_with_an_options_value_is_said_in_plain_words(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments, COLUMNS="200")
    assert done.returncode == 2 and message in done.stderr
    assert "Input should" not in done.stderr and "Value error" not in done.stderr
