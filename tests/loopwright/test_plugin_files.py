"""What is run of a plug-in's file: the bytes that were hashed, and nothing else."""

import importlib.util
import py_compile
from pathlib import Path

import pytest

from loopwright.errors import UserError
from loopwright.hashing import hash_file
from loopwright.plugins import PluginFile, load_file


def plugin(path: Path) -> PluginFile:
    return PluginFile("metrics", path, path.name, hash_file(path))


def test_a_file_that_changed_since_it_was_hashed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.py"
    path.write_text("SAID = 'hashed'\n", encoding="utf-8")
    hashed = plugin(path)
    path.write_text("SAID = 'exchanged'\n", encoding="utf-8")
    with pytest.raises(UserError, match="changed while it was being loaded"):
        load_file(hashed)
    assert load_file(plugin(path)).SAID == "exchanged"


def test_a_compiled_file_beside_the_source_is_not_run(tmp_path: Path) -> None:
    path, other = tmp_path / "metrics.py", tmp_path / "other.py"
    path.write_text("SAID = 'source'\n", encoding="utf-8")
    other.write_text("SAID = 'foreign'\n", encoding="utf-8")
    compiled = Path(importlib.util.cache_from_source(str(path)))
    py_compile.compile(str(other), cfile=str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, doraise=True)
    assert load_file(plugin(path)).SAID == "source"


def test_an_error_in_the_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.py"
    path.write_text("SAID = 1\nSAID.none\n", encoding="utf-8")
    with pytest.raises(UserError, match="AttributeError") as raised:
        load_file(plugin(path))
    assert raised.value.location == f"{path}:2"
