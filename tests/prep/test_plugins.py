"""Code of a user's own in prep: rules, sources, shapes and targets that a config names, and whose code is never run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from loopwright.plugin_config import plugins_of
from loopwright.plugins import use_plugins
from prep.build.run import build
from prep.cli.app import app
from prep.dataset.manifest import Dataset
from prep.fixes.fixing import find_config, fix
from prep.lint.cache import cached_lint
from prep.lint.run import LintOptions, lint
from prep.sources.shapes.table import has_shape
from prep.targets.validation import validate
from prep.targets.write import export
from tests.prep.helpers import Project, make_project, reviews

RULE = '''
import polars as pl
from prep.lint.base.context import Context, Threshold
from prep.lint.base.finding import Finding, Severity
from prep.lint.base.rule import Rule


class SaysSoup(Rule):
    """An input that names the soup.

    ## What it does
    Looks for the word.

    ## Why is this bad
    It is cold.

    ## Example
    `The soup`.

    ## Fix safety
    Never fixed.
    """

    code = "MYR001"
    severity = Severity.WARNING
    remedy = "Order something else."
    columns = ("input",)
    thresholds = (Threshold("soups", 1, "one is enough"),)

    def check(self, examples: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        least = context.threshold(self, "soups")
        found = examples.filter(pl.col("input").str.count_matches("soup") >= least)
        return found.select(*Finding.where, message=pl.lit("the input names the soup"))
'''
SOURCE = '''
from collections.abc import Iterator
from prep.sources.raw_file import RawFile
from prep.sources.source import Record, RecordSource


class Pipes(RecordSource):
    """Text and label with a bar between them."""

    name = "pipes"
    suffixes = (".pipes",)

    def records(self, file: RawFile) -> Iterator[Record]:
        for line, text in enumerate(file.path.read_text(encoding="utf-8").splitlines(), start=1):
            said, label = text.split("|")
            yield line, {"text": said.strip(), "label": label.strip()}
'''
BUILD_SHAPE = '''
from typing import Any
from prep.sources.shapes.base import RecordShape
from prep.sources.strict_json import Keys


class Opinion(RecordShape):
    """Records with `comment` and `stars`. Adds `text` and `label`."""

    name = "opinion"
    reads = ("comment", "stars")
    makes = ("text", "label")

    def is_of_shape(self, record: Keys) -> bool:
        return bool(record["comment"] and record["stars"])

    def fields(self, record: Keys) -> dict[str, Any]:
        return {"text": record["comment"], "label": "positive" if int(record["stars"]) > 2 else "negative"}
'''
LINT_SHAPE = '''
from prep.sources.shapes.sample import Sample, SampleShape
from prep.sources.strict_json import Keys
from templates.form import Form


class OpinionSample(SampleShape):
    """The same for lint."""

    name = "opinion"
    keys = (("comment", "stars"),)
    precedence = 6

    def sample(self, record: Keys, keys: tuple[str, ...]) -> Sample:
        sample = Sample(Form.VERBALIZER, input=record["comment"], answer=str(record["stars"]))
        sample.input_field, sample.answer_field = keys
        return sample
'''
TARGET = '''
from typing import Any
from prep.targets.profile import Checker, Job, Profile
from prep.targets.rows import ExportRow
from templates.form import Form


class Mine(Profile):
    """Prompt and target, each under its own key."""

    name = "mine"
    title = "Mine"
    forms = (Form.VERBALIZER,)

    def convert(self, row: ExportRow, job: Job) -> dict[str, Any]:
        return {"ask": row.prompt, "say": row.target}

    def checker(self) -> Checker:
        return lambda row, found: None
'''
OPTIONS = LintOptions(select=("MYR",))


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def failed(result: Any) -> str:
    """Returns what a command was stopped by."""
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A dataset beside a config with a rule of its own; its second half says soup twice."""
    rows = [{**row, "text": row["text"] + (" More soup!" if index >= 20 else "")} for index, row in enumerate(reviews(40))]
    made = make_project(tmp_path / "project", rows, plugins={"rules": ["rules/soup.py"]})
    made.write("rules/soup.py", RULE)
    made.build()
    return made


