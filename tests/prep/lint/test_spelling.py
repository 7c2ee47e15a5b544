"""Likely misspellings are told from words of the trade, built words and American spelling."""

import json
from pathlib import Path

import pytest

from prep.lint.run import LintOptions, lint
from prep.lint.spelling import known_words, suggest

pytest.importorskip("symspellpy")


@pytest.mark.parametrize(("word", "right"), [("custmer", "customer"), ("recieve", "receive"), ("furhter", "further"), ("thier", "their")])
def test_a_slip_is_told(word: str, right: str) -> None:
    assert suggest(word, 1_000_000) == right


@pytest.mark.parametrize("word", ["labor", "analyzing", "orthopedic", "wordlike", "restarted", "preheated", "zzyzx", "mainboard"])
def test_a_word_of_its_own_is_left_alone(word: str) -> None:
    assert word in set(known_words()["word"]) or suggest(word, 1_000_000) is None


def test_a_misspelling_in_an_answer_is_information_and_the_trade_s_words_are_none(tmp_path: Path) -> None:
    answers = [f"The customer wants to know where the flangeplate is, and when parcel {number} will be there." for number in range(30)]
    answers += ["The custmer wants to know where the parcel is.", "The Custmer wants to know it.", "He wants to know where the zonker is."]
    inputs = ["Where is it?"] * 32 + ["Where is my zonker?"]
    path = tmp_path / "train.jsonl"
    rows = [json.dumps({"prompt": text, "completion": answer}) for text, answer in zip(inputs, answers, strict=True)]
    path.write_text("\n".join(rows), encoding="utf-8")
    found = lint(path, options=LintOptions(select=("GRM951",))).diagnostics
    assert [(one.line, one.severity.value, one.span) for one in found] == [(31, "info", (4, 11))]
