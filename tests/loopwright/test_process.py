"""What a command sets for its process."""

import os
import signal

import pytest

from loopwright.process import prepare_process


@pytest.mark.parametrize(("given", "kept"), [(None, "64"), ("7", "7")])
def test_few_kernels_are_kept_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch, given: str | None, kept: str) -> None:
    for name in ("GOMP_SPINCOUNT", "_RJEM_MALLOC_CONF", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)
    if given is not None:
        monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", given)
    before = signal.getsignal(signal.SIGTERM)
    try:
        prepare_process()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == kept
