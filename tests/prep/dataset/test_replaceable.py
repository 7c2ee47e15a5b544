"""What may be replaced: an older folder of one's own, and nothing else."""

import os
from pathlib import Path

import pytest

from evals.reports.results import check_out
from loopwright.errors import UserError
from prep.dataset.replaceable import Replaceable, check_replaceable, other_names

KIND = Replaceable(other_names({"a", "b"}), file=("a file", "Name a folder."), stranger=("'{stranger}' is none of ours", "Move it."))
MARKED = Replaceable(
    KIND.find_stranger,
    KIND.file,
    KIND.stranger,
    is_older=lambda folder: (folder / "a").exists(),
    unlike=("not ours at all", "Name another."),
)


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_text("x", encoding="utf-8")
    return path


def test_nothing_an_empty_folder_and_an_older_one_may_be_replaced(tmp_path: Path) -> None:
    for kind in (KIND, MARKED):
        check_replaceable(tmp_path / "none", kind)
        check_replaceable(folder_of(tmp_path / f"empty{id(kind)}"), kind)
        check_replaceable(folder_of(tmp_path / f"older{id(kind)}", "a", "b"), kind)
    check_replaceable(folder_of(tmp_path / "without its mark", "b"), KIND)


def test_files_and_other_folders_may_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "pipe"):
        with pytest.raises(UserError, match=rf"{name}: a file\. Name a folder\."):
            check_replaceable(tmp_path / name, KIND)
    with pytest.raises(UserError, match=r"'d\{stranger\}' is none of ours\. Move it\."):
        check_replaceable(folder_of(tmp_path / "strangers", "a", "z", "d{stranger}"), MARKED)
    with pytest.raises(UserError, match=r"not ours at all\. Name another\."):
        check_replaceable(folder_of(tmp_path / "unlike", "b", "z"), MARKED)


def test_an_evaluation_replaces_an_evaluation_alone(tmp_path: Path) -> None:
    check_out(folder_of(tmp_path / "older", "report.json", "predictions.parquet"), tmp_path / "data")
    with pytest.raises(UserError, match=r"something else than an evaluation: 'drafts\.jsonl'"):
        check_out(folder_of(tmp_path / "drafts", "report.json", "drafts.jsonl"), tmp_path / "data")
    with pytest.raises(UserError, match="the output folder is the dataset itself"):
        check_out(tmp_path / "data", tmp_path / "data")
