"""Transcripts become turns, or rejected rows that say why."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from loopwright.errors import UserError
from prep.sources.source import LINE, RawRows
from prep.sources.source_config import TurnsConfig
from prep.sources.transcripts.turns import add_turns
from templates.values import coerce


def turned(texts: list[str | None], **config: Any) -> tuple[list[list[dict[str, str]]], list[tuple[int, str]]]:
    frame = pl.DataFrame({LINE: range(1, len(texts) + 1), "text": texts}, schema={LINE: pl.Int64, "text": pl.String})
    rows = add_turns(RawRows(frame), TurnsConfig.model_validate(config))
    assert rows.frame.height == rows.added.height
    assert {row.reason for row in rows.rejected} <= {"bad_turns"}
    return [json.loads(text) for text in rows.added["turns"]], [(row.line, row.detail) for row in rows.rejected]


def one(text: str, **config: Any) -> list[tuple[str, str]]:
    turns, rejected = turned([text], **config)
    assert not rejected, rejected
    return [(turn["speaker"], turn["text"]) for turn in turns[0]]


def test_speaker_marks() -> None:
    text = "Doctor: How are you? \r\nPatient: Not well.\r\n My knee hurts: badly.\n\nGuest_family: It does.\nDoctor_2:I see.\n"
    assert one(text) == [
        ("Doctor", "How are you?"),
        ("Patient", "Not well.\nMy knee hurts: badly."),
        ("Guest_family", "It does."),
        ("Doctor_2", "I see."),
    ]


@pytest.mark.parametrize(
    ("line", "turn"),
    [
        ("[00:01:02] Dr. O'Neil: Hi", {"speaker": "Dr. O'Neil", "time": "00:01:02", "text": "Hi"}),
        ("(1:02) Ann Lee: Hi", {"speaker": "Ann Lee", "time": "1:02", "text": "Hi"}),
        ("00:01:02.500 - A: Hi", {"speaker": "A", "time": "00:01:02.500", "text": "Hi"}),
        ("**Agent:** Hi", {"speaker": "Agent", "text": "Hi"}),
        ("**Agent**: Hi", {"speaker": "Agent", "text": "Hi"}),
        ("医生：你好", {"speaker": "医生", "text": "你好"}),
        ("A: at 12:30", {"speaker": "A", "text": "at 12:30"}),
    ],
)
def test_marks_as_people_write_them(line: str, turn: dict[str, str]) -> None:
    assert turned([line])[0] == [[turn]]


@pytest.mark.parametrize("line", ["http://a.example is down", "12:30 it rang", "Sp 3", "My knee hurts: badly"])
def test_what_only_looks_like_a_mark_is_none(line: str) -> None:
    assert turned([line]) == ([], [(1, f"its first line has no speaker mark: '{line[:40]}'")])
    assert one(f"A: x\n{line}") == [("A", f"x\n{line}")]


def test_turns_of_one_speaker_are_one_turn_unless_asked_not_to_be() -> None:
    text = "A: one\nA: two\nand\nB: three"
    assert one(text) == [("A", "one\ntwo\nand"), ("B", "three")]
    assert one(text, join=False) == [("A", "one"), ("A", "two\nand"), ("B", "three")]
    assert turned(["A: x", "A: y"])[0] == [[{"speaker": "A", "text": "x"}], [{"speaker": "A", "text": "y"}]]


def test_a_turn_without_words_is_no_turn() -> None:
    assert one("A: x\nB:\nA: y\nC: z") == [("A", "x"), ("A", "y"), ("C", "z")]
    assert turned(["A:\nB: "]) == ([], [(1, "the text holds no turn")])


def test_roles_go_by_name_without_its_number_and_case() -> None:
    text = "Doctor: a\nDOCTOR_2: b\nPatient: c\nGest_family: d"
    roles = {"Doctor": "assistant", "patient": "user"}
    assert [turn.get("role") for turn in turned([text], roles=roles)[0][0]] == ["assistant", "assistant", "user", None]
    assert [turn.get("role") for turn in turned([text], roles={**roles, "*": "tool"})[0][0]] == ["assistant", "assistant", "user", "tool"]


def test_breaks_give_the_turns_to_the_speakers_in_turn() -> None:
    text = "<BR> hi <br/> Note: hello<BR>bye<BR>"
    assert one(text) == [("customer", "hi"), ("agent", "Note: hello"), ("customer", "bye")]
    assert [name for name, _ in one(text, speakers=["x", "y", "z"])] == ["x", "y", "z"]
    assert [name for name, _ in one("a|b", separator="|", style="separator")] == ["customer", "agent"]


def test_of_turns_that_all_have_marks_the_marks_count() -> None:
    assert one("Ann: hi <BR> Bob: hello <BR> Ann: bye") == [("Ann", "hi"), ("Bob", "hello"), ("Ann", "bye")]
    own = r"^@(?P<speaker>\w+) (?P<text>.*)$"
    assert one("@a hi\nthere <BR> more <BR> @b yes", pattern=own) == [("a", "hi\nthere\nmore"), ("b", "yes")]


def test_turns_that_begin_with_the_name_addressed_are_the_first_speakers() -> None:
    text = "My order is late <BR> AcmeHelp hello? <BR> Hi Ann, which one? <BR> Hi, are you there? <BR> AcmeHelp 17 <BR> Found it"
    assert one(text, order="addressed") == [
        ("customer", "My order is late\nAcmeHelp hello?"),
        ("agent", "Hi Ann, which one?\nHi, are you there?"),
        ("customer", "AcmeHelp 17"),
        ("agent", "Found it"),
    ]
    turns, rejected = turned(["a b <BR> c d"], order="addressed")
    assert not turns
    assert "no word begins two of its turns" in rejected[0][1]


VTT = """\ufeffWEBVTT - a call

