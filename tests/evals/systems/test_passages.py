"""Passages of a corpus: which are near, where they are put, and what a corpus may be."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from evals.config import EvalsConfig
from evals.run import evaluate_dataset
from evals.systems.added import with_added
from evals.systems.base import EvalContext
from evals.systems.passages import Passages, read_corpus
from evals.systems.rag import Rag
from evals.systems.spec import SystemSpec
from evals.testing import chats, check_system
from loopwright.errors import UserError
from templates.form import Form
from tests.evals.conftest import options
from train.inference.language_model import LanguageModel

_PASSAGES = ["The soup costs four pounds.", "The waiter is called Anna.", "\u6c64\u5f88\u597d\u559d\u3002", "Nothing else."]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "passages.jsonl"
    path.write_text("".join(json.dumps({"id": index, "text": text}) + "\n" for index, text in enumerate(_PASSAGES)), encoding="utf-8")
    return path


def test_the_nearest_come_first_and_what_shares_no_word_is_left_out(corpus: Path) -> None:
    passages = Passages.open(str(corpus), 2)
    assert passages.near("What does the soup cost? The soup!") == [_PASSAGES[0], _PASSAGES[1]]
    assert passages.near("\u6c64\u600e\u4e48\u6837") == [_PASSAGES[2]]
    assert passages.near("xylophone") == passages.near("") == []


def test_they_stand_before_the_question_and_behind_the_demonstrations(corpus: Path, tmp_path: Path) -> None:
    rows, _ = chats([""], ["Anna"], ["Who is the waiter?"])
    train, _ = chats([""] * 2, ["four pounds", "soup"], ["What does it cost, please?", "Name a dish."])
    train = [replace(row, id=f"train {row.id}", row_id=f"train {row.id}") for row in train]
    context = EvalContext(rows, train, Form.CHAT, EvalsConfig(corpus=str(corpus)))
    for order in ("rag:1 fewshot:2", "fewshot:2 rag:1"):
        parts = [SystemSpec(kind, number) for kind, number in (part.split(":") for part in order.split())]
        [row] = with_added(context, parts).rows
        assert row.messages is not None
        contents = [message["content"] for message in row.messages]
        assert contents[-2:] == [f"{_PASSAGES[1]}\n\nWho is the waiter?", "Anna"]
        assert len(contents) == 6 and not any(text in (content or "") for content in contents[:4] for text in _PASSAGES)
    assert context.notes == ["rag:1: the expected answer stands in one of the passages of 1 of 1 examples"]


def test_it_keeps_the_contract_of_systems(corpus: Path, tiny_model_dir: Path) -> None:
    rows, _ = chats([""] * 2, ["Anna", "four"], ["Who is the waiter?", "What does the soup cost?"])
    context = EvalContext(rows, [], Form.CHAT, EvalsConfig(corpus=str(corpus), max_new_tokens=3))
    context.model = LanguageModel(str(tiny_model_dir), "float32", {})
    context.limit_answers()
    check_system(Rag, "rag:2", context)


def test_files_of_each_kind_and_folders_of_them_are_read(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "more.md").write_text("\ufeffOne.\n\nTwo\nlines.\n\n\n", encoding="utf-8")
    pl.DataFrame({"text": ["Three.", None]}).write_csv(tmp_path / "more.csv")
    pl.DataFrame({"text": ["Four."]}).write_parquet(tmp_path / "more.parquet")
    assert read_corpus(str(tmp_path)) == ["Three.", "One.", "Two\nlines.", "Four.", *_PASSAGES]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (None, "", "no corpus is named.*--corpus passages.jsonl"),
        ("none.jsonl", None, "cannot be read"),
        ("other.jsonl", '{"passage": "x"}', "cannot be read.*column 'text'"),
        ("broken.csv", "\xff\xfe", "cannot be read"),
        ("empty.txt", " \n\n ", "holds no passage"),
        ("a.pdf", "x", "cannot be read: it is none of"),
    ],
)
def test_a_corpus_that_is_none_is_told_before_a_model_is_loaded(
    name: str | None, content: str | None, why: str, tmp_path: Path, reviews: Path
) -> None:
    if name is not None and content is not None:
        (tmp_path / name).write_text(content, encoding="latin-1")
    given = options(model="no-such-model", systems=("rag:2",), corpus=name and str(tmp_path / name))
    with pytest.raises(UserError, match=why):
        evaluate_dataset(reviews, tmp_path / "out", given)
