import csv
import io
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loopwright.errors import UserError
from prep.build.fix_ledger import load_fixes
from prep.fixes.drafts import (
    DraftedFinding,
    FixDraft,
    apply_drafts,
    drafts_from_csv,
    drafts_table,
    drafts_to_csv,
    edit_in_editor,
    load_drafts,
    open_drafts,
    save_drafts,
    write_drafts,
)
from prep.fixes.table_files import read_table
from tests.prep.helpers import Project, make_project

EDIT = FixDraft(op="edit", row_id="a", place="rows.jsonl:1", before={"text": "old"}, after={"text": "new"}, reason="typo")
ADD = FixDraft(op="add", after={"text": None, "label": None}, reason="nothing is near")
DROP = FixDraft(op="drop", row_id="b", place="rows.jsonl:2", before={"text": "x"}, reason="no use", safe=True)
DRAFTS = [EDIT, ADD, DROP]
RISKY = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "'=1", "''=1", "'tis", "_x000D_", "a\rb\x0b", " a ", "=", "\n=1", "１", "#N/A"]

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
ANY_DRAFT = st.builds(
    FixDraft,
    accept=st.booleans(),
    op=st.sampled_from(["edit", "relabel", "add"]),
    row_id=st.text("abc", max_size=3),
    place=TEXT,
    before=st.dictionaries(st.sampled_from(["text", "label"]), st.none() | TEXT),
    after=st.dictionaries(st.sampled_from(["text", "label"]), st.none() | TEXT, min_size=1),
    reason=TEXT.filter(bool),
)


@given(st.lists(ANY_DRAFT, max_size=4))
def test_a_table_that_nobody_touched_changes_nothing(drafts: list[FixDraft]) -> None:
    assert drafts_from_csv(drafts_to_csv(drafts), drafts, "table") == drafts


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_DRAFT, max_size=4))
@example([EDIT.model_copy(update={"before": {"text": before}, "after": {"text": after}}) for before, after in pairwise(RISKY)])
@pytest.mark.parametrize("name", ["drafts.csv", "drafts.xlsx"])
def test_a_table_in_a_file_that_nobody_touched_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, drafts: list[FixDraft]
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    kept = write_drafts(path, drafts)
    assert open_drafts(path) == (kept, drafts)
    assert path.stat().st_mode & 0o777 == 0o600
    # Nor does what is read there differ from what was written.
    [header, *rows] = drafts_table(drafts)
    assert [[cells[column] for column in header] for _, cells in read_table(path).rows] == rows