STYLE
::cue { color: red }

NOTE Doctor: a remark

1
00:00.000 --> 00:02.000 align:start
<v Agent Smith>Good <b>morning</b>,</v>
how can I

2
00:00:02.000 --> 00:00:04.500
help &amp; serve?

00:00:05.000 --> 00:00:06.000
<v.loud Ann>Hi.</v> <v Agent Smith>Yes: 5 &lt; 6?
"""


def test_webvtt() -> None:
    assert turned([VTT]) == (
        [
            [
                {"speaker": "Agent Smith", "time": "00:00.000", "text": "Good morning, how can I help & serve?"},
                {"speaker": "Ann", "time": "00:00:05.000", "text": "Hi."},
                {"speaker": "Agent Smith", "time": "00:00:05.000", "text": "Yes: 5 < 6?"},
            ]
        ],
        [],
    )


def test_srt() -> None:
    cues = [("Ann: Hello\r\nthere", 1), ("<i>again</i>", 3), ("Bob: 17", 5)]
    text = "\r\n".join(f"{start}\r\n00:00:0{start},000 --> 00:00:0{start + 1},000\r\n{words}\r\n" for words, start in cues)
    assert one(text) == [("Ann", "Hello there again"), ("Bob", "17")]
    assert turned(["1\n00:00:01,000 --> 00:00:02,000\nhello"])[1] == [(1, "its first cue names no speaker")]


def test_each_row_is_read_by_itself() -> None:
    texts = [VTT, "A: x", None, "a <BR> b", " ", "no mark", "1\n00:00:01,000 --> 00:00:02,000\nA: y"]
    turns, rejected = turned(texts)
    assert [line for line, _ in rejected] == [3, 5, 6]
    alone = [turned([text])[0][0] for text in (texts[0], texts[1], texts[3], texts[6]) if text]
    assert turns == alone
    assert rejected[0][1] == "the row has no 'text'"


def test_a_declared_style_is_taken_for_all() -> None:
    assert one("A: a <BR> b", style="marks") == [("A", "a <BR> b")]
    assert one("A: x\nB: y", style="separator", separator="\n") == [("A", "x"), ("B", "y")]
    assert turned(["A: a"], style="webvtt") == ([], [(1, "the text holds no turn")])


def test_a_column_by_another_name() -> None:
    frame = pl.DataFrame(
        {LINE: [1], "dialogue": ["A: x"], "said": ["old"]}, schema={LINE: pl.Int64, "dialogue": pl.String, "said": pl.String}
    )
    rows = add_turns(RawRows(frame, [], pl.DataFrame({"label": ["l"]})), TurnsConfig(field="dialogue", into="said"))
    assert rows.added.to_dicts() == [{"label": "l", "said": '[{"speaker":"A","text":"x"}]'}]
    assert rows.frame.to_dicts() == frame.to_dicts()


@pytest.mark.parametrize(
    ("pattern", "error"),
    [("(", "no regular expression"), ("(?P<speaker>a)(?=b)(?P<text>c)", "no regular expression"), ("(?P<speaker>a)", "no group 'text'")],
)
def test_a_pattern_that_cannot_serve_is_refused(pattern: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        turned(["a"], pattern=pattern)


def test_speakers_must_be_enough() -> None:
    with pytest.raises(ValidationError, match="takes two speakers"):
        TurnsConfig(order="addressed", speakers=("a", "b", "c"))
    with pytest.raises(ValidationError, match="one or more"):
        TurnsConfig(speakers=())


NAMES = st.sampled_from(["Ann", "Bob", "Dr. Lee"])
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], exclude_characters=":：/<*"), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=5), min_size=1, max_size=4))
def test_what_was_written_as_turns_is_read_as_turns(rows: list[list[tuple[str, str]]]) -> None:
    turns, rejected = turned(["\n".join(f"{name}: {words}" for name, words in row) for row in rows], join=False)
    assert not rejected
    assert [[(turn["speaker"], turn["text"]) for turn in row] for row in turns] == rows


def test_a_declared_role_counts_for_templates_over_what_the_speakers_name_says() -> None:
    turns, _ = turned(["Guest_family: a\nDoctor: b"], roles={"Guest_family": "user", "Doctor": "user"})
    assert [(turn["speaker"], turn["role"]) for turn in coerce(turns[0], "turns", "turns")] == [
        ("Guest_family", "user"),
        ("Doctor", "user"),
    ]


def test_no_rows_give_no_turns() -> None:
    assert turned([]) == ([], [])
