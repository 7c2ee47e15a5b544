"""A person's own file or folder beside a notebook may hide one of our packages: that is said in one line."""

import subprocess
import sys
from pathlib import Path

import pytest


def python(folder: Path, program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], cwd=folder, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("own", "program", "hidden"),
    [
        ("train.py", "import evals", "this file hides Loopwright's package 'train'"),
        ("train.py", "from loop.cli import main", "this file hides Loopwright's package 'train'"),
        ("templates/__init__.py", "import prep", "this file hides Loopwright's package 'templates'"),
        ("prep/notes.txt", "import train", "this folder hides Loopwright's package 'prep'"),
        ("train.py", "import train, evals", "this file hides Loopwright's package 'train'"),
    ],
)
def test_what_hides_a_package_is_named(tmp_path: Path, own: str, program: str, hidden: str) -> None:
    path = tmp_path / own
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    done = python(tmp_path, program)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("loopwright.errors.UserError: ") and hidden in last
    assert str(path.parent if path.suffix == ".txt" else path) in last and "Rename it" in last


def test_a_file_that_hides_what_is_not_needed_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("raise SystemExit('run')")
    assert python(tmp_path, "import prep, templates, prep.cli.app").returncode == 0
