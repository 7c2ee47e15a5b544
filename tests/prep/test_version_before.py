"""Datasets, baselines, ledgers and drafts of version 0.1.0, whose examples had their forms in one text: they are read as what they are."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.errors import UserError
from prep.build.run import build
from prep.compare.diff import diff
from prep.compare.preview import preview
from prep.dataset.manifest import FORMAT, Dataset
from prep.dataset.schema import EXAMPLE_SCHEMA
from prep.dataset.show import show
from prep.drift.sample import NewRows, find_inputs, known_sample, new_sample
from prep.fixes.drafts import apply_drafts, load_drafts
from prep.fixes.propose import propose
from prep.lint.run import LintOptions, lint
from prep.targets.write import export
from templates.form import Form
from tests.helpers import BEFORE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the version before wrote, as the current folder: its paths are relative."""
    shutil.copytree(BEFORE, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    return tmp_path / "before"


@pytest.fixture
def rebuilt(folder: Path) -> Path:
    """The same config, built by this version into another folder."""
    return build(folder / "forms.yaml", folder / "rebuilt").out


def rows_of(path: Path) -> list[dict[str, Any]]:
    return Dataset.open(path).examples().collect().to_dicts()


def test_its_examples_are_those_of_a_build_of_now(folder: Path, rebuilt: Path) -> None:
    old = Dataset.open(folder / "dataset")
    assert (old.manifest.format, Dataset.open(rebuilt).manifest.format) == (1, FORMAT)
    assert old.examples().collect_schema() == EXAMPLE_SCHEMA
    assert rows_of(folder / "dataset") == rows_of(rebuilt)
    assert old.examples("validation").collect()["split"].unique().to_list() == ["validation"]
    forms = {(row["template"], *row["forms"]) for row in rows_of(folder / "dataset")}
    assert forms == {
        ("mine/sentiment", "chat", "verbalizer"),
        ("mine/cloze", "verbalizer"),
        ("mine/note", "completion"),
        ("mine/pair", "preference"),
        ("mine/story", "completion", "preference"),
        ("mine/talk", "chat"),
        ("mine/maybe", "preference"),
        ("mine/maybe", "chat"),  # where the template gives no pair: `kind` was empty
    }
    assert old.manifest.template("mine/sentiment").forms == [Form.CHAT, Form.VERBALIZER]


def test_a_build_of_now_writes_the_same_files_but_for_the_forms(folder: Path, rebuilt: Path) -> None:
    old = {path.relative_to(folder / "dataset"): path.read_bytes() for path in (folder / "dataset").rglob("*") if path.is_file()}
    new = {path.relative_to(rebuilt): path.read_bytes() for path in rebuilt.rglob("*") if path.is_file() and path.name != "build.log"}
    assert old.keys() == new.keys()
    assert {str(path) for path in old if old[path] != new[path]} == {"examples.parquet", "manifest.json"}
    before, after = (json.loads(files[Path("manifest.json")]) for files in (old, new))
    assert (after.pop("format"), after.pop("unread")) == (FORMAT, {})
    for manifest, name in ((before, "kinds"), (after, "forms")):
        manifest["given"] = [template.pop(name) for template in manifest["templates"]]
        del manifest["files"]["examples.parquet"]
    assert before == after, "the key too: runs that were trained on the one were trained on the other"


def test_one_that_lies_at_out_is_built_again_and_not_returned(folder: Path) -> None:
    key = Dataset.open(folder / "dataset").manifest.key
    first = build(folder / "forms.yaml", folder / "dataset")
    assert (first.cached, first.manifest.key, first.manifest.format) == (False, key, FORMAT)
    assert "forms" in pl.read_parquet_schema(folder / "dataset" / "examples.parquet")
    assert build(folder / "forms.yaml", folder / "dataset").cached


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"format": FORMAT + 1}, "the dataset is of format 4, and this version reads up to 3"),
        ({"format": 2}, "the manifest is damaged or of another version"),  # with the keys of format 1
        ({"templates": [{"kinds": ["song"]}]}, "the manifest is damaged or of another version"),
    ],
)
def test_a_manifest_that_is_neither_is_refused(folder: Path, change: dict[str, Any], cause: str) -> None:
    path = folder / "dataset" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if change.get("format") == FORMAT + 1:
        manifest["templates"] = []
    path.write_text(json.dumps(manifest | change), encoding="utf-8")
    with pytest.raises(UserError, match=cause) as refused:
        Dataset.open(folder / "dataset")
    assert refused.value.remedy is not None and "uild the dataset again" in refused.value.remedy


