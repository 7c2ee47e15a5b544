"""Which file is a config's fix ledger, and what is said of it."""

import json
from pathlib import Path

import pytest
import yaml

from loopwright.errors import UserError
from prep.build.fix_ledger import Fix, append_fixes, load_fixes
from prep.build.run import build
from prep.dataset.manifest import Dataset
from tests.prep.helpers import Project, contents, make_project, reviews

OLD = "fixes.jsonl"


def drop_first(project: Project, name: str) -> None:
    """Puts an entry into a ledger that drops the first row."""
    row = next(row for row in project.examples() if row["line"] == 1)
    text = json.loads(row["fields"])["text"]
    append_fixes(project.folder / name, [Fix(op="drop", row_id=row["row_id"], before={"text": text}, reason="no use")])


def write_sibling(project: Project, name: str = "theirs.yaml", **changes: object) -> Path:
    config = {**yaml.safe_load(project.config.read_text()), "name": "theirs", **changes}
    return project.write(name, yaml.safe_dump(config))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path, reviews(10))
    project.build()
    return project


def test_two_configs_of_a_folder_have_two_ledgers(project: Project) -> None:
    theirs = write_sibling(project)
    drop_first(project, "mine.fixes.jsonl")
    assert project.build().manifest.fixes.applied == 1
    result = build(theirs, project.folder / "theirs")
    assert (result.manifest.fixes.applied, result.manifest.fixes.stale, result.notices) == (0, [], ())
    assert result.manifest.config["fixes"] == "theirs.fixes.jsonl"


def test_an_old_ledger_with_one_config_beside_it_is_used_and_said(project: Project) -> None:
    drop_first(project, OLD)
    project.write("notes.yaml", "name: a\nsources: many\n")  # no config: it names no templates
    project.write("broken.yaml", "sources: [\ntemplates: [")
    project.write("elsewhere.yaml", "name: e\nsources: []\ntemplates: []\nfixes: e.fixes.jsonl\n")
    for _ in range(2):  # the second time nothing is built, and it is said all the same
        result = project.build()
        assert (result.manifest.fixes.applied, result.manifest.config["fixes"]) == (1, OLD)
        assert "is fixes.jsonl, as in earlier versions" in result.notices[0]
        assert f"prep fix migrate {project.config}" in result.notices[0]


@pytest.mark.parametrize("fixes", [None, OLD])
def test_with_two_configs_an_old_ledger_is_refused_and_both_remedies_work(project: Project, fixes: str | None) -> None:
    drop_first(project, OLD)
    write_sibling(project, "theirs.yml", **({"fixes": fixes} if fixes else {}))
    with pytest.raises(UserError, match=r"may be the fix ledger of mine\.yaml, or of theirs\.yml") as refused:
        project.build()
    assert refused.value.remedy is not None
    assert f"prep fix migrate {project.config}" in refused.value.remedy
    assert f"write 'fixes: fixes.jsonl' in {project.config}" in refused.value.remedy
    project.configure(fixes=OLD)
    assert project.build().manifest.fixes.applied == 1


def test_where_both_are_there_the_configs_own_is_used_and_the_old_one_named(project: Project) -> None:
    drop_first(project, OLD)
    project.write("mine.fixes.jsonl", "")
    write_sibling(project)
    result = project.build()
    assert result.manifest.fixes.applied == 0
    assert "fixes.jsonl is not read: the fix ledger of" in result.notices[0]


def test_ledgers_are_no_data_whosever_they_are(tmp_path: Path) -> None:
    project = make_project(tmp_path, reviews(10), sources=[{"path": "*.jsonl"}])
    write_sibling(project)
    project.build()
    for name in ("mine.fixes.jsonl", "theirs.fixes.jsonl", OLD):
        drop_first(project, name)
    project.write_rows(reviews(2, first=50), "more.fixes.jsonl")  # no config has that name
    result = project.build()
    assert (result.manifest.rows.read, result.manifest.rows.dropped) == (12, {"fix_drop": 1})


def test_where_no_ledger_is_the_name_of_one_changes_no_dataset(project: Project) -> None:
    key = Dataset.open(project.out).manifest.key
    project.configure(fixes=OLD)
    assert project.build().manifest.key == key, "runs that were trained on the one were trained on the other"


def test_a_kept_finding_makes_no_new_dataset(project: Project) -> None:
    keep = Fix(op="keep", row_id="a" * 32, code="PII501", before_hash="b", reason="r")
    append_fixes(project.folder / "mine.fixes.jsonl", [keep])
    assert project.build().cached
    drop_first(project, "mine.fixes.jsonl")
    append_fixes(project.folder / "mine.fixes.jsonl", [keep])
    with_keeps = project.build()
    assert (with_keeps.cached, with_keeps.manifest.fixes.applied, with_keeps.manifest.fixes.stale) == (False, 1, [])
    append_fixes(project.folder / "mine.fixes.jsonl", [keep])
    assert project.build().cached
    [kept, *_] = load_fixes(project.folder / "mine.fixes.jsonl")
    assert kept == keep
    files = contents(project.out)
    assert build(project.config, project.folder / "again").manifest.key == with_keeps.manifest.key
    assert contents(project.folder / "again") == files


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"op": "keep", "row_id": "a"}, r"mine\.fixes\.jsonl:1: 'keep' needs 'row_id', 'code' and 'before_hash'"),
        ({"op": "keep", "row_id": "a", "code": "X", "before_hash": "h", "after": {"text": "b"}}, "'keep' changes nothing"),
        ({"op": "drop", "row_id": "a", "code": "X"}, "'code' is of 'keep' alone, and this is 'drop'"),
    ],
)
def test_an_entry_that_says_what_its_operation_cannot_is_refused(project: Project, entry: dict[str, object], error: str) -> None:
    project.write("mine.fixes.jsonl", json.dumps({"reason": "r", **entry}))
    with pytest.raises(UserError, match=error):
        project.build()
