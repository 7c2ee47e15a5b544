"""Likely misspellings are told from words of the trade, built words and American spelling."""

import json
from pathlib import Path

import pytest

from prep.build.run import build
from prep.fixes.rule_drafts import make_drafts
from prep.lint.run import LintOptions, lint
from prep.text.spelling import is_slip, known_words, suggest

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


@pytest.mark.parametrize("word", ["recieve", "fisrt", "isssue", "tthey", "comunication", "issolate"])
def test_a_slip_of_the_hand_is_told_from_another_word(word: str) -> None:
    right = suggest(word, 0)
    assert right is not None
    assert is_slip(word, right)


@pytest.mark.parametrize(
    ("word", "right"), [("infty", "nifty"), ("intubation", "incubation"), ("politican", "political"), ("donut", "donuts")]
)
def test_one_letter_apart_is_no_slip_of_the_hand(word: str, right: str) -> None:
    assert not is_slip(word, right)


def test_only_a_certain_correction_is_drafted(tmp_path: Path) -> None:
    answers = [
        "The shop recieved the parcel.",
        "The custmer waits for the parcel.",
        "The patient had intubation.",
        "The luggge of the guest.",
    ]
    inputs = ["Where is it now?", "A customer waits here.", "What was done?", "What did they find?"]
    rows = [json.dumps({"prompt": text, "completion": answer}) for text, answer in zip(inputs, answers, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    tags = '{% message "user" %}{{ prompt }}{% endmessage %}{% message "assistant" %}Note: {{ completion }}{% endmessage %}'
    (tmp_path / "case.jinja").write_text(f"---\nname: case\ninputs: {{prompt: str, completion: str}}\n---\n{tags}\n", encoding="utf-8")
    config = "name: case\nsources: [{path: rows.jsonl, format: jsonl}]\ntemplates: [{path: case.jinja}]\n"
    (tmp_path / "case.yaml").write_text(config, encoding="utf-8")
    build(tmp_path / "case.yaml", tmp_path / "out")
    report = lint(tmp_path / "out", options=LintOptions(select=("GRM951",)))
    assert {one.line for one in report.diagnostics} >= {1, 2, 4}
    drafts = make_drafts(report)
    assert [one["fields"] for one in drafts] == [
        {"completion": "The shop received the parcel."},
        {"completion": "The customer waits for the parcel."},
    ]
    assert not any(one["safe"] for one in drafts)
