"""The safe fixes of a file that no build wrote, made in a copy."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.fixes.file_fixing import fix_file, next_file_fixes
from prep.lint.options import LintOptions

OPTIONS = LintOptions(select=("DUP301", "FMT"))
GOOD = [{"prompt": f"What is dish {number}?", "completion": f"Soup {number}.", "by": number} for number in range(4)]
BROKEN = {"prompt": "Where is the cafÃ© of Ã…se?", "completion": "[1, 2]", "by": 9}
MENDED = {**BROKEN, "prompt": "Where is the café of Åse?"}


def write(path: Path, *records: Any) -> Path:
    lines = (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_safe_fixes_are_made_in_the_copy_and_the_file_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *GOOD, GOOD[1], BROKEN, "{cut", {"odd": 1}, MENDED)
    before = path.read_bytes()
    planned = next_file_fixes(path, OPTIONS)
    assert [(one.code, one.place, one.fix.op, one.safe) for one in planned] == [
        ("DUP301", f"{path}:5", "drop", True),
        ("FMT007", f"{path}:6", "edit", True),
    ]
    done = fix_file(path, tmp_path / "clean.jsonl", OPTIONS)
    # What was mended equals another record now; what has no known shape stays, and what nobody can read is told of.
    assert read(tmp_path / "clean.jsonl") == [*GOOD, MENDED, {"odd": 1}]
    assert ([one.code for one in done.fixes], done.num_written, done.unreadable) == (["DUP301", "FMT007", "DUP301"], 6, (f"{path}:7",))
    assert {one.code for one in done.report.diagnostics} == {"FMT002"}
    assert path.read_bytes() == before
    assert (tmp_path / "clean.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_chat_is_mended_within_its_messages_and_copies_are_told_apart(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": BROKEN["prompt"]}, {"role": "assistant", "content": "Here."}]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps([GOOD[0], chat, chat]), encoding="utf-8")  # on one line
    fix_file(path, tmp_path / "clean.jsonl", OPTIONS)
    mended = {"messages": [{"role": "user", "content": MENDED["prompt"]}, {"role": "assistant", "content": "Here."}]}
    assert read(tmp_path / "clean.jsonl") == [GOOD[0], mended]


def test_the_texts_of_a_table_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\n"Where is the cafÃ©?","[1, 2]"\nWhat?,"{""a"": 1}"\nWhat?,"{""a"": 1}"\n', encoding="cp1252")
    fix_file(path, tmp_path / "clean.jsonl", LintOptions(select=("DUP301", "FMT"), encoding="cp1252"))
    assert read(tmp_path / "clean.jsonl") == [
        {"prompt": "Where is the café?", "completion": "[1, 2]"},
        {"prompt": "What?", "completion": '{"a": 1}'},
    ]


def test_the_file_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *GOOD)
    (tmp_path / "link.jsonl").symlink_to(path)
    for place in (path, tmp_path / "link.jsonl"):
        with pytest.raises(UserError, match="would take the place of the file"):
            fix_file(path, place, OPTIONS)
    with pytest.raises(UserError, match="nothing is left"):
        fix_file(write(tmp_path / "b.jsonl", "{cut"), tmp_path / "clean.jsonl", OPTIONS)
    assert not (tmp_path / "clean.jsonl").exists()


def test_the_command_shows_them_first(tmp_path: Path) -> None:
    path, clean, report = write(tmp_path / "a.jsonl", *GOOD, GOOD[0]), tmp_path / "clean.jsonl", tmp_path / "report.txt"

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["lint", *map(str, arguments), "--select", "DUP301"])

    shown = run(path, "--diff")
    assert "DUP301: exact duplicate of another row" in shown.stdout and not clean.exists()
    assert run(path, "--fix", "--fix-to", clean, "--diff").stdout == shown.stdout and not clean.exists()
    done = run(path, "--fix", "--fix-to", clean, "--out", report)
    assert done.exit_code == 0 and read(clean) == GOOD and "DUP301" not in report.read_text(encoding="utf-8")
    for arguments, said in (
        ((path, "--fix"), "--fix-to CLEAN.jsonl"),
        ((path, "--fix-to", clean, "--unsafe-fixes"), "only safe fixes"),
        ((path, "--fix-to", clean, "--test", path), "by itself"),
        ((tmp_path, "--fix", "--fix-to", clean), "this is a dataset"),
    ):
        failed = run(*arguments)
        assert said in str(failed.exception), failed
