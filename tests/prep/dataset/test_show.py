import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.compare.preview import preview, render_preview
from prep.dataset.show import render_example, show
from templates.chat import load_tokenizer
from tests.helpers import encode_one
from tests.prep.helpers import TEMPLATE, Project, make_project, reviews

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
        encoded = encode_one(load_tokenizer(model), row["messages"])
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


def edited(project: Project, old: str, new: str, name: str = "edited.jinja") -> Path:
    assert old in TEMPLATE
    return project.write(name, TEMPLATE.replace(old, new))


def test_the_same_template_changes_nothing_in_a_dataset_or_a_config(project: Project) -> None:
    same = edited(project, "task: sentiment", "task: opinion")
    for path in (project.out, project.config):
        found = preview(path, same, limit=3)
        assert (found.num_examples, found.num_changed, found.samples) == (26, 0, [])


@pytest.mark.parametrize("source", ["out", "config"])
def test_an_edit_is_shown_part_by_part_and_counted(project: Project, source: str) -> None:
    found = preview(getattr(project, source), edited(project, "Opinion:", "The guest's opinion:"), limit=2)
    assert (found.num_changed, found.num_failing, len(found.samples)) == (26, 0, 2)
    [part] = found.samples[0].parts
    assert (part.part, part.after) == ("prompt", (part.before or "").replace("Opinion:", "The guest's opinion:"))
    rows = {row["line"]: row for row in project.examples()}
    assert all(rows[sample.line]["prompt"] == sample.parts[0].before for sample in found.samples)
    buffer = io.StringIO()
    Console(file=buffer, width=200).print(render_preview(found))
    assert "26 of 26 examples would change" in buffer.getvalue() and "[-Opinion-]{+The guest's opinion+}:" in buffer.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(buffer.getvalue())


def test_an_edit_that_concerns_some_rows_counts_those(project: Project) -> None:
    found = preview(project.out, edited(project, "{{ text | trim }}{% endmessage %}", "{{ text }}{% endmessage %}"), limit=9)
    assert found.num_changed == 1 and found.samples[0].parts[0].after == "  spaced\n\nout  "


def test_rows_that_can_no_longer_be_rendered_are_counted_with_the_reason(project: Project) -> None:
    found = preview(project.out, edited(project, "positive: good", "excellent: good"), limit=1)
    positive = sum(row["label"] == 1 for row in project.examples())
    assert found.num_failing == found.num_changed == positive > 0
    assert found.samples[0].error is not None and "positive" in found.samples[0].error


def test_a_config_maps_fields_and_labels_as_a_build_does(tmp_path: Path) -> None:
    rows = [{"Review": row["text"], "Liked": str(index % 2)} for index, row in enumerate(reviews(10))]
    sources = [{"path": "rows.jsonl", "fields": {"text": "Review", "label": "Liked"}}]
    project = make_project(tmp_path, rows, sources=sources, labels={"0": "positive", "1": "negative"})
    found = preview(project.config, edited(project, "Review:", "Text:"), limit=1)
    assert (found.num_examples, found.num_changed, found.num_failing) == (10, 10, 0)


def test_what_cannot_be_previewed_is_an_error(project: Project) -> None:
    more = edited(project, "inputs: {text: str, label: str}", "inputs: {text: str, label: str, stars: str}")
    with pytest.raises(UserError, match=r"needs the field 'stars', and the dataset .* keeps the fields text, label\. Give the config"):
        preview(project.out, more, limit=1)
    with pytest.raises(UserError, match="the rows have text, label"):
        preview(project.config, more, limit=1)
    run = CliRunner().invoke
    assert "--diff needs an edited template" in str(run(app, ["show", str(project.out), "--diff"]).exception)
    assert "--split has no meaning" in str(run(app, ["show", str(project.out), "--template", str(more), "--split", "test"]).exception)
    with pytest.raises(UserError, match="there is no such dataset"):
        show(project.folder / "none", split=None, example_id=None, limit=1, model=None)


def test_the_command_gives_the_preview_as_json(project: Project) -> None:
    same = edited(project, "Opinion:", "Liked:")
    shown = json.loads(CliRunner().invoke(app, ["show", str(project.out), "--diff", "--template", str(same), "-n", "2", "--json"]).stdout)
    assert (shown["template"], shown["examples"], shown["changed"], len(shown["samples"])) == ("mine/sentiment", 26, 26, 2)


def test_a_template_of_several_needs_the_name_of_the_one_that_it_stands_for(tmp_path: Path) -> None:
    project = make_project(tmp_path, templates=[{"path": "mine.jinja"}, {"name": "general/text"}])
    project.build()
    other = edited(project, "name: mine/sentiment", "name: mine/sentimnt")
    with pytest.raises(UserError, match=r"no template is called 'mine/sentimnt'\. Did you mean 'mine/sentiment'"):
        preview(project.out, other, limit=1)
    assert preview(project.out, edited(project, "Opinion:", "x:"), limit=1).num_examples == 40


def test_json_says_the_forms_as_a_list_and_in_one_text(project: Project) -> None:
    [shown] = json.loads(CliRunner().invoke(app, ["show", str(project.out), "--json"]).stdout)
    assert len(shown["forms"]) > 1 and shown["kind"] == "+".join(shown["forms"])