def test_examples_of_a_third_schema_are_refused(folder: Path) -> None:
    path = folder / "dataset" / "examples.parquet"
    pl.read_parquet(path).with_columns(pl.col("kind").str.split("+")).write_parquet(path)
    with pytest.raises(UserError, match=r"examples\.parquet is damaged or of another version") as refused:
        Dataset.open(folder / "dataset").examples()
    assert refused.value.remedy == "Build the dataset again."


def test_a_row_of_it_without_a_kind_is_damage(folder: Path) -> None:
    path = folder / "dataset" / "examples.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(kind=pl.when(pl.int_range(pl.len()) != 3).then("kind")).write_parquet(path)
    with pytest.raises(UserError, match="a row has no 'forms'"):
        lint(folder / "dataset")


def test_lint_finds_what_it_found_but_for_the_pairs_that_were_no_conflict(folder: Path, rebuilt: Path) -> None:
    then = json.loads((folder / "lint.json").read_text(encoding="utf-8"))["diagnostics"]
    was_misread = [one for one in then if (one["code"], one["line"]) in {("CON201", 25), ("CON201", 26)}]
    assert [one["message"].split("'")[1] for one in was_misread] == ["Cover it and keep it cold.", "Freeze it the same day."]
    found = [lint(path, options=LintOptions()).as_json()["diagnostics"] for path in (folder / "dataset", rebuilt)]
    assert found[0] == found[1]
    places = [[_without_words(one) for one in some] for some in (found[0], [one for one in then if one not in was_misread])]
    assert places[0] == places[1]


def _without_words(diagnostic: dict[str, Any]) -> dict[str, Any]:
    """What a finding says to programs: its texts for people may be worded anew."""
    return {name: value for name, value in diagnostic.items() if name not in {"message", "remedy"}}


def test_its_lint_report_is_a_baseline(folder: Path) -> None:
    report = lint(folder / "dataset", options=LintOptions(baseline=folder / "lint.json"))
    assert (report.diagnostics, report.num_suppressed) == ((), 3)


def test_what_can_be_asked_of_a_dataset_is_answered_of_it(folder: Path, rebuilt: Path) -> None:
    answers = []
    for path in (folder / "dataset", rebuilt):
        shown = show(path, split=None, example_id=None, limit=100, model=None)
        changed = preview(path, folder / "templates" / "pair.jinja", limit=3)
        answers.append((shown, changed, [draft.model_dump() for draft in propose(path)]))
    assert answers[0] == answers[1]
    difference = diff(folder / "dataset", rebuilt, with_lint=True)
    assert difference.is_same
    assert (difference.config, difference.templates, difference.samples) == ({}, [], [])


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.UNPAIRED])
def test_it_is_exported_as_a_build_of_now_is(folder: Path, rebuilt: Path, form: Form) -> None:
    results = [export(path, "trl", folder / f"{path.name}-trl", form=form) for path in (folder / "dataset", rebuilt)]
    assert results[0].files == results[1].files != {}
    assert results[0].left_out == results[1].left_out
    for name in results[0].files:
        assert (results[0].out / name).read_bytes() == (results[1].out / name).read_bytes()


def test_new_rows_are_held_against_it(folder: Path, rebuilt: Path) -> None:
    new = NewRows(folder / "reviews.jsonl", "auto", ("text",), "label")
    samples = []
    for dataset in (Dataset.open(folder / "dataset"), Dataset.open(rebuilt)):
        inputs = find_inputs(dataset, "train")
        samples.append((inputs, known_sample(dataset, "train", inputs), new_sample(new, dataset, inputs)))
    assert samples[0] == samples[1]
    assert (samples[0][0].fields, samples[0][0].label_field) == (["text"], "label")


def test_its_drafts_and_its_ledger_are_gone_on_with(folder: Path) -> None:
    ledger = (folder / "fixes.jsonl").read_text(encoding="utf-8")
    drafts = load_drafts(folder / "drafts.jsonl")
    assert len(drafts) == 4
    lines = [draft.model_dump() for draft in drafts]
    lines[0] |= {"accept": True, "after": {"label": "positive"}}
    (folder / "drafts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert [fix.after for fix in apply_drafts(folder / "drafts.jsonl", folder / "forms.yaml")] == [{"label": "positive"}]
    assert (folder / "fixes.jsonl").read_text(encoding="utf-8").startswith(ledger)
    fixes = build(folder / "forms.yaml", folder / "dataset").manifest.fixes
    assert (fixes.applied, len(fixes.stale)) == (3, 1)
