"""`prep fix migrate`: from the ledger of a folder to one a config."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.build.fix_ledger import Fix, append_fixes, load_fixes
from prep.build.run import build
from prep.cli.app import app
from prep.fixes.migrate import migrate_ledger
from tests.prep.helpers import Project, contents, make_project, reviews

ADD = Fix(op="add", after={"text": "Fine dumplings.", "label": "positive"}, reason="new")
GONE = Fix(op="drop", row_id="0" * 32, before={"text": "x"}, reason="long ago")


def drop_of(project: Project, out: str, line: int = 1) -> Fix:
    row = next(row for row in project.examples(project.folder / out) if row["line"] == line)
    return Fix(op="drop", row_id=row["row_id"], before={"text": json.loads(row["fields"])["text"]}, reason=f"{out} {line}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path, reviews(10))
    project.build()
    return project


@pytest.fixture
def theirs(project: Project) -> Path:
    """A second config, over rows of its own."""
    project.write_rows(reviews(10, first=100), "their rows.jsonl")
    config = yaml.safe_load(project.config.read_text()) | {"name": "theirs", "sources": [{"path": "their rows.jsonl"}]}
    path = project.write("theirs.yaml", yaml.safe_dump(config))
    build(path, project.folder / "theirs")
    return path


def shared(project: Project) -> Path:
    return project.folder / "fixes.jsonl"


def test_with_one_config_all_entries_move_and_the_dataset_is_as_before(project: Project) -> None:
    entries = [drop_of(project, "out"), GONE, Fix(op="keep", row_id="1" * 32, code="PII501", before_hash="h", reason="r")]
    append_fixes(shared(project), entries)
    before = project.build()
    examples = contents(project.out)["examples.parquet"]
    result = CliRunner().invoke(app, ["fix", "migrate", str(project.config), "--json"])
    assert json.loads(result.stdout) == {"ledger": str(project.folder / "mine.fixes.jsonl"), "moved": 3, "left": 0}
    assert not shared(project).exists()
    assert load_fixes(project.folder / "mine.fixes.jsonl") == entries
    after = project.build()
    assert (after.manifest.fixes.applied, after.notices) == (1, ())
    assert before.notices and contents(project.out)["examples.parquet"] == examples
    again = migrate_ledger(project.config)
    assert (again.num_moved, again.num_left) == (0, 0)


def test_of_two_configs_each_gets_the_entries_of_its_rows(project: Project, theirs: Path) -> None:
    mine, their = drop_of(project, "out"), drop_of(project, "theirs")
    append_fixes(shared(project), [mine, ADD, their, GONE])
    first = migrate_ledger(project.config)
    assert (first.num_moved, first.num_left, first.others) == (2, 3, (theirs,))
    assert load_fixes(project.folder / "mine.fixes.jsonl") == [mine, ADD]
    assert load_fixes(shared(project)) == [ADD, their, GONE]
    second = migrate_ledger(theirs)
    assert (second.num_moved, second.num_left, second.others) == (2, 1, ())
    assert load_fixes(project.folder / "theirs.fixes.jsonl") == [ADD, their]
    assert load_fixes(shared(project)) == [GONE]
    for config in (project.config, theirs):
        built = build(config, project.folder / f"{config.stem} again").manifest.fixes
        assert (built.applied, built.stale) == (2, [])


def test_an_entry_of_a_row_that_both_read_goes_to_both(project: Project, theirs: Path) -> None:
    theirs.write_text(theirs.read_text().replace("their rows.jsonl", "rows.jsonl"))
    mine = drop_of(project, "out")
    append_fixes(shared(project), [mine])
    assert (migrate_ledger(project.config).num_left, load_fixes(shared(project))) == (1, [mine])
    assert migrate_ledger(theirs).num_left == 0
    assert not shared(project).exists()
    assert load_fixes(project.folder / "mine.fixes.jsonl") == load_fixes(project.folder / "theirs.fixes.jsonl") == [mine]


def test_what_a_config_that_cannot_be_read_may_need_stays(project: Project, theirs: Path) -> None:
    mine = drop_of(project, "out")
    append_fixes(shared(project), [mine])
    (project.folder / "their rows.jsonl").unlink()
    assert (migrate_ledger(project.config).num_moved, load_fixes(shared(project))) == (1, [mine])
    assert migrate_ledger(project.config).num_moved == 0, "an entry that is there is not put there again"


def test_a_config_that_names_its_ledger_is_refused(project: Project) -> None:
    append_fixes(shared(project), [drop_of(project, "out")])
    project.configure(fixes="fixes.jsonl")
    with pytest.raises(UserError, match=r"the config names its fix ledger.*Take that line out"):
        migrate_ledger(project.config)
    project.configure()
    assert migrate_ledger(project.config).num_moved == 1
