"""What messages show of a text: short, on one line, and never an identifier, not even a part of one."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prep.lint.base.texts import described, with_separators
from prep.lint.run import LintOptions, lint
from prep.pii.masking import MASKED_CHARACTERS, shorten, shorten_end

CARD = "4111 1111 1111 1111"
RECORD = "48219377"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 20 + "-----END PRIVATE KEY-----"


def test_a_text_is_shown_on_one_line_and_cut() -> None:
    assert shorten("one\n two") == "one two"
    assert shorten(None) == ""
    assert shorten("word " * 20, 20) == "word word word wo..."
    assert shorten("one two three", span=(4, 7)) == "two"
    assert shorten_end("one\ntwo") == "one two"
    assert shorten_end("word " * 20, 20) == "...rd word word word"


@pytest.mark.parametrize("before", range(0, 60, 7))
@pytest.mark.parametrize("secret", [CARD, f"MRN: {RECORD}", KEY, "anna.bergmann@kontor-mail.de"])
def test_no_part_of_an_identifier_is_left_where_a_text_is_cut(before: int, secret: str) -> None:
    text = f"{'x' * before} {secret} {'y' * before}"
    parts = [secret[place : place + 6] for place in range(5, len(secret) - 6)]
    for shown in (
        shorten(text),
        shorten_end(text),
        shorten(text, span=(before + 1, len(text))),
        shorten(text, span=(before + 9, len(text))),
    ):
        assert not any(part in shown for part in parts), shown


def test_what_follows_a_long_way_behind_is_said_to_be_there() -> None:
    text = "a" + " " * (2 * MASKED_CHARACTERS) + "b"
    assert shorten(text) == "a..."
    assert shorten_end(text) == "...b"


def test_a_number_is_masked_for_the_words_that_stand_before_it() -> None:
    text = f"The patient with MRN: {RECORD} came back"
    start = text.index(RECORD)
    assert shorten(text, span=(start, start + len(RECORD))) == "[MEDICAL_RECORD_NUMBER]"


def test_a_difference_in_identifiers_is_not_spelt_out() -> None:
    one, other = "Patient seen, MRN: 48219377, sent home", "Patient seen, MRN: 48219378, sent home"
    assert described(one, other) == "only personal identifiers differ"
    assert described(one, one.replace("home", "back")) == "'home' here, 'back' there"
    assert described(one, one) == "same words, different order or punctuation"
    assert described("so " * 20_000, "so " * 20_000 + "MRN: 48219377") == "2 words differ"


def test_numbers_have_separators() -> None:
    numbers = [0, 7, 999, 1000, 12345, 123456, 1234567]
    shown = pl.DataFrame({"number": numbers}).select(with_separators(pl.col("number")))
    assert shown.to_series().to_list() == [f"{number:,}" for number in numbers]


def chat(question: str, answer: str) -> dict[str, Any]:
    system = {"role": "system", "content": "Answer the guest in one sentence."}
    return {"messages": [system, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


@pytest.mark.parametrize("shift", range(0, 36, 4))
def test_no_message_of_any_rule_quotes_a_part_of_an_identifier(tmp_path: Path, shift: int) -> None:
    fill = "We thank you so very much for that call "[: shift + 4].strip()
    rows = [chat(f"Do you open on day {index} of the month?", f"Yes, on day {index} we open at {index % 9 + 1}.") for index in range(60)]
    for card in (CARD, "4012 8888 8888 1881"):
        rows.append(chat("What is my card?", f"{fill} card {card} card {card} card {card} and"))
        rows.append(chat(f"Is {fill} {card} right?", f"Is {fill} {card} right?"))
        rows.append(chat(f"Is it right? My order came with {fill} MRN: {RECORD} on it, and I paid the bill for it.", f"{fill} [{card}"))
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = lint(path, options=LintOptions())
    quoting = [one for one in report.diagnostics if "'" in one.message]
    assert quoting
    for one in quoting:
        assert not re.search(r"4111|1111|8888|1881|4821", one.message), (one.code, one.message)
