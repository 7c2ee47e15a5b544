"""`--fix`: fixes go through the ledger, never into the raw file, until a round finds nothing more to fix or the loop says why it ends."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.build.fix_ledger import Fix, append_fixes, load_fixes
from prep.build.run import build
from prep.cli.app import app
from prep.dataset.manifest import Dataset
from prep.fixes import fixing
from prep.fixes.fixing import PlannedFix, find_config, fix, next_fixes
from prep.fixes.view import as_diff
from prep.lint.run import LintOptions

CONFIG = """\
name: reviews
sources: [{path: reviews.tsv, fields: {text: Review, label: Liked}}]
templates: [{name: reviews/sentiment}]
labels: {0: negative, 1: positive}
split: {train: 1, validation: 0, test: 0}
"""
ROWS = [
    ("A lovely soup and a kind waiter.", "1"),
    ("A lovely soup and a kind waiter.", "1"),
    ("The crÃ¨me brÃ»lÃ©e tasted of soap.", "0"),
    ("Write to ann.lee@mail-host.org or ann.lee@mail-host.org, they owe me a meal.", "0"),
    ("Bread, butter, and nothing else for an hour.", "0"),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    lines = ["Review\tLiked", *("\t".join(row) for row in ROWS)]
    (tmp_path / "reviews.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = tmp_path / "reviews.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    build(path, tmp_path / "out")
    return path


def texts(out: Path) -> list[str]:
    return [row["messages"][-2]["content"] for row in Dataset.open(out).examples().collect().iter_rows(named=True)]


def test_safe_fixes_are_made_and_the_raw_file_stays(config: Path) -> None:
    out = config.parent / "out"
    raw = (config.parent / "reviews.tsv").read_bytes()
    result = fix(out, config, LintOptions(), unsafe=False)
    assert all(one.safe for one in result.fixes)
    assert {one.code for one in result.fixes} == {"DUP301", "FMT007"}
    assert not {"DUP301", "FMT007"} & set(result.report.summary)
    assert any("crème brûlée" in text for text in texts(out))
    assert "PII501" in result.report.summary
    assert result.unfinished is not None
    assert "need --unsafe-fixes" in result.unfinished
    assert (config.parent / "reviews.tsv").read_bytes() == raw
    assert load_fixes(config.parent / "reviews.fixes.jsonl") == [one.fix for one in result.fixes]


def test_unsafe_fixes_end_clean_and_the_second_time_change_nothing(config: Path) -> None:
    out = config.parent / "out"
    result = fix(out, config, LintOptions(), unsafe=True)
    assert result.unfinished is None
    assert not {"PII501", "FMT007", "DUP301"} & set(result.report.summary)
    found = "\n".join(texts(out))
    assert "crème brûlée" in found
    assert "mail-host.org" not in found
    # The same address twice is the same invented one twice.
    invented = next(text for text in texts(out) if "they owe me" in text).split()
    assert invented[2] == invented[4].strip(",")
    again = fix(out, config, LintOptions(), unsafe=True)
    assert (again.fixes, again.num_rounds) == ((), 0)


def test_a_diff_shows_both_sides_without_the_identifier_and_changes_nothing(config: Path) -> None:
    out = config.parent / "out"
    shown = as_diff(next_fixes(out, config, LintOptions(), unsafe=True))
    assert "- text: Write to [EMAIL_ADDRESS] or [EMAIL_ADDRESS], they owe me a meal." in shown
    assert "PII501 (unsafe)" in shown
    assert "mail-host.org" not in shown
    assert not (config.parent / "reviews.fixes.jsonl").exists()
    assert len(texts(out)) == len(ROWS)


def test_a_loop_that_brings_forth_new_fixes_for_ever_ends_and_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixing, "MAX_ROUNDS", 0)
    result = fix(config.parent / "out", config, LintOptions(), unsafe=True)
    assert result.fixes == ()
    assert result.unfinished is not None
    assert "after 0 rounds" in result.unfinished


def test_a_fix_that_did_not_hold_is_not_made_again(config: Path) -> None:
    out = config.parent / "out"
    planned = next_fixes(out, config, LintOptions(), unsafe=True)
    assert planned
    append_fixes(config.parent / "reviews.fixes.jsonl", [one.fix for one in planned])
    assert next_fixes(out, config, LintOptions(), unsafe=True) == []


def test_a_diff_never_shows_half_an_identifier_where_it_is_cut(config: Path) -> None:
    address = "ann.lee@mail-host.org"
    words = " ".join(f"word{number}" for number in range(30))
    before, after = f"{words} {address} {words} teh soup {words} {address}", f"{words} {address} {words} the soup {words} {address}"
    edit = Fix(op="edit", row_id="1", before={"text": before}, after={"text": after}, reason="spelling")
    drop = Fix(op="drop", row_id="2", before={"text": "x" * 70 + " " + address}, after={}, reason="copy")
    shown = as_diff([PlannedFix("GRM951", "a.tsv:2", edit, safe=False), PlannedFix("DUP301", "a.tsv:3", drop, safe=True)])
    assert "teh soup" in shown
    assert "the soup" in shown
    assert not any(part in shown for part in ("ann", "lee", "mail", "host"))


def test_the_config_is_found_beside_the_dataset_or_asked_for(config: Path, tmp_path: Path) -> None:
    assert find_config(config.parent / "out", None) == config
    moved = config.rename(config.with_name("other.yaml"))
    with pytest.raises(UserError, match="Name it with --config"):
        find_config(moved.parent / "out", None)
    assert find_config(moved.parent / "out", moved) == moved
    with pytest.raises(UserError, match="--fix writes the ledger of a built dataset"):
        find_config(tmp_path / "reviews.tsv", None)
    with pytest.raises(UserError, match="nothing at this path"):
        find_config(tmp_path / "missing", None)


def test_the_command_writes_the_diff_where_it_is_told(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "diff.txt"
    done = CliRunner().invoke(app, ["lint", str(config.parent / "out"), "--diff", "--unsafe-fixes", "--out", str(out)])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "PII501 (unsafe)" in out.read_text(encoding="utf-8")


def test_fixes_of_a_dataset_take_no_test_file(config: Path) -> None:
    done = CliRunner().invoke(app, ["lint", str(config.parent / "out"), "--fix", "--test", str(config)])
    assert isinstance(done.exception, UserError)
    assert done.exception.location == "--test"