def test_no_cell_runs_as_a_formula_and_a_csv_says_its_encoding(tmp_path: Path) -> None:
    drafts = [EDIT.model_copy(update={"after": {"text": text}}) for text in RISKY]
    for name in ("drafts.csv", "drafts.xlsx"):
        write_drafts(tmp_path / name, drafts)
    content = (tmp_path / "drafts.csv").read_text(encoding="utf-8")
    assert content.startswith("\ufeff")
    cells = [row["new"] for row in csv.DictReader(io.StringIO(content[1:], newline=""))]
    assert len(cells) == len(RISKY) and not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    sheet = openpyxl.load_workbook(tmp_path / "drafts.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}


def test_what_a_spreadsheet_saves_is_applied(project: Project) -> None:
    """It may save in the encoding of its country, and numbers as numbers."""
    table = project.folder / "table.csv"
    for encoding in ("cp1252", "utf-16"):
        write_drafts(table, [EDIT])
        edited = table.read_text(encoding="utf-8-sig").replace("1,no,", "1,yes,").replace("old,new,", "old,“new” für 5 €,")
        table.write_bytes(edited.encode(encoding))
        [fix] = apply_drafts(table, project.config, encoding=encoding if encoding == "cp1252" else "utf-8")
        assert fix.after == {"text": "“new” für 5 €"}
        (project.folder / "mine.fixes.jsonl").unlink()
    workbook = project.folder / "table.xlsx"
    write_drafts(workbook, [EDIT])
    book = openpyxl.load_workbook(workbook)
    book.active["B2"], book.active["G2"] = "yes", 5
    book.save(workbook)
    [fix] = apply_drafts(workbook, project.config)
    assert fix.after == {"text": "5"}
    assert load_drafts(project.folder / "table.jsonl") == []


def test_a_text_that_no_cell_holds_is_not_cut(tmp_path: Path) -> None:
    long = EDIT.model_copy(update={"after": {"text": "a" * 40_000}})
    with pytest.raises(UserError, match=r"40,000 characters .* Write the table as \.csv"):
        write_drafts(tmp_path / "a.xlsx", [long])
    write_drafts(tmp_path / "a.csv", [long])
    assert open_drafts(tmp_path / "a.csv")[1] == [long]


def test_another_operation_and_reason_are_taken(project: Project) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows[0].update(op="Drop", accept="yes", reason="it is no use")

    edited = in_spreadsheet(DRAFTS, change)
    assert (edited[0].op, edited[0].after, edited[0].before, edited[0].reason) == ("drop", {}, {"text": "old"}, "it is no use")
    assert in_spreadsheet(DRAFTS, lambda rows: rows[0].update(op="relabel"))[0].op == "relabel"
    assert apply_drafts(write(project, *edited), project.config) == [edited[0].to_fix()]


FOUND = EDIT.model_copy(update={"findings": (DraftedFinding(row_id="a", code="PII501", before_hash="h"),)})


@pytest.mark.parametrize("accept", ["yes", "no"])
def test_keep_says_no_to_the_draft_and_keeps_what_was_found(project: Project, accept: str) -> None:
    edited = in_spreadsheet([FOUND, DROP], lambda rows: rows[0].update(op="Keep", accept=accept))
    fixes = apply_drafts(write(project, *edited), project.config)
    reason = "looked at and kept; the draft was to edit: typo"
    assert fixes == load_fixes(project.folder / "mine.fixes.jsonl")
    entries = [json.loads(line) for line in (project.folder / "mine.fixes.jsonl").read_text().splitlines()]
    assert entries == [{"op": "keep", "row_id": "a", "code": "PII501", "before_hash": "h", "reason": reason}]
    assert load_drafts(project.folder / "drafts.jsonl") == [DROP]


def test_a_keep_goes_through_its_files_with_the_reason_that_a_person_gives(project: Project) -> None:
    [kept] = in_spreadsheet([FOUND], lambda rows: rows[0].update(op="keep", reason="the shop's own address"))
    path = write(project, kept)
    assert load_drafts(path) == [kept] == drafts_from_csv(drafts_to_csv([kept]), [kept], "table")
    [fix] = apply_drafts(path, project.config)
    assert (fix.op, fix.reason) == ("keep", "the shop's own address")


def test_a_draft_of_an_earlier_version_is_kept_by_the_rule_that_asked_for_it(project: Project) -> None:
    old = EDIT.model_copy(update={"before_hash": "h", "evidence": {"code": "GRM951", "message": "m", "related": []}})
    [fix] = apply_drafts(write(project, *in_spreadsheet([old], lambda rows: rows[0].update(op="keep"))), project.config)
    assert (fix.op, fix.row_id, fix.code, fix.before_hash) == ("keep", "a", "GRM951", "h")


def test_a_row_is_not_kept_and_changed_at_once(project: Project) -> None:
    other = accepted(EDIT, before={"label": "x"}, after={"label": "y"})
    [kept] = in_spreadsheet([FOUND], lambda rows: rows[0].update(op="keep"))
    with pytest.raises(UserError, match=r":1: the draft for rows\.jsonl:1 keeps a row that draft 2 changes"):
        apply_drafts(write(project, kept, other), project.config)
    assert [fix.op for fix in apply_drafts(write(project, kept, other.model_copy(update={"accept": False})), project.config)] == ["keep"]


def test_a_table_is_written_again_when_its_drafts_are_applied(project: Project) -> None:
    table = project.folder / "table.csv"
    write_drafts(table, [accepted(EDIT), DROP])
    assert [fix.op for fix in apply_drafts(table, project.config)] == ["edit"]
    # Its first line is the other draft now, which nobody has accepted.
    assert apply_drafts(table, project.config) == []
    assert open_drafts(table)[1] == [DROP]


@given(st.lists(ANY_DRAFT, max_size=4))
def test_drafts_come_back_from_their_file(tmp_path_factory: pytest.TempPathFactory, drafts: list[FixDraft]) -> None:
    path = tmp_path_factory.getbasetemp() / "drafts.jsonl"
    save_drafts(path, drafts)
    assert load_drafts(path) == drafts
    assert path.stat().st_mode & 0o777 == 0o600


def in_spreadsheet(
    drafts: list[FixDraft], change: Callable[[list[dict[str, str]]], None], delimiter: str = ",", mark: str = ""
) -> list[FixDraft]:
    """What a spreadsheet gives back: another delimiter, perhaps a byte-order mark, its own line ends."""
    rows = list(csv.DictReader(io.StringIO(drafts_to_csv(drafts), newline="")))
    change(rows)
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, drafts_table([])[0], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return drafts_from_csv(mark + buffer.getvalue(), drafts, "table.csv")


@pytest.mark.parametrize(("delimiter", "mark"), [(",", ""), (";", "\ufeff"), ("\t", "")])
def test_forty_rows_are_corrected_in_one_go(delimiter: str, mark: str) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows[0].update(accept="Yes", new="new, and; better\nby far")
        rows[1].update(accept="x", new="A new row.")
        rows[2].update(new="positive")

    edited = in_spreadsheet(DRAFTS, change, delimiter, mark)
    assert [draft.accept for draft in edited] == [True, True, False]
    assert edited[0].after == {"text": "new, and; better\nby far"}
    assert edited[1].after == {"text": "A new row.", "label": "positive"}
    assert DRAFTS[0].after == {"text": "new"}, "the drafts given are not changed"


def test_a_line_that_was_deleted_is_not_accepted() -> None:
    accepted = [draft.model_copy(update={"accept": True}) for draft in DRAFTS]
    assert [draft.accept for draft in in_spreadsheet(accepted, lambda rows: rows.__delitem__(0))] == [False, True, True]


def test_one_no_is_enough_where_yes_was_proposed() -> None:
    accepted = [ADD.model_copy(update={"accept": True})]
    [draft] = in_spreadsheet(accepted, lambda rows: rows[0].update(accept="no"))
    assert not draft.accept


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda rows: rows[0].update(accept="perhaps"), r"table\.csv:2: 'accept' is 'perhaps'\. Write yes or no"),
        (lambda rows: rows[0].update(draft="9"), r"table\.csv:2: there is no draft 9"),
        (lambda rows: rows[0].update(draft="²"), r"table\.csv:2: there is no draft ²"),
        (lambda rows: rows[0].update(draft=""), r"table\.csv:2: there is no draft \(empty\)"),
        (lambda rows: rows[0].update(op="keeep"), r"table\.csv:2: 'op' is 'keeep'\. Write one of: edit, relabel, drop, keep"),
        (lambda rows: rows[3].update(op="keep"), r"table\.csv:5: 'op' is 'keep', and the draft says of no finding which"),
        (lambda rows: rows[1].update(op="keep"), r"table\.csv:3: 'op' is 'keep'\. A new row can only be added"),
        (lambda rows: rows[1].update(op="drop"), r"table\.csv:3: 'op' is 'drop'\. A new row can only be added"),
        (lambda rows: rows[0].update(row="rows.jsonl:7"), r"table\.csv:2: draft 1 is of another row .* write the table again"),
        (lambda rows: rows[0].update(field="txt"), r"table\.csv:2: draft 1 has no field 'txt'\. It has: text"),
    ],
)
def test_a_table_that_no_longer_reads_is_refused_by_its_line(change: Callable[[list[dict[str, str]]], None], error: str) -> None:
    with pytest.raises(UserError, match=error):
        in_spreadsheet(DRAFTS, change)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_another_table_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="table:1: the table's header is not that of the drafts"):
        drafts_from_csv(text, DRAFTS, "table")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path)
    save_drafts(tmp_path / "drafts.jsonl", DRAFTS)
    return project


