"""Findings as text, counts and annotations; the text that they point at, in every script and hostile."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from prep.lint.base.diagnostic import Diagnostic
from prep.lint.base.excerpts import Excerpt, cut_excerpt, make_excerpts, place_of
from prep.lint.base.finding import Severity
from prep.lint.base.report import LintReport, Skipped
from prep.lint.base.rule import RULES
from prep.lint.reports.github import SHOWN_BY_GITHUB, as_github
from prep.lint.reports.statistics import as_statistics, count_rules, statistics_as_json
from prep.lint.reports.text import as_text, format_share, shown_in_text, text_view
from prep.lint.reports.underline import underline
from prep.pii import mask, mask_around

FRAME = pl.LazyFrame(
    [
        {
            "id": "a",
            "system": "You help.",
            "input": "first\nsecond",
            "answer": "third",
            "rejected": None,
            "system_field": "messages",
            "input_field": "messages",
            "answer_field": "messages[3].content",
            "rejected_field": "rejected",
            "messages": [
                {"role": "system", "content": "You help."},
                {"role": "user", "content": "first"},
                {"role": "user", "content": "second"},
                {"role": "assistant", "content": "third"},
            ],
        },
        {
            "id": "b",
            "system": "",
            "input": "Write to jane.doe@example.com today.",
            "answer": "",
            "rejected": "No.",
            "system_field": "system",
            "input_field": "prompt",
            "answer_field": "completion",
            "rejected_field": "rejected",
            "messages": None,
        },
    ]
)
BASE = Diagnostic(
    code="GRM952",
    name="UnsupportedFact",
    severity=Severity.WARNING,
    id="a",
    row_id="a",
    file="train.jsonl",
    line=3,
    field=None,
    span=None,
    kind=None,
    score=None,
    message="a word is doubled",
    remedy="Write it once.",
    related=(),
)


def found(**changes: Any) -> Diagnostic:
    return replace(BASE, **changes)


def report(*diagnostics: Diagnostic, num_examples: int = 10, skipped: tuple[Skipped, ...] = ()) -> LintReport:
    ran = tuple(sorted(set(RULES.entries) - {one.code for one in skipped}))
    return LintReport(Path("train.jsonl"), diagnostics, skipped, num_examples, built=False, ran=ran)


def one_excerpt(**changes: Any) -> Excerpt | None:
    one = found(**changes)
    return make_excerpts(FRAME, [one]).get(place_of(one))


# --- excerpts --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "field", "span", "marked"),
    [
        ("a", "messages[2].content", (0, 3), "sec"),
        ("a", "messages[3].content", (1, 5), "hird"),
        ("a", "answer", (0, 5), "third"),
        ("a", "messages", (6, 12), "second"),  # no single message: the joined input
        ("a", "messages[0].content", (0, 3), "You"),
        ("b", "rejected", (0, 2), "No"),
        ("b", "prompt", (0, 5), "Write"),
        ("b", "input", (30, 35), "today"),
    ],
)
def test_a_field_is_found_by_the_records_name_and_by_the_frames(row: str, field: str, span: tuple[int, int], marked: str) -> None:
    excerpt = one_excerpt(id=row, field=field, span=span)
    assert excerpt is not None
    assert excerpt.marked == marked


@pytest.mark.parametrize(
    "changes",
    [
        {"field": "nowhere", "span": (0, 1)},
        {"field": "answer", "span": (3, 99)},  # past the end
        {"field": "messages[9].content", "span": (0, 1)},
        {"field": None},
        {"id": None, "field": "answer"},
        {"id": "not there", "field": "answer"},
        {"id": "b", "field": "completion"},  # empty
    ],
)
def test_what_is_not_there_has_no_excerpt(changes: dict[str, Any]) -> None:
    assert one_excerpt(**changes) is None


def test_a_mapped_field_is_found_where_the_frame_keeps_them() -> None:
    one = found(id="a", field="note", span=(0, 4))
    assert make_excerpts(FRAME.with_columns(fields=pl.lit('{"note": "Late again", "stars": 3}')), [one])[place_of(one)].marked == "Late"


def test_an_identifier_is_shown_as_its_kind_and_underlined_whole() -> None:
    excerpt = one_excerpt(id="b", code="PII501", kind="EMAIL_ADDRESS", field="prompt", span=(9, 29))
    assert excerpt == Excerpt("Write to ", "[EMAIL_ADDRESS]", " today.")
    assert one_excerpt(id="b", field="prompt", span=(14, 17)) == excerpt  # another rule, at a part of it


def test_what_only_the_rule_knows_for_an_identifier_is_hidden_too() -> None:
    excerpt = one_excerpt(id="b", code="PII502", kind="PERSON", field="prompt", span=(0, 5))
    assert excerpt is not None
    assert (excerpt.before, excerpt.marked) == ("", "[PERSON]")


def test_a_cut_never_uncovers_an_identifier() -> None:
    address = f"http://user:{'p4ss' * 45}@example.com/"
    text = f"{'word ' * 300}{address} {'word ' * 900}"
    start = text.index("http")
    for span in (
        (start + 100, start + 110),
        (start - 20, start - 10),
        (start + len(address) + 1, start + len(address) + 5),
        (start + 3050, start + 3054),
    ):
        excerpt = cut_excerpt(text, span)
        assert "p4ss" not in excerpt.before + excerpt.marked + excerpt.after


def test_an_excerpt_of_a_long_text_is_short() -> None:
    excerpt = cut_excerpt("ab " * 2_000_000, (3_000_000, 3_000_002))
    assert len(excerpt.before + excerpt.marked + excerpt.after) < 600
    assert excerpt.cut_before and excerpt.cut_after and not excerpt.cut_between
    assert cut_excerpt("ab " * 2_000_000, (10, 5_000_000)).cut_between
    assert len(cut_excerpt("ab " * 2_000_000, None).before) < 600


WORDS = st.lists(
    st.sampled_from(["word", "a.b@example.com", "[EMAIL_ADDRESS]", "+1 312-555-0148", "[URL]", " ", "\n", "é", "表"]), max_size=9
)


@given(words=WORDS, ends=st.tuples(st.integers(0, 80), st.integers(0, 80)))
def test_masking_around_a_span_keeps_what_it_does_not_touch(words: list[str], ends: tuple[int, int]) -> None:
    text = " ".join(words)
    start, end = sorted(min(one, len(text)) for one in ends)
    masked, (low, high) = mask_around(text, (start, end))
    assert masked == mask(text)
    assert 0 <= low <= high <= len(masked)
    if masked == text:
        assert (low, high) == (start, end)
    if mask(text[:start]) + mask(text[start:end]) + mask(text[end:]) == masked:  # the span cuts through no identifier
        assert masked[low:high] == mask(text[start:end])


# --- underlining -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span", "line", "note"),
    [
        ("a word word here", (7, 11), "a word word here", "       ^^^^"),
        ("漢字かな交じり文", (2, 4), "漢字かな交じり文", "    ^^^^"),
        ("👩‍👩‍👧 is one", (0, 5), "👩‍👩‍👧 is one", "^^"),
        ("e\u0301 and x", (0, 2), "e\u0301 and x", "^"),
        ("e\u0301 and x", (7, 8), "e\u0301 and x", "      ^"),
        ("a\tb\nc d", (6, 7), "a⇥b↵c d", "      ^"),
        ("x\x1b[2Jy", (5, 6), "x\\u001b[2Jy", "          ^"),
        ("zero\u200bwidth", (4, 5), "zero\\u200bwidth", "    ^^^^^^"),
        ("tag \U000e0041", (4, 5), "tag \\U000e0041", "    ^^^^^^^^^^"),
        ("שלום עולם טוב", (5, 9), "שלום עולם טוב", "^ here: עולם"),
        ("two  spaces", (3, 5), "two  spaces", "   ^^"),
        ("a\u00a0b", (1, 2), "a\\u00a0b", " ^^^^^^"),
    ],
)
def test_the_underline_stands_under_what_it_marks(text: str, span: tuple[int, int], line: str, note: str) -> None:
    laid_out = underline(cut_excerpt(text, span), 100)
    assert (laid_out.line, laid_out.note) == (line, note)


@given(text=st.text(max_size=300), ends=st.tuples(st.integers(0, 300), st.integers(0, 300)), width=st.integers(30, 120))
def test_any_text_is_laid_out_on_one_line_that_fits(text: str, ends: tuple[int, int], width: int) -> None:
    start, end = sorted(min(one, len(text)) for one in ends)
    laid_out = underline(cut_excerpt(text, (start, end) if start < end else None), width)
    assert cell_len(laid_out.line) <= width + 2  # a letter and its marks are never parted
    assert len(laid_out.line.splitlines()) <= 1
    assert laid_out.line.isprintable() or not any(ord(character) < 32 or ord(character) == 127 for character in laid_out.line)
    if laid_out.note.lstrip(" ").startswith("^^"):
        assert cell_len(laid_out.note) <= width + 2


def test_a_long_line_is_cut_around_the_span() -> None:
    laid_out = underline(cut_excerpt("left " * 100 + "HERE" + " right" * 100, (500, 504)), 60)
    assert laid_out.line.startswith("…") and laid_out.line.endswith("…")
    assert laid_out.line[laid_out.note.index("^") : len(laid_out.note)] == "HERE"
    long = underline(cut_excerpt("x" * 300 + "Y" * 300 + "x" * 300, (300, 600)), 60)
    assert set(long.marked) == {"Y", "…"} and cell_len(long.line) <= 60


# --- the text report -------------------------------------------------------------------------------------------------------------


def test_the_text_report() -> None:
    diagnostics = (
        found(field="messages[2].content", span=(0, 6)),
        found(id="b", line=7, field="prompt", span=(9, 29), code="PII501", name="PersonalIdentifier", kind="EMAIL_ADDRESS"),
        found(id=None, file=None, line=None, code="BAL101", name="ClassImbalance", severity=Severity.ERROR, message="uneven"),
        found(id="a", line=3, field="nowhere", span=(1, 2), code="GRM953", name="Unfinished", severity=Severity.INFO),
    )
    text = as_text(report(*diagnostics, skipped=(Skipped("LEN601", "needs a tokenizer"),)), make_excerpts(FRAME, diagnostics))
    assert text == (Path(__file__).parent / "report.txt").read_text(encoding="utf-8").rstrip("\n")


def test_only_what_is_shown_is_fetched_and_the_rest_is_counted() -> None:
    diagnostics = [found(line=index) for index in range(25)] + [found(line=30, severity=Severity.ERROR)]
    shown = shown_in_text(diagnostics, 1000)
    assert len(shown) == 20 and shown[0].line == 30  # the worst first, also within a rule
    assert "  and 6 more (--format json shows all)" in as_text(report(*diagnostics, num_examples=1000))


def test_what_more_than_a_tenth_of_the_rows_have_is_one_line_with_its_count() -> None:
    many = [found(id=str(line), line=line, field="messages", message=f"word {line} is doubled") for line in range(1, 13)]
    rare = found(id="99", line=99, kind="other", message="another kind")
    text = as_text(report(*many, rare, num_examples=100)).splitlines()
    assert text[0] == "GRM952 UnsupportedFact: 13 findings"
    assert text[1] == "  warning: 12 of 100 rows (12.0%), such as train.jsonl:1: word 1 is doubled (messages) (--format json shows all)"
    assert text[2] == "  train.jsonl:99: warning: another kind"
    assert text[3] == "  = Write it once." and text[4] == ""
    assert "such as" not in as_text(report(*many, num_examples=120))  # a tenth is not more than a tenth
    assert "such as" not in as_text(report(*many[:10], num_examples=20))  # few findings are shown, however few the rows


def test_a_sentence_that_several_findings_share_is_said_once() -> None:
    shared = [found(line=line, field="messages[2].content", span=(0, 6)) for line in (3, 5, 8)]
    text = as_text(report(*shared, found(line=9, message="said of one"), num_examples=100), make_excerpts(FRAME, shared))
    assert text.count("a word is doubled") == 1
    assert text.splitlines()[1:6] == [
        "  warning: a word is doubled (messages[2].content):",
        "    train.jsonl:3",
        "      | second",
        "      | ^^^^^^",
        "    train.jsonl:5",
    ]
    assert "  train.jsonl:9: warning: said of one" in text
    assert as_text(report(*shared[:2], num_examples=100)).count("a word is doubled") == 2


def test_a_finding_about_the_label_is_told_by_the_rows_text() -> None:
    codes = ("CON201", "DUP301", "LBL801")
    told = [found(code=code, field="answer") for code in codes] + [found(code="DUP301", id="b")]
    excerpts = make_excerpts(FRAME.with_columns(input_body=pl.col("input").str.slice(6)), told)
    assert {excerpts[place_of(one)].before for one in told[:3]} == {"second"}
    assert excerpts[place_of(told[3])].before == "to [EMAIL_ADDRESS] today."
    assert one_excerpt(field="answer") == Excerpt("third", "", "")  # another rule


def test_rules_that_did_not_run_are_counted_and_listed_where_asked() -> None:
    skipped = (
        *(Skipped(code, "needs a tokenizer") for code in ("LEN601", "LEN602", "LEN605")),
        Skipped("DIV705", "no lingua", partly=True),
    )
    assert as_text(report(skipped=skipped)).endswith("3 rules not run, 1 run in part (--verbose lists them).")
    assert "Not run: LEN601, LEN602, LEN605: needs a tokenizer." in as_text(report(skipped=skipped), verbose=True)
    assert "Not run: LEN601" in as_text(report(skipped=skipped[:2]))  # few are listed anyway
    assert "Not run: LEN601" in as_text(replace(report(skipped=skipped), ran=()))  # nothing that was asked for has run


def test_colours_are_for_terminals_alone() -> None:
    view = text_view(report(found(field="messages[2].content", span=(0, 6))), None)
    assert any("yellow" in str(span.style) for span in view.spans)
    assert "\x1b" not in view.plain


def test_hostile_text_cannot_command_a_terminal() -> None:
    one = found(message="clear \x1b[2J\nforged: error", file="a\x1b[31m.jsonl", remedy="\x1b[0m", field="x\x07")
    text = as_text(report(one))
    assert "\x1b" not in text and "\x07" not in text
    assert "clear \\u001b[2J forged: error" in text  # on its own line


def test_held_back_findings_are_counted() -> None:
    assert "3 findings suppressed" in as_text(replace(report(), num_suppressed=3))


# --- counts ----------------------------------------------------------------------------------------------------------------------


def test_statistics_count_findings_and_rows() -> None:
    rows = [found(), found(), found(id="b", severity=Severity.INFO), found(code="BAL101", name="ClassImbalance", id=None)]
    result = report(*rows, num_examples=4000)
    spelling, balance = count_rules(result)
    assert (spelling.code, spelling.num_findings, spelling.num_rows, spelling.share) == ("GRM952", 3, 2, 0.0005)
    assert spelling.findings == {Severity.WARNING: 2, Severity.INFO: 1}
    assert (balance.num_findings, balance.num_rows) == (1, 0)
    assert as_statistics(result).splitlines()[1].split() == ["3", "2", "<0.1%", "GRM952", "warning", "UnsupportedFact"]
    as_json = json.loads(json.dumps(statistics_as_json(result)))
    assert as_json["num_examples"] == 4000
    assert as_json["statistics"][0]["by_severity"] == {"warning": 2, "info": 1}
    assert as_statistics(report()) == "Nothing found in 10 examples."


@pytest.mark.parametrize(("share", "text"), [(0, "0.0%"), (0.00001, "<0.1%"), (0.5, "50.0%"), (0.99999, "99.9%"), (1, "100.0%")])
def test_a_share_is_never_rounded_to_none_or_all(share: float, text: str) -> None:
    assert format_share(share) == text


# --- GitHub annotations ----------------------------------------------------------------------------------------------------------


def test_the_worst_annotations_come_first_and_every_rule_has_its_turn() -> None:
    many = [found(line=line) for line in range(1, 31)]
    others = [found(code="CON201", name="ConflictingLabels", line=99), found(code="LEK401", line=98, severity=Severity.ERROR)]
    lines = as_github(report(*many, *others)).splitlines()
    assert lines[0].startswith("::error file=train.jsonl,line=98")
    assert "line=99" in lines[1]  # before the 30 of the other rule, of which GitHub shows ten
    assert sum(line.startswith("::") for line in lines) == 32
    assert f"only this log has {31 - SHOWN_BY_GITHUB} warnings" in lines[-2]


def test_an_annotation_cannot_be_forged() -> None:
    one = found(message="50%\n::error::forged\r", file="a,b:c\n::error::.jsonl", name="x\n::add-mask::y")
    lines = as_github(report(one)).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "::warning file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3A.jsonl,line=3,title=GRM952 x%0A%3A%3Aadd-mask%3A%3Ay::50%25%0A::"
    )
