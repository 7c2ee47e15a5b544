"""Publishing: what goes, what stays, and when nothing may go."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.dataset.manifest import Dataset
from prep.targets.push import push
from tests.prep.helpers import Project, make_project, reviews


class FakeHub:
    """Stands for `huggingface_hub.HfApi`, and keeps what it was asked to do."""

    def __init__(self, *, is_public: bool = False, error: Exception | None = None) -> None:
        self.is_public = is_public
        self.error = error
        self.created: dict[str, Any] = {}
        self.uploaded: dict[str, Any] = {}

    def __call__(self, token: str) -> "FakeHub":
        assert token == "secret"
        return self

    def create_repo(self, name: str, **options: Any) -> str:
        self.created = {"name": name, **options}
        return f"https://huggingface.co/datasets/{name}"

    def repo_info(self, name: str, repo_type: str) -> SimpleNamespace:
        return SimpleNamespace(private=not self.is_public)

    def upload_folder(self, **options: Any) -> None:
        if self.error:
            raise self.error
        self.uploaded = options


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    made = make_project(tmp_path, [*reviews(40), {"text": "No label."}])
    made.build()
    (made.out / "build.log").write_text("/home/anna/secret-project", encoding="utf-8")
    return made


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub()
    monkeypatch.setattr("huggingface_hub.HfApi", fake)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "secret")
    return fake


def test_a_folder_gets_what_the_card_describes_and_loads(project: Project) -> None:
    result = push(project.out, "./published/reviews")
    out = project.folder / "published" / "reviews"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == result.files
    assert {"build.log", "dropped.jsonl"} <= set(result.kept_back)
    assert not {"build.log", "dropped.jsonl"} & set(result.files)
    assert Dataset.open(out).manifest == Dataset.open(project.out).manifest
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(out), "chat", cache_dir=str(project.folder / "cache"))
    assert sum(len(loaded[split]) for split in loaded) == 40


def test_dropped_rows_go_only_where_they_are_asked_for_and_stay_private(project: Project) -> None:
    result = push(project.out, "./published", with_dropped=True)
    assert "dropped.jsonl" in result.files
    assert (project.folder / "published" / "dropped.jsonl").stat().st_mode & 0o777 == 0o600
    assert "build.log" in result.kept_back


def test_the_hub_gets_the_same_files(project: Project, hub: FakeHub) -> None:
    to_folder = push(project.out, "./published")
    result = push(project.out, "anna/reviews", private=True)
    assert result.to == "https://huggingface.co/datasets/anna/reviews"
    assert hub.created == {"name": "anna/reviews", "repo_type": "dataset", "private": True, "exist_ok": True}
    assert hub.uploaded["allow_patterns"] == to_folder.files == result.files
    assert (hub.uploaded["repo_id"], hub.uploaded["folder_path"]) == ("anna/reviews", str(project.out))


def test_nothing_private_goes_to_a_public_repository(project: Project, hub: FakeHub) -> None:
    hub.is_public = True
    with pytest.raises(UserError, match="is there already and is public"):
        push(project.out, "anna/reviews", private=True)
    assert hub.uploaded == {}
    push(project.out, "anna/reviews")
    assert hub.uploaded


def test_without_a_token_nothing_is_tried(project: Project, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="there is no token") as error:
        push(project.out, "anna/reviews")
    assert "hf auth login" in str(error.value) and hub.created == {}


@pytest.mark.parametrize("error", [OSError("403 Forbidden\nrequest 1"), RuntimeError("403 Forbidden"), ValueError("403 Forbidden")])
def test_whatever_the_hub_client_raises_is_a_users_error(error: Exception, project: Project, hub: FakeHub) -> None:
    hub.error = error
    with pytest.raises(UserError, match="the hub did not take it: 403 Forbidden"):
        push(project.out, "hf://datasets/anna/reviews")


class Refusing(BaseHTTPRequestHandler):
    """A hub that knows nobody."""

    asked: ClassVar[list[tuple[str, str | None, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self.do_GET()

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


def test_the_real_client_asks_a_server_as_it_should_and_its_refusal_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_secret")
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(hub, "HfApi", partial(hub.HfApi, endpoint=f"http://127.0.0.1:{server.server_port}"))
        with pytest.raises(UserError, match=r"the hub did not take it: .*403") as error:
            push(project.out, "anna/reviews", private=True)
        server.shutdown()
    path, authorization, body = Refusing.asked[0]
    assert (path, authorization) == ("/api/repos/create", "Bearer hf_secret")
    assert {"name": "reviews", "organization": "anna", "type": "dataset"}.items() <= body.items()
    assert "hf_secret" not in str(error.value)


def test_a_name_that_could_be_a_folder_is_not_guessed(project: Project, hub: FakeHub) -> None:
    (project.folder / "anna").mkdir()
    with pytest.raises(UserError, match="can be a folder here or a name on the hub"):
        push(project.out, "anna/reviews")
    assert hub.created == {}
    assert push(project.out, "hf://anna/reviews").to.startswith("https://")
    assert push(project.out, "./anna/reviews").to == "anna/reviews"
    with pytest.raises(UserError, match="names no hub repository"):
        push(project.out, "hf://reviews")


def test_nothing_but_an_older_dataset_is_replaced(project: Project) -> None:
    mine = project.write("notes/thesis.tex", "years of work")
    with pytest.raises(UserError):
        push(project.out, str(mine.parent))
    with pytest.raises(UserError, match="in this folder already"):
        push(project.out, str(project.out))
    assert mine.exists() and (project.out / "manifest.json").exists()


def test_a_dataset_with_a_file_missing_is_not_published(project: Project) -> None:
    (project.out / "examples.parquet").unlink()
    with pytest.raises(UserError, match=r"a file of the dataset is missing: examples\.parquet"):
        push(project.out, "./published")


def test_without_the_hub_client_the_error_names_the_extra(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"'hub' extra"):
        push(project.out, "anna/reviews")


def test_the_command_prints_where_it_went(project: Project) -> None:
    done = CliRunner().invoke(app, ["push", str(project.out), "--to", "./published", "--json"])
    assert json.loads(done.stdout)["to"] == "published"
    assert "kept back: build.log, dropped.jsonl" in done.stderr