def write(project: Project, *drafts: FixDraft) -> Path:
    path = project.folder / "drafts.jsonl"
    save_drafts(path, list(drafts))
    return path


def accepted(draft: FixDraft, **changes: Any) -> FixDraft:
    return draft.model_copy(update={"accept": True, **changes})


def test_accepted_drafts_move_to_the_ledger_and_the_others_stay(project: Project) -> None:
    path = write(project, accepted(EDIT), ADD, DROP)
    [fix] = apply_drafts(path, project.config)
    assert (fix.op, fix.row_id, fix.before, fix.after, fix.reason) == ("edit", "a", {"text": "old"}, {"text": "new"}, "typo")
    assert load_fixes(project.folder / "mine.fixes.jsonl") == [fix]
    assert load_drafts(path) == [ADD, DROP]


def test_safe_takes_the_safe_ones_too(project: Project) -> None:
    path = write(project, EDIT, DROP)
    assert [fix.op for fix in apply_drafts(path, project.config, safe=True)] == ["drop"]
    assert load_drafts(path) == [EDIT]


def test_a_second_apply_does_nothing(project: Project) -> None:
    path = write(project, accepted(EDIT))
    apply_drafts(path, project.config)
    ledger = (project.folder / "mine.fixes.jsonl").read_bytes()
    assert apply_drafts(path, project.config) == []
    save_drafts(path, [accepted(EDIT)])  # killed between the two writes
    assert apply_drafts(path, project.config) == []
    assert (project.folder / "mine.fixes.jsonl").read_bytes() == ledger
    assert load_drafts(path) == []


