import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time
import typer
from loopwright.console import make_app, print_json, run_app, notice
from loopwright.errors import UserError, UserErrors
app = make_app("test")

@app.command()
def fail(): raise UserErrors([UserError("[one] is wrong", "a.yaml:1", "Mend it."), UserError("two", "b")])

@app.command()
def wait():
    print("waiting", flush=True)
    time.sleep(30)

@app.command()
def result():
    notice("for people [bold]")
    print_json({"text": "é"})

@app.command()
def need(module: str): raise ModuleNotFoundError(f"No module named '{module}'", name=module)

@app.command()
def flood():
    for _ in range(100_000):
        print_json({"text": "x" * 100})

run_app(app)
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "40"}
    )


def test_errors_go_to_stderr_without_a_traceback_and_exit_2() -> None:
    done = run("fail")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: a.yaml:1: [one] is wrong. Mend it.\nerror: b: two.\n"


def test_results_and_notices_keep_apart() -> None:
    done = run("result")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{\n  "text": "é"\n}\n', "for people [bold]\n")


def test_a_module_of_an_extra_that_is_missing_says_what_to_install() -> None:
    done = run("need", "torch.nn")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'loopwright[train]'" in done.stderr and "Traceback" not in done.stderr


def test_any_other_missing_module_is_a_defect_and_shows_its_traceback() -> None:
    assert "Traceback" in run("need", "loopwright.nothing").stderr


def test_wrong_usage_exits_2() -> None:
    assert run("nothing").returncode == 2


def test_an_interruption_exits_130() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE there")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -c "$0" flood | head -n 1', PROGRAM],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
