"""`prep templates check`, `new` and `import`: what they say, and that what they write is sound."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.templates import templates_app
from templates.check import check_template_file
from templates.starter import STARTERS, write_starter
from templates.template import load_template
from tests.templates.test_promptsource import YAML

HEADER = """---
name: mine/test
task: t
description: d
language: en
inputs: {text: str, label: str}
verbalizer: {a: good, b: bad}
example:
  fields: {text: Soup, label: a}
  renders: {prompt: "Soup:", target: " good"}
---
"""
BODY = "{% prompt %}{{ text }}:{% endprompt %}{% target %} {{ label | verbalize }}{% endtarget %}"


def problems(tmp_path: Path, source: str, model: str | None = None) -> list[tuple[str, str]]:
    path = tmp_path / "mine.jinja"
    path.write_text(source, encoding="utf-8")
    return [(problem.level, problem.message) for problem in check_template_file(str(path), model).problems]


def test_a_sound_template_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, HEADER + BODY) == []


@pytest.mark.parametrize(
    ("old", "new", "level", "message"),
    [
        ("text: Soup,", "", "error", "its example does not render: field 'text' is missing"),
        ('" good"}', '" bad"}', "error", "its example renders target ' good', and says ' bad'"),
        (', target: " good"}', "}", "error", "its example renders target ' good', and says None"),
        ("task: t\n", "", "warning", "it does not say its task, which the library requires"),
        ("label: str}", "label: str, more: str}", "warning", "the input 'more' is not used, and rows without it are dropped all the same"),
        ("b: bad", "b: good day", "warning", "the word 'good' of 'a' is the beginning of 'good day' of 'b'"),
        (' "Soup:"', ' "Soup: "', "warning", "its prompt ends on white space and its target begins with some"),
        (' " good"', ' "good"', "warning", "its target begins right after the prompt: 'Soup:good'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, level: str, message: str) -> None:
    source = (HEADER + BODY).replace(old, new)
    if '"Soup: "' in new:
        source = source.replace("}}:{% endprompt", "}}: {% endprompt")
    if '"good"' in new:
        source = source.replace("{% target %} ", "{% target %}")
    if "more" in new or "text: Soup" in old:
        source = source.replace("text: Soup", "more: x, text: Soup")
    assert any(found == level and said.startswith(message) for found, said in problems(tmp_path, source))


def test_an_example_that_is_missing_and_a_label_that_is_not_verbalized_are_said(tmp_path: Path) -> None:
    source = HEADER.replace("example:", "#").replace("  fields", "#").replace("  renders", "#") + BODY.replace(" | verbalize", "")
    assert {said.split(":")[0] for _, said in problems(tmp_path, source)} == {
        "it has no 'example'",
        "it has a verbalizer and puts no input through it, so that nothing is classified",
    }


def test_words_of_every_language_are_looked_at(tmp_path: Path) -> None:
    words = "verbalizer: {a: {en: good, zh: 好}, b: {en: bad, zh: 好坏}}"
    source = (HEADER + BODY).replace("verbalizer: {a: good, b: bad}", words)
    assert problems(tmp_path, source) == [("warning", "the word '好' of 'a' is the beginning of '好坏' of 'b'")]
    with pytest.raises(UserError, match="the word '好' is a word of 'a' and of 'b'"):
        problems(tmp_path, source.replace("好坏", "好"))


def test_words_are_looked_at_with_a_tokenizer(tmp_path: Path, tiny_model_dir: Path) -> None:
    model = str(tiny_model_dir)
    words = "verbalizer: {a: positive, b: [negative, positively wrong]}"
    source = (HEADER + BODY).replace("verbalizer: {a: good, b: bad}", words).replace(" good", " positive")
    path = tmp_path / "mine.jinja"
    path.write_text(source, encoding="utf-8")
    report = check_template_file(str(path), model)
    assert report.tokens is not None
    assert [(word.label, word.word) for word in report.tokens.words] == [("a", "positive"), ("b", "negative"), ("b", "positively wrong")]
    assert all("".join(word.tokens).strip() == word.word for word in report.tokens.words)
    said = [problem.message for problem in report.problems]
    assert "'a', 'b' begin with the same token ' ': only their whole sequences tell them apart" in said
    merged = source.replace("}}:{% endprompt", "}}: posit{% endprompt").replace('"Soup:"', '"Soup: posit"')
    merged = merged.replace("{% target %} ", "{% target %}").replace('" positive"', '"positive"').replace("{a: positive,", "{a: ive,")
    merged = merged.replace('target: "positive"', 'target: "ive"')
    assert any("merges with the end of the prompt" in said for _, said in problems(tmp_path, merged, model))


@pytest.mark.parametrize("form", STARTERS)
def test_a_starter_passes_its_check(tmp_path: Path, form: str) -> None:
    path = write_starter("mine/first", form, tmp_path)
    assert path == tmp_path / "mine" / "first.jinja"
    report = check_template_file(str(path))
    assert report.problems == []
    expected = {"text": "completion", "cloze": "verbalizer"}.get(form, form)
    assert load_template(path).forms == [expected] == report.forms
    assert "#" in path.read_text()


@pytest.mark.parametrize(
    ("name", "form", "error"),
    [
        ("../out", "chat", "'name' is '../out'"),
        ("mine/first", "poem", "there is no form 'poem'.*Forms: chat"),
        ("a/b", "chat", "is there already"),
    ],
)
def test_a_starter_that_cannot_be_is_refused(tmp_path: Path, name: str, form: str, error: str) -> None:
    if name == "a/b":
        write_starter(name, form, tmp_path)
    with pytest.raises(UserError, match=error):
        write_starter(name, form, tmp_path)


def test_the_commands_print_and_exit_as_they_say(tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = tmp_path / "mine.jinja"
    path.write_text(HEADER + BODY, encoding="utf-8")
    sound = run(templates_app, ["check", str(path)])
    assert (sound.exit_code, sound.stdout) == (
        0,
        "mine/test: verbalizer; compiled\n  prompt     'Soup:'\n  target     ' good'\nOK\n",
    )
    path.write_text((HEADER + BODY).replace("task: t\n", ""), encoding="utf-8")
    found = run(templates_app, ["check", str(path), "--json"])
    report = json.loads(found.stdout)
    assert (found.exit_code, report["sound"], report["path"]) == (1, False, "compiled")
    assert report["problems"] == [{"level": "warning", "message": "it does not say its task, which the library requires"}]
    assert run(templates_app, ["new", "mine/b", "--form", "cloze", "--out", str(tmp_path)]).stdout == f"{tmp_path / 'mine' / 'b.jinja'}\n"
    listed = {one["name"]: one for one in json.loads(run(templates_app, ["list", "--json"]).stdout)}
    assert listed["reviews/sentiment"]["labels"] == {"negative": ["negative"], "positive": ["positive"]}
    (tmp_path / "templates.yaml").write_text(YAML, encoding="utf-8")
    done = run(templates_app, ["import", "promptsource", str(tmp_path / "templates.yaml"), "--out", str(tmp_path / "out"), "--json"])
    assert json.loads(done.stdout) == {
        "files": 1,
        "templates": 3,
        "converted": 2,
        "refused": [{"template": "templates.yaml: broken", "reason": "it has no '|||', so that it has no answer"}],
    }