def test_where_nothing_is_accepted_no_ledger_appears(project: Project) -> None:
    assert apply_drafts(write(project, EDIT), project.config) == []
    assert not (project.folder / "mine.fixes.jsonl").exists()


def test_a_draft_that_lacks_a_value_or_changes_nothing_is_refused_and_nothing_is_written(project: Project) -> None:
    path = write(project, accepted(DROP), accepted(ADD, after={"text": "x", "label": None}), accepted(EDIT, after={"text": "old"}))
    before = path.read_bytes()
    with pytest.raises(UserError) as error:
        apply_drafts(path, project.config)
    assert f"{path}:2: the draft for a new row has no value for 'label'. Fill it in" in str(error.value)
    assert f"{path}:3: the draft for rows.jsonl:1 changes nothing" in str(error.value)
    assert path.read_bytes() == before
    assert not (project.folder / "mine.fixes.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"op": "edit"}, r":1: the key 'reason' is missing\. Add 'reason:'\. Fix it, or"),
        ({"op": "keep", "reason": "r"}, r":1: 'op' is 'keep', and the draft says of no finding which"),
        ({"op": "edit", "reason": ""}, r":1: 'reason' is ''\. It must not be empty\."),
        ({"op": "edt", "reason": "r"}, r":1: 'op' is 'edt'\. Did you mean 'edit'\? Write 'edit', 'drop', 'relabel', 'add' or 'keep'\."),
        ({"op": "edit", "reason": "r", "after": {"#split": "test"}}, r":1: 'after\.#split"),
        ({"op": "edit", "reason": "r", "more": 1}, r":1: unknown key 'more'\. "),
    ],
)
def test_a_line_that_is_no_draft_is_refused(project: Project, line: dict[str, Any], error: str) -> None:
    path = project.write("drafts.jsonl", json.dumps(line))
    with pytest.raises(UserError, match=error):
        load_drafts(path)


EDITOR = """
import sys
path = sys.argv[-1]
text = open(path, encoding="utf-8", newline="").read()
text = "\\ufeff" + text.replace("1,no,", "1,yes,").replace("old,new,", "old,newest,")
open(path, "w", encoding="utf-8", newline="").write(text)
"""


def set_editor(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    script = folder / "my editor.py"
    script.write_text(program)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} '{script}' --wait")


