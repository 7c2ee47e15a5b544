import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from loopwright.errors import UserError
from loopwright.models import cache_dir, is_hub_name, model_dir, resolve_model


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path / "cache"))


def test_a_known_model_that_is_not_fetched_says_how_to_fetch_it() -> None:
    with pytest.raises(UserError, match=r"not fetched yet.* Run: train models fetch embedded"):
        resolve_model("embedded")


def test_a_half_fetched_model_is_not_ready() -> None:
    folder = model_dir("embedded")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match="not fetched yet"):
        resolve_model("embedded")
    (folder / "model.safetensors").write_bytes(b"")
    assert resolve_model("embedded") == str(folder)


def test_a_folder_must_hold_a_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no config\.json in it"):
        resolve_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert resolve_model(str(tmp_path)) == str(tmp_path)


def test_a_hub_name_is_passed_on() -> None:
    assert resolve_model("organisation/model") == "organisation/model"


@pytest.mark.parametrize("name", ["embeded", "./missing/folder", "/missing", "a/b/c", "~/none", "a\\b", "organisation/", "-x/y"])
def test_nonsense_is_refused_with_what_may_be_given(name: str) -> None:
    assert not is_hub_name(name)
    with pytest.raises(UserError, match=r"there is no model .* Give a folder, a hub name .* embedded"):
        resolve_model(name)


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("LOOPWRIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "loopwright"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "loopwright"


@pytest.mark.parametrize(
    "load", ["from templates.chat import load_tokenizer as load", "from train.models.load import model_folder as load"]
)
def test_a_hub_that_does_not_answer_is_not_asked_again_and_again(tmp_path: Path, load: str) -> None:
    asked: list[socket.socket] = []

    def accept(server: socket.socket) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                asked.append(server.accept()[0])  # takes the connection, and says nothing

    with socket.create_server(("127.0.0.1", 0)) as silent:
        Thread(target=accept, args=(silent,), daemon=True).start()
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {**os.environ, "HF_ENDPOINT": place, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        program = f"{load}\nload('organisation/model')"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False, timeout=120)
        silent.shutdown(socket.SHUT_RDWR)
    for connection in asked:
        connection.close()
    assert "UserError: cannot load" in done.stderr
    assert "Retry" not in done.stderr
    assert 1 <= len(asked) <= 2
