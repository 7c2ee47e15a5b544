"""The one door: contract, options, foreign files of every kind, hostile files, fixes, the commands."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from loopwright.command_line import make_app
from loopwright.errors import UserError
from prep.cli.lint import register
from prep.config import ExpectConfig
from prep.dataset.manifest import TemplateInfo
from prep.fixes.rule_drafts import make_drafts
from prep.lint.base.finding import Severity
from prep.lint.base.rule import find_rule
from prep.lint.reports import as_github, as_statistics, as_text
from prep.lint.run import LintOptions, LintReport, lint
from tests.helpers import DEFAULT_TEMPLATE, review, summary, write_dataset

CHAT = {"messages": [{"role": "user", "content": "Where is my parcel?"}, {"role": "assistant", "content": "At the depot."}]}


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def codes(report: LintReport) -> list[tuple[str, int | None]]:
    return [(one.code, one.line) for one in report.diagnostics]


# --- the contract ----------------------------------------------------------------------------------------------------------------


def test_the_json_contract(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", CHAT, CHAT, chat("write to a.b@example.com", "Done."))
    result = lint(path).as_json()
    assert set(result) == {"diagnostics", "summary", "skipped"}
    assert result["summary"] == {"DUP301": 1, "PII501": 1}
    assert {"LEK401", "LEK404", "LEN601", "LEN602"} <= {one["code"] for one in result["skipped"]}
    assert not {one["code"] for one in result["skipped"]} & set(result["summary"])
    duplicate, pii = result["diagnostics"]
    contract = ["code", "name", "severity", "id", "file", "line", "field", "message", "remedy", "related"]
    assert list(duplicate) == contract
    assert list(pii) == [*contract, "span", "kind"]
    assert (duplicate["name"], duplicate["line"], len(duplicate["related"])) == ("ExactDuplicate", 2, 1)
    assert duplicate["id"] == f"{duplicate['related'][0]}-2"
    assert (pii["kind"], pii["field"], pii["span"], pii["file"]) == ("EMAIL_ADDRESS", "messages[0].content", [9, 24], str(path))
    assert json.loads(json.dumps(result)) == result


def test_no_output_repeats_an_identifier(tmp_path: Path) -> None:
    secret = "dana.whitlock@example.com"  # also where another rule quotes the answer
    path = write_lines(tmp_path / "train.jsonl", chat("Who?", f"Mail {secret}."), chat("Who?", "Nobody."))
    report = lint(path)
    assert {"CON201", "PII501"} == set(report.summary)
    for text in (as_text(report), as_github(report), as_statistics(report), json.dumps(report.as_json())):
        assert secret not in text
    assert "[EMAIL_ADDRESS]" in as_text(report)


def test_ids_are_made_of_content(tmp_path: Path) -> None:
    first = lint(write_lines(tmp_path / "train.jsonl", chat("a", ""), CHAT)).diagnostics[0]
    moved = lint(write_lines(tmp_path / "train.jsonl", CHAT, chat("a", ""))).diagnostics[0]
    assert (first.id, first.line, moved.line) == (moved.id, 1, 2)


def test_an_empty_answer_is_reported_once(tmp_path: Path) -> None:
    rows = [chat(f"Question {index}", f"A whole answer to question {index}.") for index in range(30)]
    report = lint(write_lines(tmp_path / "train.jsonl", *rows, chat("Another", " ")))
    assert [one for one in codes(report) if one[1] is not None] == [("LEN603", 31)]


def test_a_shared_system_message_is_reported_once(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Send mails to help@example.com."}
    rows = [{"messages": [system, *chat(f"Question {index}", f"Answer {index}.")["messages"]]} for index in range(5)]
    report = lint(write_lines(tmp_path / "train.jsonl", *rows))
    assert [(one.line, one.field, one.span) for one in report.diagnostics] == [(1, "messages[0].content", (14, 30))]


# --- options ---------------------------------------------------------------------------------------------------------------------


def test_select_and_ignore_take_beginnings_of_codes(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", CHAT, CHAT, chat("a", ""))
    assert set(lint(path, options=LintOptions(select=("DUP",))).summary) == {"DUP301"}
    assert set(lint(path, options=LintOptions(ignore=("DUP", "FMT"))).summary) == {"LEN603"}
    with pytest.raises(UserError, match="no rule's code begins with 'DUP9'"):
        lint(path, options=LintOptions(select=("DUP9",)))


def test_thresholds_are_overridden_and_checked(tmp_path: Path) -> None:
    rows = [review(f"row {index}", int(index < 6)) for index in range(40)]
    path = write_dataset(tmp_path / "dataset", rows)
    assert "BAL101" in lint(path).summary
    assert "BAL101" not in lint(path, options=LintOptions(thresholds={"BAL101.evenness": 0.2})).summary
    with pytest.raises(UserError, match=r"unknown threshold 'BAL101.eveness'. Did you mean 'BAL101.evenness'"):
        lint(path, options=LintOptions(thresholds={"BAL101.eveness": 0.2}))


def test_the_config_of_a_dataset_counts(tmp_path: Path) -> None:
    rows = [review(f"row {index}", int(index < 6)) for index in range(40)]
    path = write_dataset(tmp_path / "dataset", [*rows, review("row 1", 1, id="x", row_id="x")])
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    manifest["config"] = {"lint": {"ignore": ["DUP"], "expect": {"label_share": {"positive": [0.1, 0.2]}}}}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert lint(path).summary == {}
    manifest["config"] = {"lint": {"expect": {"label_share": {"positive": [0.4, 0.6]}}}}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    report = lint(path)
    assert report.summary == {"BAL101": 1, "DUP301": 1}
    assert "outside the declared 40% to 60%" in report.diagnostics[0].message + report.diagnostics[1].message


def test_expectations_can_be_given_as_options(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"r{index}", "choices": ["no", "yes"], "label": index % 2, "target": ["no", "yes"][index % 2]} for index in range(60)
    ]
    options = LintOptions(expect=ExpectConfig(label_share={"yes": (0.8, 0.9)}))
    assert lint(write_lines(tmp_path / "train.jsonl", *rows), options=options).summary == {"BAL101": 1}


# --- built datasets --------------------------------------------------------------------------------------------------------------


def test_what_the_build_dropped_is_reported(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", [review("good soup", 1), review("bad soup", 0)])
    dropped = [
        {"source": "a.tsv", "line": 7, "id": "r7", "reason": "bad_json", "detail": "x"},
        {"source": "a.tsv", "line": 8, "id": "r8", "reason": "unknown_label", "detail": "'pos'"},
        {"source": "a.tsv", "line": 9, "id": "r9", "reason": "duplicate", "detail": ""},
        {"source": "a.tsv", "line": 10, "id": "r10", "reason": "empty_row", "detail": ""},
    ]
    write_lines(path / "dropped.jsonl", *dropped)
    found = [(one.code, one.line, one.severity.value) for one in lint(path).diagnostics]
    assert found == [("FMT001", 7, "warning"), ("CON204", 8, "warning"), ("FMT001", 10, "info")]


def test_one_row_under_two_templates_is_reported_once(tmp_path: Path) -> None:
    other = TemplateInfo(**{**DEFAULT_TEMPLATE.model_dump(), "name": "reviews/stars"})
    text = "write to a.b@example.com"
    rows = [
        review(text, 1, row_id="r0", id="r0/reviews/sentiment/0"),
        review(text, 1, row_id="r0", id="r0/reviews/stars/0", template="reviews/stars"),
    ]
    report = lint(write_dataset(tmp_path / "dataset", rows, templates=[DEFAULT_TEMPLATE, other]))
    assert [(one.code, one.id) for one in report.diagnostics] == [("PII501", "r0/reviews/sentiment/0")]


def test_drafts_name_the_row_and_the_field(tmp_path: Path) -> None:
    rows = [
        review("Great soup", 1, fields='{"text": "Great soup", "label": "positive"}'),
        review("great  soup", 1, fields='{"text": "great  soup", "label": "positive"}'),
        review("Bad fish", 0, fields='{"text": "Bad fish", "label": "negative"}'),
        review("bad fish", 1, fields='{"text": "bad fish", "label": "positive"}'),
        review("Mail a.b@example.com", 1, fields='{"text": "Mail a.b@example.com", "label": "positive"}'),
        review("Fish &amp; chips<br>x", 1, fields='{"text": "Fish &amp; chips<br>x", "label": "positive"}'),
        review("crÃ¨me", 1, fields='{"text": "crÃ¨me", "label": "positive"}'),
        review("Good rice", 1, fields='{"text": "Good rice", "label": "positive"}'),
        review("good rice", 1, split="test", fields='{"text": "good rice", "label": "positive"}'),
    ]
    drafts = make_drafts(lint(write_dataset(tmp_path / "dataset", rows)))
    surrogate = next(one for one in drafts if one["code"] == "PII501")["fields"]["text"]
    assert re.fullmatch(r"Mail [\w.]+@example\.(?:com|net|org)", surrogate)
    assert surrogate != "Mail a.b@example.com"
    found = {(one["code"], one["row_id"]): (one["op"], one["fields"], one["safe"]) for one in drafts}
    assert found == {
        ("DUP301", "row1"): ("drop", None, True),
        ("CON201", "row2"): ("edit", {"label": None}, False),
        ("CON201", "row3"): ("edit", {"label": None}, False),
        ("PII501", "row4"): ("edit", {"text": surrogate}, False),
        ("FMT008", "row5"): ("edit", {"text": "Fish & chips x"}, False),
        ("FMT007", "row6"): ("edit", {"text": "crème"}, True),
        ("LEK401", "row7"): ("drop", None, False),
    }
    assert all(set(one) == {"op", "row_id", "id", "code", "fields", "reason", "evidence", "safe", "findings"} for one in drafts)
    # A leak is found in the evaluation row, and mended in the training row.
    assert {one["code"]: one["findings"] for one in drafts if one["code"] in {"LEK401", "FMT007"}} == {
        "LEK401": ["row8"],
        "FMT007": ["row6"],
    }
    assert all(set(one["evidence"]) == {"code", "message", "related"} for one in drafts)


def test_a_draft_finds_the_answer_among_nested_fields(tmp_path: Path) -> None:
    fields = json.dumps({"turns": [{"speaker": "customer", "text": "Mail a.b@example.com"}], "summary": ""})
    drafts = make_drafts(lint(write_dataset(tmp_path / "dataset", [summary("customer: Mail a.b@example.com", "", fields=fields)])))
    found = {one["code"]: one["fields"] for one in drafts}
    assert found["LEN603"] == {"summary": None}
    [turn] = found["PII501"]["turns"]
    assert turn["speaker"] == "customer"
    assert turn["text"].startswith("Mail ") and "a.b@" not in turn["text"]


def test_foreign_files_get_no_drafts(tmp_path: Path) -> None:
    assert make_drafts(lint(write_lines(tmp_path / "train.jsonl", CHAT, CHAT))) == []


# --- hostile files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match="the file is empty"):
        lint(path)


def test_missing_files_and_other_formats_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the file does not exist"):
        lint(tmp_path / "none.jsonl")
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    assert {one.code for one in lint(tmp_path / "a.docx").diagnostics} == {"FMT001"}
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    with pytest.raises(UserError, match="not a readable Excel file"):
        lint(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match="parquet"):
        lint(tmp_path / "a.parquet")
    with pytest.raises(UserError, match="there is no manifest"):
        lint(tmp_path)
    (tmp_path / "wide.jsonl").write_bytes('{"prompt": "a", "completion": "b"}'.encode("utf-16-le"))
    with pytest.raises(UserError, match="UTF-16"):
        lint(tmp_path / "wide.jsonl")


def test_binary_junk_is_reported_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(bytes(range(256)) * 20)
    report = lint(path)
    assert report.num_examples == 0
    assert set(report.summary) == {"FMT001"}


def test_deep_nesting_and_long_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    deep = '{"text": ' + "[" * 10_000 + "]" * 10_000 + "}"
    half_deep = '{"text": "a", "more": ' + "[" * 900 + "]" * 900 + "}"
    long = json.dumps({"text": "soup " * 1_000_000})
    path.write_text("\n".join([deep, half_deep, long, json.dumps(CHAT)]), encoding="utf-8")
    report = lint(path)
    assert codes(report) == [("FMT001", 1)]
    assert report.num_examples == 3


def test_a_json_array_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([CHAT, chat("a", ""), 3], indent=1), encoding="utf-8")
    found = codes(lint(path))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [code for code, _ in found] == ["LEN603", "FMT002"]
    assert lines[(found[0][1] or 0) - 1].strip() == "{"
    assert lines[(found[1][1] or 0) - 1].strip() == "3"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "messages",
        "conversations",
        "prompt",
        "completion",
        "choices",
        "label",
        "target",
        "text",
        "instruction",
        "input",
        "output",
        "chosen",
        "rejected",
        "preferred_output",
        "non_preferred_output",
        "role",
        "content",
        "weight",
        "from",
        "value",
        "tool_calls",
    ]
)
_MESSAGE = st.dictionaries(_KEYS, _VALUES | st.sampled_from(["user", "assistant", "system", "tool"]), max_size=4)
_RECORD = st.dictionaries(_KEYS, _VALUES | st.lists(_MESSAGE, max_size=3), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_RECORD | _VALUES, min_size=1, max_size=12), junk=st.binary(max_size=20))
def test_lint_never_raises_on_whatever_lines(tmp_path: Path, rows: list[Any], junk: bytes) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode() + junk.replace(b"\xff\xfe", b"") + b"\n{}\n")
    report = lint(path)
    assert sum(report.summary.values()) == len(report.diagnostics)
    assert as_text(report)
    json.dumps(report.as_json(), ensure_ascii=False).encode()


# --- the commands ----------------------------------------------------------------------------------------------------------------

app = make_app("")
register(app)
runner = CliRunner()


def test_exit_codes(tmp_path: Path) -> None:
    clean = write_lines(tmp_path / "clean.jsonl", CHAT)
    warned = write_lines(tmp_path / "warned.jsonl", CHAT, CHAT)
    assert runner.invoke(app, ["lint", str(clean)]).exit_code == 0
    assert runner.invoke(app, ["lint", str(warned)]).exit_code == 1
    assert runner.invoke(app, ["lint", str(warned), "--fail-on", "error"]).exit_code == 0
    assert runner.invoke(app, ["lint", str(warned), "--fail-on", "never"]).exit_code == 0
    assert runner.invoke(app, ["lint", str(warned), "--ignore", "dup"]).exit_code == 0
    assert isinstance(runner.invoke(app, ["lint", str(tmp_path / "none.jsonl")]).exception, UserError)


def test_json_output_is_clean(tmp_path: Path) -> None:
    result = runner.invoke(app, ["lint", str(write_lines(tmp_path / "train.jsonl", CHAT, CHAT)), "--format", "json"])
    assert json.loads(result.stdout)["summary"] == {"DUP301": 1}


def test_text_output_is_capped_and_summed_up(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", *[CHAT] * 25, chat("a", ""))
    text = runner.invoke(app, ["lint", str(path)]).stdout
    assert text.index("LEN603") < text.index("DUP301")  # the worst first
    assert f"{path}:26: error: the answer is empty" in text
    assert f"warning: 24 of 26 rows (92.3%), such as {path}:2: exact duplicate of {path}:1" in text
    assert "1 error, 24 warnings in 26 examples." in text
    assert re.search(r"^\d+ rules not run.* \(--verbose lists them\)\.$", text, re.MULTILINE)
    assert re.search("Not run: .*LEN601.*: needs a tokenizer", runner.invoke(app, ["lint", str(path), "--verbose"]).stdout)
    assert re.search("Not run: LEN601: needs a tokenizer", runner.invoke(app, ["lint", str(path), "--select", "LEN601"]).stdout)
    statistics = runner.invoke(app, ["lint", str(path), "--statistics"]).stdout
    assert statistics.splitlines()[1].split() == ["1", "1", "3.8%", "LEN603", "error", "TinyTarget"]
    assert statistics.splitlines()[2].split() == ["24", "24", "92.3%", "DUP301", "warning", "ExactDuplicate"]


def test_github_output_escapes(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a,b.jsonl", chat("Who?", "50%"), chat("Who?", "60%"))
    text = runner.invoke(app, ["lint", str(path), "--format", "github"]).stdout
    first = text.splitlines()[0]
    assert first.startswith("::warning file=")
    assert "a%2Cb.jsonl,line=1,title=CON201 ConflictingLabels::conflicting answers: '50%25' here" in first


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("CON20", "CON201"),
        ("CON299", "'CON201' (ConflictingLabels)"),
        ("conflictinglabel", "'CON201' (ConflictingLabels)"),
        ("neardup", "'DUP302' (NearDuplicate)"),
        ("PII599", "'PII501' (PersonalIdentifier)"),
        ("zzz", "`prep rule` lists all"),
    ],
)
def test_an_unknown_rule_is_answered_with_the_nearest(asked: str, nearest: str) -> None:
    with pytest.raises(UserError) as error:
        find_rule(asked)
    remedy = error.value.remedy or ""
    assert nearest in remedy
    assert remedy.count("(") <= 3


def test_a_rule_is_found_by_its_name() -> None:
    assert find_rule("conflictinglabels").code == find_rule("con201").code == "CON201"


def test_the_rule_command() -> None:
    assert "## Fix safety" in runner.invoke(app, ["rule", "grm954"]).stdout
    assert "FMT001  UnreadableRow" in runner.invoke(app, ["rule"]).stdout
    error = runner.invoke(app, ["rule", "GRM99"]).exception
    assert isinstance(error, UserError)
    assert "Did you mean" in str(error)


def test_a_model_that_is_not_there_is_an_error_only_where_it_was_asked_for(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "dataset", [review("good soup", 1)])
    with pytest.raises(UserError, match="there is no model"):
        lint(path, options=LintOptions(model="./nowhere"))
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    manifest["config"] = {"model": "./nowhere"}
    (path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert {"LEN601", "LEN602"} <= {one.code for one in lint(path).skipped}


def test_fails_compares_severities(tmp_path: Path) -> None:
    report = lint(write_lines(tmp_path / "train.jsonl", CHAT, CHAT))
    assert report.fails(Severity.INFO)
    assert report.fails(Severity.WARNING)
    assert not report.fails(Severity.ERROR)
    assert not report.fails(None)
