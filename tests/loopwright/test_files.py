import ctypes
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from loopwright.files import (
    atomic_dir,
    atomic_file,
    read_json,
    read_json_lines,
    require_output_file,
    require_writable,
    write_atomic,
    write_json_lines,
)

# Kills itself before its first line of Python, before its second, and so on until a write ends; prints what each death left behind.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from loopwright.files import atomic_dir, write_atomic

kind, path = sys.argv[1], Path(sys.argv[2])

def write(text):
    if kind == "file":
        write_atomic(path, text)
    else:
        with atomic_dir(path) as folder:
            for name in "abc":
                (folder / name).write_text(text)

def dies_at(number):
    left = number
    def trace(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    write("new")
    sys.settrace(None)
    os._exit(0)

write("old")
number = status = -1
while status != 0:
    number += 1
    child = os.fork()
    if child == 0:
        dies_at(number)
    status = os.waitpid(child, 0)[1]
    files = [path] if kind == "file" else [path / name for name in "abc"]
    found = [file.read_text() if file.exists() else None for file in files]
    print(json.dumps(found), flush=True)
    if found[0] == "new":
        write("old")
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_killed_at_any_line_one_whole_version_stays(tmp_path: Path, kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, kind, str(tmp_path / "out")], capture_output=True, text=True, check=True)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(states) > 20
    assert all(state in (["old"] * len(state), ["new"] * len(state)) for state in states)
    assert states[0][0] == "old" and states[-1][0] == "new"


@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "a.txt"
    if old:
        path.write_text(old)
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == ({"a.txt": old} if old else {})


@pytest.mark.parametrize("old", [False, True])
def test_an_error_in_the_middle_leaves_the_old_folder_and_nothing_else(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "out"
    if old:
        path.mkdir()
        (path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_dir(path) as folder:
        (folder / "a").write_text("new")
        raise KeyboardInterrupt
    assert [file.name for file in tmp_path.iterdir()] == (["out"] if old else [])
    assert not old or (path / "a").read_text() == "old"


def replace_folder(path: Path) -> None:
    path.mkdir()
    (path / "stays not").write_text("old")
    with atomic_dir(path) as folder:
        (folder / "a").write_text("new")
    assert [file.name for file in path.iterdir()] == ["a"]
    assert [file.name for file in path.parent.iterdir()] == ["out"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    replace_folder(tmp_path / "out")


def test_a_folder_is_replaced_where_two_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_call(name: str | None, use_errno: bool = False) -> object:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", no_such_call)
    replace_folder(tmp_path / "out")


def test_a_linked_folder_is_replaced_behind_its_link(tmp_path: Path) -> None:
    (tmp_path / "disk" / "data").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "data")
    with atomic_dir(tmp_path / "out") as folder:
        (folder / "a").write_text("new")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "disk" / "data" / "a").read_text() == "new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["disk", "out"]


def test_private_files_are_the_owners_alone(tmp_path: Path) -> None:
    write_atomic(tmp_path / "private", "text", private=True)
    write_atomic(tmp_path / "public", "text")
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("private", "public")}
    assert modes == {"private": 0o600, "public": 0o644}


def test_a_file_is_replaced_behind_its_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for text in ("old", "new"):
        write_atomic(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").read_text() == text


@pytest.mark.parametrize("write_there", [lambda path: write_atomic(path, "text"), require_output_file])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, write_there: Callable[[Path], None]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, what in (("pipe", "a pipe or a device"), ("folder", "a folder"), ("x" * 300, "name too long")):
        with pytest.raises(UserError, match=rf"cannot write: .*{what}"):
            write_there(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def write_below_a_file(path: Path) -> None:
    write_atomic(path / "a" / "b", "text")


def make_below_a_file(path: Path) -> None:
    with atomic_dir(path / "a"):
        pass


@pytest.mark.parametrize("write_there", [write_below_a_file, make_below_a_file])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, write_there: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"file/a.*: cannot write: .*Check the folder's permissions"):
        write_there(tmp_path / "file")


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text() | st.none() | st.integers(), max_size=3), max_size=5))
def test_json_lines_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    write_json_lines(path, rows)
    assert read_json_lines(path) == rows


def test_line_separators_within_a_string_end_no_line(tmp_path: Path) -> None:
    row = {"text": "a\u2028b\u2029c\x85d\x0ce\x1cf"}
    write_json_lines(tmp_path / "rows.jsonl", [row, row])
    assert read_json_lines(tmp_path / "rows.jsonl") == [row, row]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for text, message in (('{"a": 1}\n\n{"a":\n', "rows.jsonl:3: not valid JSON"), ("[1]\n", "rows.jsonl:1: expected a JSON object")):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_json_lines(path)


def test_json_that_is_not_there_or_not_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"\xff{")
    for name in ("none.json", "bad.json"):
        with pytest.raises(UserError, match=name):
            read_json(tmp_path / name)
        with pytest.raises(UserError, match=name):
            read_json_lines(tmp_path / name)


def test_a_write_that_the_disk_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path; from loopwright.files import write_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomic(Path(sys.argv[1]), 'x' * 5000)\n"
    )
    path = tmp_path / "a.json"
    path.write_text(json.dumps("old"))
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, env={**os.environ}, check=False)
    assert "UserError: " in done.stderr and "cannot write" in done.stderr
    assert read_json(path) == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "new", tmp_path / "a" / "b"):
        require_writable(folder)
    with pytest.raises(UserError, match="cannot write"):
        require_writable(tmp_path / "file" / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
