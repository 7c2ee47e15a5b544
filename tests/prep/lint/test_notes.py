"""What lint says of a file beside its findings: which keys or columns it read as what."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.errors import UserError
from prep.cli.app import app
from prep.lint import cache
from prep.lint.base.note import Note, NoteKind
from prep.lint.base.report import LintReport
from prep.lint.cache import cached_lint
from prep.lint.frame.answer_columns import NamedColumns
from prep.lint.options import LintOptions
from prep.lint.reports import as_github, as_html, as_statistics, as_text, statistics_as_json
from prep.lint.reports.facts import PageReport
from prep.lint.run import lint
from tests.helpers import review, write_dataset
from tests.prep.helpers import make_project, reviews


def write(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


PAIR: dict[str, object] = {"prompt": "Where is my parcel?", "completion": "late"}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "It is late."}]}
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


def test_keys_that_nobody_reads_are_one_note(tmp_path: Path) -> None:
    annotated: dict[str, Any] = {"messages": [CHAT["messages"][0], {**CHAT["messages"][1], "annotator": "north"}], "lang": "en"}
    path = write(tmp_path / "train.jsonl", CHAT, annotated, annotated)
    (note,) = lint(path).notes
    assert note.kind is NoteKind.UNREAD
    assert note.message == f"lang, messages[].annotator: 2 rows, first at {path}:2"
    assert note.text.startswith("Not read: lang, ")


def test_a_built_dataset_says_what_its_build_did_not_read(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{**row, "stars": 5} for row in reviews(40)])
    project.build()
    (note,) = lint(project.out).notes
    assert note.message == "stars: 40 rows, first at rows.jsonl:1"


def the_read(report: LintReport) -> Note:
    """Returns the one note that says what was read as what."""
    [note] = [note for note in report.notes if note.kind is NoteKind.READ]
    return note


QUESTIONS = ("Where is parcel {}?", "I want my money back for order {}.")


def table(path: Path, answer: str, **others: str) -> Path:
    """Texts and labels, four of the texts twice and with both labels, and columns that say the same in each second row."""
    texts = [(QUESTIONS[number % 2].format(number), ("delivery", "refund")[number % 2]) for number in range(30)]
    texts += [(text, "refund" if label == "delivery" else "delivery") for text, label in texts[:4]]
    columns = [",".join([*others, "text", answer])]
    columns += [",".join([*(value.split("|")[number // 7 % 2] for value in others.values()), *row]) for number, row in enumerate(texts)]
    path.write_text("\n".join(columns) + "\n", encoding="utf-8")
    return path


ABOUT_ROWS = {
    "source": "mail|phone", "lang": "en|de", "split": "a|b", "license": "mit|cc0", "url": "a.org|b.org", "ticket_id": "1|2",
    "createdAt": "2024-01-01|2024-01-02", "source_type": "web|app",
}  # fmt: skip


@pytest.mark.parametrize(
    "answer", ["category", "intent", "class", "dept", "Kategorie", "was", "source_category", "user_mood", "intent_id", "label"]
)
def test_the_label_beside_a_text_is_read_whatever_it_is_called(tmp_path: Path, answer: str) -> None:
    report = lint(table(tmp_path / "0.csv", answer, **ABOUT_ROWS), options=LintOptions(select=("CON201",)))
    assert report.summary == {"CON201": 8}
    assert the_read(report).message == f"input: text, answer: {answer}"


@pytest.mark.parametrize("answer", ABOUT_ROWS)
def test_a_column_that_tells_of_the_row_is_no_label_of_its_text(tmp_path: Path, answer: str) -> None:
    note = the_read(lint(table(tmp_path / "0.csv", answer)))
    assert note.message == "text to continue: text"


def test_measures_and_names_beside_a_text_are_no_labels(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"Day {n} was good.", "score": n % 50, "title": f"The day {n}"} for n in range(200)]
    note = the_read(lint(write(tmp_path / "a.jsonl", *rows)))
    assert note.message == "text to continue: text"


def test_labels_are_found_in_a_file_that_is_sorted_by_them(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"Day {n} was good.", "mood": f"mood {n // 3000}"} for n in range(6_000)]
    note = the_read(lint(write(tmp_path / "a.jsonl", *rows), options=LintOptions(select=("CON201",))))
    assert note.message == "input: text, answer: mood"


def test_the_columns_can_be_named(tmp_path: Path) -> None:
    path = table(tmp_path / "0.csv", "category", source="mail|phone", note="old parcel|new order")
    for given, said in (
        (NamedColumns((), "source"), "input: text, answer: source"),
        (NamedColumns(("note", "text"), None), "input: note + text, answer: category"),
        (NamedColumns(("note",), "text"), "input: note, answer: text"),
    ):
        note = the_read(lint(path, options=LintOptions(columns=given)))
        assert note.message == said
    with pytest.raises(UserError, match="no record has the column 'categry'") as caught:
        lint(path, options=LintOptions(columns=NamedColumns((), "categry")))
    assert "category" in str(caught.value) and "--answer" in str(caught.value)


def test_named_columns_go_over_the_shape_that_keys_tell_and_not_into_a_built_dataset(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {**PAIR, "rating": 3}, {**PAIR, "rating": 4})
    result = CliRunner().invoke(
        app, ["lint", str(path), "--input", "prompt", "--answer", "rating", "--format", "json", "--fail-on", "never"]
    )
    assert json.loads(result.stdout)["notes"][0]["message"] == "input: prompt, answer: rating"
    with pytest.raises(UserError, match="Leave --input and --answer out"):
        lint(
            write_dataset(tmp_path / "data", [review("The soup was cold.", 0)]), options=LintOptions(columns=NamedColumns(("text",), None))
        )
