"""What a mistyped command costs: its error comes before torch, and whatever else takes seconds, is imported."""

import subprocess
import sys

import pytest

_SLOW = ("torch", "evaluate", "datasets", "scipy", "sklearn", "peft")

_PROGRAM = """
import sys
from importlib import import_module
command, sys.argv = sys.argv[1], sys.argv[1:]
try:
    import_module(f"{command}.cli.app" if command in {"prep", "train"} else f"{command}.cli").main()
except SystemExit as end:
    print(end.code, *sorted(set(sys.modules) & set(SLOW)))
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("evals run no/such/dataset --model embedded --out out", 2),
        ("train run no/such/dataset --model embedded --out out", 2),
        ("train plan no/such/dataset --model embedded", 2),
        ("loop run no/such/config.yaml", 2),
        ("evals --help", 0),
        ("evals run --help", 0),
        ("train --help", 0),
        ("train run --help", 0),
        ("train models", 0),
        ("loop --help", 0),
        ("prep --help", 0),
        ("prep lint no/such/dataset", 2),
        ("loopwright --help", 0),
        ("loopwright --version", 0),
        ("loopwright doctor", 0),
        ("loopwright lint no/such/dataset", 2),
        ("loopwright evals run no/such/dataset --model embedded --out out", 2),
    ],
)
def test_nothing_slow_is_imported_before_the_arguments_are_checked(arguments: str, code: int) -> None:
    program = _PROGRAM.replace("SLOW", repr(_SLOW))
    done = subprocess.run([sys.executable, "-c", program, *arguments.split()], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == str(code), done.stderr


@pytest.mark.parametrize("arguments", ["loopwright --help", "loopwright doctor", "prep --help", "loopwright prep init --help"])
def test_help_and_doctor_do_without_tables_and_models(arguments: str) -> None:
    program = _PROGRAM.replace("SLOW", repr((*_SLOW, "polars", "transformers", "numpy", "yaml")))
    done = subprocess.run([sys.executable, "-c", program, *arguments.split()], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0", done.stdout + done.stderr