def test_an_editor_changes_the_drafts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    set_editor(monkeypatch, project.folder, EDITOR)
    carriage = EDIT.model_copy(update={"after": {"text": "a\r\nb\rc"}})
    path = write(project, EDIT, carriage)
    changed = edit_in_editor(path)
    assert [(draft.accept, draft.after["text"]) for draft in changed] == [(True, "newest"), (False, "a\r\nb\rc")]
    assert load_drafts(path) == changed


@pytest.mark.parametrize(
    ("program", "error"),
    [("raise SystemExit(3)", "the editor .* failed"), ("import sys; open(sys.argv[-1], 'w').write('x')", "header is not that")],
)
def test_an_editor_that_fails_leaves_the_drafts(project: Project, monkeypatch: pytest.MonkeyPatch, program: str, error: str) -> None:
    set_editor(monkeypatch, project.folder, program)
    path = write(project, EDIT)
    with pytest.raises(UserError, match=error):
        edit_in_editor(path)
    assert load_drafts(path) == [EDIT]


def test_without_an_editor_the_other_way_is_shown(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    with pytest.raises(UserError, match="--to-csv"):
        edit_in_editor(write(project, EDIT))
    monkeypatch.setenv("VISUAL", "/no/such/editor")
    with pytest.raises(UserError, match="the editor '/no/such/editor' failed"):
        edit_in_editor(write(project, EDIT))


def test_a_slip_in_the_edited_table_does_not_lose_the_other_rows(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    set_editor(monkeypatch, project.folder, EDITOR.replace('"1,yes,"', '"1,yse,"'))
    path = write(project, EDIT)
    with pytest.raises(UserError, match=r"edited\.csv:2: 'accept' is 'yse'\. .* --from-csv .*edited\.csv"):
        edit_in_editor(path)
    kept = path.with_suffix(".edited.csv")
    assert kept.stat().st_mode & 0o777 == 0o600
    text = kept.read_text(encoding="utf-8").replace("yse", "yes")
    assert [(draft.accept, draft.after["text"]) for draft in drafts_from_csv(text, load_drafts(path), "t")] == [(True, "newest")]


VALUES = [
    "a\r\nb\rc\n",
    "=1+1",
    "'=1",
    "-5",
    "0.10",
    "1e3",
    '["a", "=b", 1]',
    " padded ",
    "a\u2028b\x85",
    "\ttab",
    "#N/A",
    "007",
    "TRUE",
    "\ufeffmark",
]


@pytest.mark.parametrize("name", ["drafts.csv", "drafts.xlsx", "drafts.jsonl"])
def test_a_dataset_says_what_was_written_into_the_table(tmp_path: Path, name: str) -> None:
    """From the table through drafts, ledger and build: no value is read as something else, and none of its characters is lost."""
    rows = [{"text": f"row {number}", "label": "positive", "tags": ["x", number]} for number in range(len(VALUES))]
    project = make_project(tmp_path, rows)
    project.write("mine.jinja", (tmp_path / "mine.jinja").read_text().replace("label: str}", "label: str, tags: str}"))
    project.build()
    examples = {row["line"]: row for row in project.examples()}
    drafts = []
    for line, value in enumerate(VALUES, 1):
        fields = json.loads(examples[line]["fields"])
        before = {"text": fields["text"], "tags": fields["tags"]}
        assert before["tags"] == f'["x",{line - 1}]'
        drafts.append(
            accepted(EDIT, row_id=examples[line]["row_id"], place=f"rows.jsonl:{line}", before=before, after=dict.fromkeys(before, value))
        )
    path = tmp_path / name
    write_drafts(path, drafts)
    assert [fix.after["text"] for fix in apply_drafts(path, project.config)] == VALUES
    assert project.build().manifest.fixes.applied == len(VALUES)
    fields = [json.loads(row["fields"]) for row in sorted(project.examples(), key=lambda row: row["line"])]
    assert [row["text"] for row in fields] == [row["tags"] for row in fields] == VALUES
