"""What lint says of a file beside its findings: which keys or columns it read as what."""

import json
from pathlib import Path

import pytest

from prep.lint import cache
from prep.lint.base.note import Note, NoteKind
from prep.lint.cache import cached_lint
from prep.lint.options import LintOptions
from prep.lint.reports import as_github, as_html, as_statistics, as_text, statistics_as_json
from prep.lint.reports.facts import PageReport
from prep.lint.run import lint


def write(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


PAIR: dict[str, object] = {"prompt": "Where is my parcel?", "completion": "late"}
CHAT = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "It is late."}]}
INSTRUCTION: dict[str, object] = {"instruction": "Translate.", "input": "Suppe", "output": "soup"}
WITHOUT_INPUT = {"instruction": "Tell me of the soup.", "input": "", "output": "It is warm."}
PREFERENCE = {"prompt": "How was it?", "chosen": "Very good.", "rejected": "Bad."}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([PAIR], ["input: prompt, answer: completion"]),
        ([INSTRUCTION, INSTRUCTION, WITHOUT_INPUT],
         ["input: instruction + input, answer: output (2 rows); input: instruction, answer: output (1 rows)"]),
        ([PREFERENCE], ["input: prompt, chosen: chosen, rejected: rejected"]),
        ([{"text": "It was warm."}], ["text to continue: text"]),
        ([CHAT, PAIR], ["chat: messages (1 rows); input: prompt, answer: completion (1 rows)"]),
        ([CHAT], []),
    ],
)  # fmt: skip
def test_what_was_read_as_what_is_said_once(tmp_path: Path, records: list[dict[str, object]], said: list[str]) -> None:
    report = lint(write(tmp_path / "train.jsonl", *records))
    assert report.notes == tuple(Note(NoteKind.READ, message) for message in said)


def test_each_of_two_files_has_a_note_of_its_own(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.jsonl", PAIR), write(tmp_path / "b.jsonl", INSTRUCTION)
    assert [(note.file, note.message) for note in lint(train, test=test).notes] == [
        (str(train), "input: prompt, answer: completion"),
        (str(test), "input: instruction + input, answer: output"),
    ]


def test_notes_stand_in_every_report_and_are_kept_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "cache_dir", lambda: tmp_path / "cache")
    path = write(tmp_path / "a.jsonl", PAIR)
    first = cached_lint(path, options=LintOptions())
    monkeypatch.setattr(cache, "lint", None)  # so that a second look would fail
    assert cached_lint(path, options=LintOptions()).notes == first.notes != ()
    line = "Read: input: prompt, answer: completion."
    page = lint(path, options=LintOptions(page=True))
    assert isinstance(page, PageReport)
    for text in (as_text(first), as_statistics(first), as_github(first), as_html(page, page.facts)):
        assert text.count(line) == 1
    noted = [{"kind": "read", "message": "input: prompt, answer: completion", "file": None, "remedy": None}]
    assert first.as_json()["notes"] == statistics_as_json(first)["notes"] == noted


def test_a_note_says_its_file_and_its_remedy() -> None:
    note = Note(NoteKind.READ, "input: a, answer: b", "c.csv", "Others: --answer.")
    assert note.text == "Read c.csv as: input: a, answer: b. Others: --answer."
