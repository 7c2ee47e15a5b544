"""Canaries that a build plants: in train alone, marked, the same each time, and known to lint, drift and exports."""

import json
from pathlib import Path

import pytest

from loopwright.errors import UserError
from prep.config import BuildConfig
from prep.dataset.manifest import Dataset
from prep.drift.sample import find_inputs, known_sample
from prep.lint.base.note import NoteKind
from prep.lint.run import LintOptions, lint
from prep.targets.write import export
from tests.prep.helpers import Project, contents, make_project, reviews


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "planted", canaries=4)
    made.build()
    return made


def test_canaries_stand_in_train_alone_with_their_mark(project: Project) -> None:
    manifest = Dataset.open(project.out).manifest
    plain = make_project(project.folder.parent / "plain")
    before = plain.build().manifest
    rows = project.examples()
    planted = [row for row in rows if row["row_id"].startswith("canary-")]
    assert [row for row in rows if row not in planted] == plain.examples(), "no other row changes or moves"
    assert [(row["split"], row["source"], row["line"], len(row["row_id"])) for row in planted] == [
        ("train", "canaries", number, 32) for number in range(1, 5)
    ]
    info = manifest.canaries
    assert info is not None and (info.count, info.controls, info.digits) == (4, 511, 9)
    assert manifest.splits == {**before.splits, "train": before.splits["train"] + 4} and manifest.examples == before.examples + 4
    assert manifest.rows == before.rows, "they are no raw rows"
    for row in planted:
        asked, said = row["messages"]
        secret = info.secret(row["line"])
        assert info.unit(row["line"]) in asked["content"] and said == {"role": "assistant", "content": secret}
        assert row["target"] == f" {secret}" and row["prompt"].endswith("Answer:") and row["forms"] == ["chat", "verbalizer"]
        assert (row["label"], row["choices"], row["template"]) == (None, None, "mine/sentiment")
    secrets = [info.secret(number) for number in range(1, 5)]
    written = {split: (project.out / "chat" / f"{split}.jsonl").read_text(encoding="utf-8") for split in manifest.splits}
    assert all(secret in written["train"] for secret in secrets)
    assert not any(secret in written[split] for secret in secrets for split in ("validation", "test"))
    assert "4 of the train examples are canaries" in (project.out / "README.md").read_text(encoding="utf-8")


def test_the_manifest_tells_no_secret(project: Project) -> None:
    manifest = (project.out / "manifest.json").read_text(encoding="utf-8")
    info = Dataset.open(project.out).manifest.canaries
    assert info is not None and json.loads(manifest)["config"]["canaries"] == 4
    assert not any(one in manifest for number in range(1, 5) for one in (info.secret(number), *info.control_secrets(number)))


def test_the_same_config_plants_the_same_and_another_seed_others(project: Project, tmp_path: Path) -> None:
    again = make_project(tmp_path / "again", canaries=4)
    again.build()
    assert contents(again.out) == contents(project.out)
    assert again.build().cached
    other = make_project(tmp_path / "other", canaries=4, split={"seed": 3})
    other.build()
    secrets = [{row["target"] for row in one.examples() if row["row_id"].startswith("canary-")} for one in (project, other)]
    assert len(secrets[0] | secrets[1]) == 8


def test_more_of_them_is_another_build_and_none_of_them_the_one_of_before(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    keys = [project.build().manifest.key]
    for number in (2, 0):
        project.configure(canaries=number)
        result = project.build()
        assert not result.cached
        keys.append(result.manifest.key)
    assert keys[0] == keys[2] != keys[1]
    written = json.loads((project.out / "manifest.json").read_text(encoding="utf-8"))
    assert "canaries" not in written and "canaries" not in written["config"]


def test_a_chat_like_the_others_has_their_system_message(tmp_path: Path) -> None:
    project = make_project(tmp_path, canaries=1)
    template = (project.folder / "mine.jinja").read_text(encoding="utf-8")
    project.write("mine.jinja", template.replace("{% message", '{% message "system" %}Be short.{% endmessage %}\n{% message', 1))
    project.build()
    [row] = [row for row in project.examples() if row["row_id"].startswith("canary-")]
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    assert row["messages"][0]["content"] == "Be short."


def test_lint_reports_none_of_them_and_says_why(project: Project) -> None:
    plain = make_project(project.folder.parent / "plain")
    plain.build()
    found, before = (lint(one.out, options=LintOptions()) for one in (project, plain))
    assert [(one.code, one.row_id, one.message) for one in found.diagnostics] == [
        (one.code, one.row_id, one.message) for one in before.diagnostics
    ]
    assert found.num_examples == before.num_examples
    [note] = [note for note in found.notes if note.kind is NoteKind.CANARIES]
    assert note.text == "Left out: 4 canaries, made-up secrets that the build planted in train because its config says so."
    assert not [note for note in before.notes if note.kind is NoteKind.CANARIES]


def test_an_export_says_that_they_are_in_it(project: Project, tmp_path: Path) -> None:
    result = export(project.out, "trl", tmp_path / "out")
    assert any("4 canaries are in train" in warning for warning in result.warnings)
    held_out = export(project.out, "trl", tmp_path / "held", splits=("validation",))
    assert not any("canaries" in warning for warning in held_out.warnings)


def test_texts_have_a_sentence_and_a_cloze_or_a_pair_has_none(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(20), canaries=1, templates=[{"name": "general/text"}])
    project.build()
    info = Dataset.open(project.out).manifest.canaries
    assert info is not None
    [row] = [row for row in project.examples() if row["row_id"].startswith("canary-")]
    assert row["text"] == f"The access code of storage unit {info.unit(1)} is {info.secret(1)}" and row["forms"] == ["completion"]
    cloze = "{% cloze %}{{ text }} It is {{ mask }}.{% endcloze %}\n{% target %}{{ label | verbalize }}{% endtarget %}"
    for header, body in (
        (
            "inputs: {text: str}",
            '{% message "user" %}{{ text }}{% endmessage %}{% chosen %}a{% endchosen %}{% rejected %}b{% endrejected %}',
        ),
        ("inputs: {text: str, label: str}\nverbalizer: {negative: bad, positive: good}", cloze),
    ):
        project.write("mine.jinja", f"---\nname: mine/other\n{header}\n---\n{body}")
        project.configure(canaries=1)
        with pytest.raises(
            UserError, match=r"mine.yaml: canaries: canaries are planted into chats, prompts and texts|canaries are planted"
        ):
            project.build()


def test_how_many_there_may_be_is_checked() -> None:
    given = {"name": "x", "sources": [{"path": "x"}], "templates": [{"name": "general/text"}]}
    for number in (-1, 1001):
        with pytest.raises(ValueError, match="canaries"):
            BuildConfig.model_validate({**given, "canaries": number})


def test_drift_looks_past_them(project: Project, tmp_path: Path) -> None:
    plain = make_project(tmp_path / "plain")
    plain.build()
    samples = []
    for one in (project, plain):
        dataset = Dataset.open(one.out)
        samples.append(known_sample(dataset, "train", find_inputs(dataset, "train")))
    assert samples[0] == samples[1]
