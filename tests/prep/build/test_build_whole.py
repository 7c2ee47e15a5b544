"""Killed, or on a full disk: a dataset is there whole, or as it was."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from loopwright.errors import UserError
from loopwright.hashing import hash_file
from prep.dataset.manifest import Dataset
from tests.prep.helpers import contents, make_project, reviews

ROOT = Path(__file__).parents[3]


KILLED = """
import sys
from pathlib import Path
import prep.build.run
print("ready", flush=True)
prep.build.run.build(Path(sys.argv[1]), Path(sys.argv[2]))
print("built", flush=True)
"""


def test_killed_in_the_middle_the_old_dataset_is_whole(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(20))
    project.build()
    old = contents(project.out)
    project.write_rows(reviews(3000))
    for wait in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(project.config), str(project.out)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = contents(project.out)
        manifest = Dataset.open(project.out).manifest
        assert now == old or manifest.rows.read == 3000
        assert set(manifest.files) == set(now) - {"manifest.json"}


FULL = """
import resource, signal, sys
from pathlib import Path
from loopwright.errors import UserError
from loopwright.hashing import hash_file
from prep.build.run import build
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    build(Path(sys.argv[1]), Path(sys.argv[2]))
except UserError as error:
    sys.exit(f"UserError: {error}")
"""


@pytest.mark.parametrize("limit", [100, 10_000, 60_000])
def test_a_disk_that_takes_no_more_leaves_the_old_dataset_and_nothing_else(tmp_path: Path, limit: int) -> None:
    # No file may grow past a limit: what a full disk does, without one.
    project = make_project(tmp_path, reviews(5))
    project.build()
    old, names = contents(tmp_path), {path.name for path in tmp_path.iterdir()}
    project.write_rows(reviews(2000))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(project.config), str(project.out), str(limit)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.stderr.startswith("UserError: ") and "cannot write" in done.stderr, done.stderr[-800:]
    assert {name: content for name, content in contents(tmp_path).items() if name != "rows.jsonl"} == {
        name: content for name, content in old.items() if name != "rows.jsonl"
    }
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_the_old_dataset_and_nothing_else(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a disk")
    try:
        project = make_project(tmp_path / "project", reviews(5))
        project.build(disk / "out")
        old = contents(disk)
        project.write_rows(reviews(3000))
        with pytest.raises(UserError, match="cannot write"):
            project.build(disk / "out")
        assert contents(disk) == old
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_killed_at_fifty_random_moments_nothing_is_lost(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(20), dedup={"exact": True})
    project.build()
    chooser = random.Random(17)
    sizes = (40_000, 40_001)  # so that each build has something to do
    longest = 1.0
    for number in range(50):
        old = contents(project.out)
        project.write_rows(reviews(sizes[number % 2]))
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(project.config), str(project.out)], stdout=subprocess.PIPE, cwd=ROOT)
        assert process.stdout is not None
        process.stdout.readline()
        started = time.perf_counter()
        with suppress(subprocess.TimeoutExpired):
            process.wait(chooser.uniform(0, longest))
            longest = time.perf_counter() - started  # it came through: kill the next ones within its time
        process.kill()
        process.communicate()
        now, manifest = contents(project.out), Dataset.open(project.out).manifest
        assert now == old or manifest.rows.read == sizes[number % 2]
        for name, sha256 in manifest.files.items():
            assert hash_file(project.out / name) == sha256 or name == "build.log"
    project.build()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
