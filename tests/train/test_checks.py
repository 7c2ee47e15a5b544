"""What `loopwright doctor` says of torch, which is not imported for it."""

from importlib import metadata
from pathlib import Path

import pytest

from loopwright.machine import graphics_cards
from train.checks import check_torch


def card(folder: Path, answer: str, code: int = 0) -> None:
    """Writes a driver's program that sees this card."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)


def test_without_torch_the_remedy_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("train.checks.metadata.version", absent)
    (row,) = check_torch()
    assert (row["state"], row["remedy"]) == ("missing", "Run: pip install 'loopwright[train]'")


@pytest.mark.parametrize(("version", "code", "state"), [("2.13.0+cpu", 0, "failed"), ("2.13.0+cu130", 0, "ok"), ("2.13.0+cpu", 9, "ok")])
def test_a_card_that_torch_cannot_use_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, code: int, state: str
) -> None:
    card(tmp_path, "NVIDIA H200, 143771 MiB", code)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("train.checks.metadata.version", lambda name: version)
    assert graphics_cards() == (["NVIDIA H200, 143771 MiB"] if code == 0 else [])
    (row,) = check_torch()
    assert row["state"] == state and version in row["detail"]
