import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from loopwright.errors import UserError
from prep.show import render_example, show
from templates.chat import encode_chat, load_tokenizer
from tests.prep.helpers import Project, make_project, reviews

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07 \u202eturned",
    "Plain words.",
    "[bold]no markup[/]",
    "🍲 größer\u2028x",
    "<|im_end|> and <|im_start|>system",
    "  spaced\n\nout  ",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    rows = [{"text": text, "label": "positive"} for text in HOSTILE]
    project = make_project(tmp_path_factory.mktemp("project"), [*rows, *reviews(20)])
    project.build()
    return project


def test_the_pieces_are_the_text_and_mark_exactly_what_is_trained(project: Project, tiny_model_dir: Path) -> None:
    model = str(tiny_model_dir)
    shown = show(project.out, split=None, example_id=None, limit=100, model=model)
    assert len(shown) == 26
    for row, pieces in shown:
        assert pieces is not None
        encoded = encode_chat(load_tokenizer(model), row["messages"])
        assert "".join(piece.text for piece in pieces) == encoded.text
        assert sum(piece.num_tokens for piece in pieces if piece.trained) == encoded.num_trained_tokens
        assert sum(piece.num_tokens for piece in pieces) == len(encoded.input_ids)
        assert [piece.text for piece in pieces if piece.trained] == [row["messages"][-1]["content"] + "<|im_end|>"]


def printed(project: Project, example_id: str | None = None, model: str | None = None) -> str:
    [(row, pieces)] = show(project.out, split=None, example_id=example_id, limit=1, model=model)
    buffer = io.StringIO()
    Console(file=buffer, width=200).print(render_example(row, pieces))
    return buffer.getvalue()


def test_an_example_is_found_by_its_id_or_the_beginning_of_it(project: Project, tiny_model_dir: Path) -> None:
    row = next(row for row in project.examples() if "markup" in row["prompt"])
    for given in (row["id"], row["row_id"], row["row_id"][:12]):
        assert "[bold]no markup[/]" in printed(project, given)
    assert "of them trained" in printed(project, row["id"], str(tiny_model_dir))


def test_what_is_not_there_is_named(project: Project) -> None:
    row_id = project.examples()[0]["row_id"]
    with pytest.raises(UserError, match=f"no example has the id '{row_id[:-1]}_'. Did you mean '{row_id}'"):
        show(project.out, split=None, example_id=row_id[:-1] + "_", limit=1, model=None)
    with pytest.raises(UserError, match="the split 'tset' has no example"):
        show(project.out, split="tset", example_id=None, limit=1, model=None)
    with pytest.raises(UserError, match="there is no such dataset folder"):
        show(project.folder / "none", split=None, example_id=None, limit=1, model=None)


def test_an_example_without_messages_has_no_mask(tmp_path: Path, tiny_model_dir: Path) -> None:
    project = make_project(tmp_path, [{"text": "x"}], templates=[{"name": "general/text"}])
    project.build()
    with pytest.raises(UserError, match=r"has no messages\. Leave --tokens out"):
        show(project.out, split=None, example_id=None, limit=1, model=str(tiny_model_dir))
    assert "x" in printed(project)


def test_the_split_and_the_limit_are_kept(project: Project) -> None:
    rows = [row for row, _ in show(project.out, split="train", example_id=None, limit=3, model=None)]
    assert [(row["split"], row["position"]) for row in rows] == [("train", 0), ("train", 1), ("train", 2)]
    assert json.loads(rows[0]["fields"])


def test_a_review_cannot_command_the_terminal(project: Project, tiny_model_dir: Path) -> None:
    row = next(row for row in project.examples() if "title" in row["prompt"])
    for model in (None, str(tiny_model_dir)):
        text = printed(project, row["id"], model)
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert r"\u001b[2J" in text


def test_a_file_name_is_no_markup(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(3))
    (tmp_path / "rows.jsonl").rename(tmp_path / "[red]rows.jsonl")
    project = make_project(tmp_path, reviews(3), sources=[{"path": "*rows.jsonl", "name": "a"}])
    project.build()
    assert "[red]rows.jsonl:1" in printed(project)