def configure(project: Project, **changes: Any) -> None:
    project.configure(plugins={"rules": ["rules/soup.py"]}, **changes)


def test_a_rule_beside_the_dataset_is_found_selected_tuned_and_explained(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("lint", project.out, "--select", "MYR001", "--format", "json", "--no-cache")
    assert found.exit_code == 1 and {one["code"] for one in json.loads(found.stdout)["diagnostics"]} == {"MYR001"}
    assert len(lint(project.out, options=OPTIONS).diagnostics) == 40
    configure(project, lint={"thresholds": {"MYR001.soups": 2}, "severities": {"MYR": "info"}})
    project.build()
    quieter = lint(project.out, options=OPTIONS).diagnostics
    assert (len(quieter), {one.severity.value for one in quieter}) == (20, {"info"})
    page = run("rule", "myr001", "--config", project.config)
    assert "# MYR001 SaysSoup" in page.stdout and "`MYR001.soups` = 1: one is enough" in page.stdout
    assert "MYR001" in run("rule", "--config", project.config).stdout and "MYR001" not in run("rule").stdout
    assert "unknown rule 'MYR001'" in failed(run("rule", "MYR001"))
    configure(project, lint={"thresholds": {"MYR001.soup": 2}})
    project.build()
    with pytest.raises(UserError, match=r"unknown threshold 'MYR001\.soup'\. Did you mean 'MYR001\.soups'"):
        lint(project.out, options=OPTIONS)
    with pytest.raises(UserError, match=r"no rule's code begins with 'MYR002'\. Did you mean 'MYR001'"):
        lint(project.out, options=LintOptions(select=("MYR002",)))


@pytest.mark.parametrize("output", ["text", "github", "sarif", "html"])
def test_every_report_knows_an_own_rule(project: Project, tmp_path: Path, output: str) -> None:
    done = run("lint", project.out, "--format", output, "--out", tmp_path / "report")
    assert done.exit_code == 1, done.output
    assert "MYR001" in (tmp_path / "report").read_text(encoding="utf-8")


def test_a_training_file_is_linted_with_the_rules_of_a_config_that_is_named(project: Project) -> None:
    file = project.write("elsewhere.jsonl", '{"prompt": "Was the soup good?", "completion": "no"}\n')
    assert run("lint", file, "--select", "MYR", "--config", project.config, "--format", "json").stdout.count('"MYR001"') >= 1
    assert "no rule's code begins with 'MYR'" in failed(run("lint", file, "--select", "MYR"))


def test_lint_looks_again_when_one_byte_of_a_rule_has_changed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.lint.cache.cache_dir", lambda: project.folder / "cache")
    looked = []

    def spy(*given: Any, **named: Any) -> Any:
        looked.append(given)
        return lint(*given, **named)

    monkeypatch.setattr("prep.lint.cache.lint", spy)
    first = cached_lint(project.out, options=OPTIONS)
    again = cached_lint(project.out, options=OPTIONS)
    assert len(looked) == 1 and again.diagnostics == first.diagnostics
    project.write("rules/soup.py", RULE.replace("one is enough", "One is enough"))
    assert cached_lint(project.out, options=OPTIONS).diagnostics == first.diagnostics
    assert len(looked) == 2


def test_a_build_is_made_again_when_a_source_changes_and_not_when_a_rule_does(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=[{"path": "rows.pipes"}], plugins={"sources": ["pipes.py"], "rules": ["soup.py"]})
    project.write("rows.pipes", "".join(f"{row['text']} | {row['label']}\n" for row in reviews(40)))
    project.write("pipes.py", SOURCE)
    project.write("soup.py", RULE)
    assert (project.build().manifest.rows.kept, project.build().cached) == (40, True)
    project.write("soup.py", RULE + "#")
    assert project.build().cached
    project.write("pipes.py", SOURCE.replace("said.strip()", "said.strip().upper()"))
    changed = project.build()
    assert not changed.cached
    assert "THE SOUP NUMBER" in json.dumps(project.examples()[0])


def test_without_plugins_neither_key_nor_manifest_says_anything_of_them(tmp_path: Path) -> None:
    plain, empty, named = (make_project(tmp_path / name) for name in ("plain", "empty", "named"))
    empty.configure(plugins={"rules": []})
    named.configure(plugins={"rules": ["soup.py"]})
    named.write("soup.py", RULE)
    keys = {project.build().manifest.key for project in (plain, empty, named)}
    assert len(keys) == 1, "a rule is no part of what a build depends on"
    recorded = [Dataset.open(project.out).manifest.config for project in (plain, empty, named)]
    assert "plugins" not in recorded[0] and "plugins" not in recorded[1] and recorded[2]["plugins"]["rules"] == ["soup.py"]


def test_a_source_names_an_own_format_or_is_told_which_there_are(tmp_path: Path) -> None:
    project = make_project(tmp_path, sources=[{"path": "rows.txt", "format": "pipes"}], plugins={"sources": ["pipes.py"]})
    project.write("rows.txt", "".join(f"{row['text']} | {row['label']}\n" for row in reviews(40)))
    project.write("pipes.py", SOURCE)
    assert project.build().manifest.rows.kept == 40
    template = project.write("edited.jinja", (project.folder / "mine.jinja").read_text(encoding="utf-8").replace("Review", "Opinion"))
    assert run("show", project.config, "--diff", "--template", template).exit_code == 0
    project.configure(sources=[{"path": "rows.txt", "format": "pips"}], plugins={"sources": ["pipes.py"]})
    with pytest.raises(UserError, match=r"unknown source format 'pips'\. Did you mean 'pipes'"):
        project.build()


def test_a_shape_for_build_and_lint_is_one_file_and_either_half_will_do(tmp_path: Path) -> None:
    rows = [{"comment": row["text"], "stars": 4 if row["label"] == "positive" else 1} for row in reviews(40)]
    for name, text in (("both", BUILD_SHAPE + LINT_SHAPE), ("build", BUILD_SHAPE), ("lint", LINT_SHAPE)):
        project = make_project(tmp_path / name, rows, plugins={"shapes": ["opinion.py"]})
        project.write("opinion.py", text)
        source = project.folder / "rows.jsonl"
        found = lint(source, options=LintOptions(select=("FMT",)), config_path=project.config)
        assert (found.num_examples, found.diagnostics) == (40, ())
        with use_plugins(plugins_of(project.config)):
            assert has_shape({"comment", "stars"}) == (name != "build")
        assert not has_shape({"comment", "stars"})
        if name == "lint":
            with pytest.raises(UserError, match="needs the field"):
                project.build()
        else:
            assert project.build().manifest.rows.kept == 40
    project.write("opinion.py", "x = 1\n")
    with pytest.raises(UserError, match="the plug-in has no shape of records"):
        lint(source, config_path=project.config)


def test_a_target_is_exported_and_validated(tmp_path: Path) -> None:
    project = make_project(tmp_path, plugins={"targets": ["mine.py"]})
    project.write("mine.py", TARGET)
    project.build()
    out = tmp_path / "export"
    assert run("export", project.out, "--target", "mine", "--out", out).exit_code == 0
    assert json.loads((out / "train.jsonl").read_text(encoding="utf-8").splitlines()[0]).keys() == {"ask", "say"}
    assert run("validate", out / "train.jsonl", "--target", "mine", "--config", project.config).exit_code == 0
    with pytest.raises(UserError, match="unknown target 'mine'"):
        validate(out / "train.jsonl", "mine")
    with pytest.raises(UserError, match=r"unknown target 'min'\. Did you mean 'mine'"):
        export(project.out, "min", out)


EVIL = "from pathlib import Path\nPath(__file__).with_name('was-run').touch()\n" + RULE


@pytest.fixture
def stranger(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset that somebody sent, with his config and code in its folder, and nothing beside it."""
    folder = tmp_path / "inbox" / "stranger"
    shutil.copytree(project.out, folder)
    shutil.copy(project.config, folder)
    (folder / "rules").mkdir()
    (folder / "rules" / "soup.py").write_text(EVIL, encoding="utf-8")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return folder


def was_run(folder: Path) -> bool:
    return any(folder.parent.rglob("was-run"))


def test_a_dataset_of_a_strangers_runs_none_of_his_code(
    stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (tmp_path / "desk", stranger, stranger / "rules"):
        monkeypatch.chdir(place)
        assert "MYR001" not in lint(stranger, options=LintOptions()).ran
        said = capsys.readouterr().err.replace("\n", " ")
        assert "plug-ins that are not loaded (rules/soup.py): 'mine.yaml' is not beside it" in said and "--config" in said
        with pytest.raises(UserError, match="within the dataset's folder names plug-ins"):
            find_config(stranger, None)
        failed(run("lint", stranger, "--fix"))
    for name in ("stranger/mine.yaml", f"{stranger}/mine.yaml", "../inbox/stranger/mine.yaml"):
        record(stranger, config_path=name)
        lint(stranger)
    (stranger.parent / "mine.yaml").symlink_to(stranger / "mine.yaml")
    record(stranger, config_path="mine.yaml")
    lint(stranger)
    assert not was_run(stranger)
    lint(stranger, config_path=stranger / "mine.yaml")
    assert was_run(stranger), "whoever names the config wants its code"


def record(dataset: Path, **changes: Any) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    (dataset / "manifest.json").write_text(json.dumps({**manifest, **changes}), encoding="utf-8")


def test_the_config_counts_and_not_what_the_manifest_recorded(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert "MYR001" in lint(project.out).ran
    project.configure()
    capsys.readouterr()
    assert "MYR001" not in lint(project.out).ran and "plug-in" not in capsys.readouterr().err
    project.write("rules/other.py", RULE.replace("MYR001", "MYR007"))
    project.configure(plugins={"rules": ["rules/other.py"]})
    assert "MYR007" in lint(project.out).ran and "MYR001" not in lint(project.out).ran


@pytest.mark.parametrize(
    ("config", "why"), [("name: other\nplugins: {rules: [rules/soup.py]}\n", "is of another dataset"), ("a: [", "cannot be read")]
)
def test_a_config_that_is_not_the_datasets_loads_nothing(
    project: Project, config: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("mine.yaml", config)
    assert "MYR001" not in lint(project.out).ran
    assert why in capsys.readouterr().err.replace("\n", " ")


def test_the_working_folders_config_counts_as_it_does_for_fixes(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(project.out, tmp_path / "moved")
    assert "MYR001" not in lint(tmp_path / "moved").ran
    monkeypatch.chdir(project.folder)
    assert "MYR001" in lint(tmp_path / "moved").ran
    assert find_config(tmp_path / "moved", None) == Path.cwd() / "mine.yaml"


def test_fixes_are_drafted_by_an_own_rule(project: Project) -> None:
    drafting = "    def draft(self, finding, subject):\n        from prep.lint.base.subject import Draft\n\n"
    project.write("rules/soup.py", RULE + "\n" + drafting + "        return Draft('drop', 'no soup', safe=True)\n")
    configure(project, lint={"thresholds": {"MYR001.soups": 2}})
    project.build()
    drafts = project.folder / "drafts.jsonl"
    assert run("fix", "propose", project.out, "--out", drafts).exit_code == 0
    assert "MYR001" in drafts.read_text(encoding="utf-8")
    done = fix(project.out, project.config, OPTIONS, unsafe=False)
    assert (len(done.fixes), done.report.diagnostics) == (20, ())
    assert build(project.config, project.out).manifest.rows.kept == 20
