"""`loopwright doctor`: what is there, what is missing, and what of others is in the way."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from loopwright.checks import GROUP, Check, State, read_rows
from loopwright.errors import UserError

_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 3.0.1\n"


def doctor(path: Path | None = None, cwd: Path | None = None, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Runs the command with a folder of other packages on the path."""
    given = {**os.environ, **environment} | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-m", "loopwright", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given, cwd=cwd or path, timeout=60)
    return done.returncode, {row["name"]: row for row in json.loads(done.stdout)}


def install(folder: Path, name: str, packages: tuple[str, ...] = (), entry_points: str = "") -> None:
    """Puts a distribution into a folder, as pip would."""
    about = folder / f"{name}-3.0.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(_METADATA.format(name=name), encoding="utf-8")
    (about / "RECORD").write_text("".join(f"{package}/__init__.py,,\n" for package in packages), encoding="utf-8")
    (about / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    for package in packages:
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("", encoding="utf-8")


def test_all_rows_keep_the_contract_and_nothing_is_in_the_way_here() -> None:
    code, rows = doctor()
    assert code == 0
    for row in rows.values():
        assert set(row) == {"name", "state", "detail", "remedy"}
        assert row["state"] in {"ok", "missing"} and row["detail"]
        assert (row["remedy"] == "") == (row["state"] == "ok")
    assert {"loopwright", "package evals", "extra train", "machine", "model embedded", "cache", "torch"} <= set(rows)
    assert rows["torch"]["detail"] == metadata.version("torch")


def test_the_checks_are_named_by_entry_points_and_take_no_arguments() -> None:
    named = {entry.name: entry.load() for entry in metadata.entry_points(group=GROUP) if entry.dist and entry.dist.name == "loopwright"}
    assert named.keys() == {"installation", "machine", "train"}
    for name, function in named.items():
        assert read_rows(function(), name)


@pytest.mark.parametrize("package", ["evals", "train", "templates"])
def test_a_package_of_anothers_under_a_name_of_ours_is_a_failure_with_the_way_out(tmp_path: Path, package: str) -> None:
    install(tmp_path, f"other-{package}", (package,))
    code, rows = doctor(tmp_path)
    row = rows[f"package {package}"]
    assert code == 1 and row["state"] == "failed"
    assert f"of other-{package}, and not Loopwright's" in row["detail"]
    assert f"pip uninstall other-{package}" in row["remedy"]
    assert [one["name"] for one in rows.values() if one["state"] == "failed" and one["name"].startswith("package ")] == [row["name"]]


def test_a_file_beside_ones_own_script_that_hides_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("", encoding="utf-8")
    code, rows = doctor(cwd=tmp_path)
    assert code == 1 and rows["package train"]["state"] == "failed"
    assert str(tmp_path / "train.py") in rows["package train"]["remedy"]


def test_a_package_that_wrote_into_our_folder_is_found_though_the_import_is_ours(tmp_path: Path) -> None:
    install(tmp_path, "evals")
    (tmp_path / "evals-3.0.1.dist-info" / "RECORD").write_text("evals/registry.py,,\n", encoding="utf-8")
    code, rows = doctor(tmp_path)
    assert code == 1 and rows["package evals"]["state"] == "failed"
    assert "pip uninstall evals, then: pip install --force-reinstall loopwright" in rows["package evals"]["remedy"]


def test_what_is_not_fetched_is_missing_and_what_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    code, rows = doctor(LOOPWRIGHT_CACHE=str(tmp_path / "new"))
    assert code == 0 and rows["cache"]["state"] == "ok"
    assert rows["model embedded"]["state"] == "missing" and rows["model embedded"]["remedy"] == "Run: train models fetch embedded"
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, rows = doctor(LOOPWRIGHT_CACHE=str(tmp_path / "file" / "cache"))
    assert code == 1 and rows["cache"]["state"] == "failed"


def test_what_an_extra_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from loopwright.installation import check_installation

    version = metadata.version
    monkeypatch.setattr("loopwright.installation.metadata.version", lambda name: "1.0" if name == "scikit-learn" else version(name))
    rows = {row["name"]: row for row in check_installation()}
    assert rows["extra lint"]["state"] == "missing" and "scikit-learn 1.7 (1.0 is)" in rows["extra lint"]["detail"]
    assert rows["extra lint"]["remedy"].endswith("pip install 'loopwright[lint]'")
    assert rows["extra hub"]["state"] == "ok"
    assert "extra dev" not in rows


def test_other_packages_bring_checks_and_one_that_fails_leaves_the_rest(tmp_path: Path) -> None:
    install(tmp_path, "mine", ("mine",), "[loopwright.checks]\ngood = mine:good\nbad = mine:bad\nodd = mine:odd\n")
    source = (
        "def good(): return [{'name': 'disk', 'state': 'missing', 'detail': 'none', 'remedy': 'Buy one.'}]\n"
        "def bad(): raise OSError('no way')\ndef odd(): return [{'name': 'x', 'state': 'fine', 'detail': '', 'remedy': ''}]\n"
    )
    (tmp_path / "mine" / "__init__.py").write_text(source, encoding="utf-8")
    code, rows = doctor(tmp_path)
    assert code == 1
    assert rows["disk"] == {"name": "disk", "state": "missing", "detail": "none", "remedy": "Buy one."}
    assert "OSError: no way" in rows["bad"]["detail"] and "the package mine" in rows["bad"]["remedy"]
    assert "the check returned the state 'fine'" in rows["odd"]["detail"]
    assert next(iter(rows)) == "loopwright"


@pytest.mark.parametrize("rows", ["text", {"name": "x"}, [{"name": "x"}], [{"name": 1, "state": "ok", "detail": "", "remedy": ""}], None])
def test_what_is_no_list_of_rows_is_refused(rows: Any) -> None:
    with pytest.raises(UserError, match="the check returned"):
        read_rows(rows, "mine:check")


def test_a_row_is_a_check() -> None:
    check = Check("x", State.OK, "there")
    assert read_rows([check.as_row()], "mine:check") == [check]
