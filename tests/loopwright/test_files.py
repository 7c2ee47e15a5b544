import ctypes
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import UserError
from loopwright.files import atomic_dir, atomic_file, read_json, read_json_lines, write_atomic, write_json_lines

# Writes without end; whoever looks at any moment must find one whole version.
WRITER = """
import sys
from pathlib import Path
from loopwright.files import atomic_dir, write_atomic
kind, path = sys.argv[1], Path(sys.argv[2])
number = 0
while True:
    number += 1
    text = f"{number}\\n" * 20_000
    if kind == "file":
        write_atomic(path, text)
    else:
        with atomic_dir(path) as folder:
            for name in "abc":
                (folder / name).write_text(text)
    if number == 2:
        print("going", flush=True)
"""


def versions(path: Path) -> set[str]:
    texts = [path.read_text()] if path.is_file() else [(path / name).read_text() for name in "abc"]
    assert all(text.count("\n") == 20_000 for text in texts)
    return {line for text in texts for line in set(text.splitlines())}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_killed_at_any_moment_one_whole_version_stays(tmp_path: Path, kind: str) -> None:
    seeds = random.Random(5)
    path = tmp_path / "out"
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, kind, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seeds.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert len(versions(path)) == 1


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
