import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopwright.console import notice, print_error, print_result, printable, shown_console
from loopwright.errors import UserError

PROGRAM = """
import sys, tempfile, time
import typer
from loopwright.command_line import make_app, run_app
from loopwright.console import print_json, print_view, notice
from loopwright.errors import UserError, UserErrors
app = make_app("test")

@app.command()
def fail(): raise UserErrors([UserError("[one] is wrong", "a.yaml:1", "Mend it."), UserError("two", "b")])

@app.command()
def many(): raise UserErrors([UserError(f"row {number}") for number in range(10_000)])

@app.command()
def views():
    for _ in range(10_000):
        print_view("x" * 30)

@app.command()
def wait():
    with tempfile.TemporaryDirectory() as folder:
        print(folder, flush=True)
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


def test_a_command_that_is_told_to_stop_leaves_no_temporary_folder() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().decode().strip())
    assert folder.is_dir()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert not folder.exists()


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


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("a\x1b[31mb\x07\x9b2J\u202ec\rd\ud83d") == r"a\u001b[31mb\u0007\u009b2J\u202ec\u000dd\ud83d"
    ordinary = "line\n\ttab\r\nعربى 😀 \u200f [bold]"
    assert printable(ordinary) == ordinary


def test_json_says_the_same_when_it_is_made_printable() -> None:
    value = {"text": 'esc \x1b csi \x9b rlo \u202e half \ud83d quote " backslash \\u001b'}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


@pytest.mark.parametrize("door", ["notice", "error", "result"])
def test_every_door_writes_out_escapes(door: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown_console.cache_clear()
    doors = {"notice": notice, "error": lambda text: print_error(UserError(text)), "result": print_result}
    doors[door]("\x1b[2Jcleared")
    output = "".join(capfd.readouterr())
    assert "\x1b" not in output and r"\u001b[2Jcleared" in output
    shown_console.cache_clear()


def test_one_mistake_in_each_row_does_not_flood_the_terminal() -> None:
    done = run("many")
    assert done.stderr.count("error:") == 50
    assert done.stderr.endswith("and 9,950 more errors\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE there")
def test_a_reader_of_a_view_may_leave_early_too() -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -c "$0" views | head -n 1', PROGRAM],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("redirection", "cause"), [(">/dev/full", "cannot print the result: No space left"), (">&-", "no standard output")]
)
def test_a_result_that_cannot_be_printed_is_an_error_without_a_traceback(redirection: str, cause: str) -> None:
    command = ["bash", "-c", f'"{sys.executable}" -c "$0" result {redirection}', PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and cause in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
