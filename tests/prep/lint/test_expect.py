"""What a config declares of the data: each expectation is held against it, and wrong ones are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from loopwright.config import validate
from loopwright.errors import UserError
from prep.config import ExpectConfig
from prep.lint.base.diagnostic import Diagnostic
from prep.lint.run import LintOptions, lint
from tests.prep.helpers import make_project, reviews


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def look(path: Path, code: str, model: Path | None = None, **expect: Any) -> list[Diagnostic]:
    options = LintOptions(select=(code,), expect=ExpectConfig(**expect), model=None if model is None else str(model))
    return list(lint(path, options=options).diagnostics)


def chat(text: str, answer: str) -> dict[str, Any]:
    return {
        "messages": [{"role": "system", "content": "Reply."}, {"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    }


@pytest.fixture
def support(tmp_path: Path) -> Path:
    """100 chats: 10 refusals, 30 canned openings."""
    rows = [chat(f"{index} parts are late", "I'm sorry, but I can't help with that.") for index in range(10)]
    rows += [chat(f"{index} pumps leak", f"Sure! Here is what to do with pump {index}.") for index in range(30)]
    rows += [chat(f"{index} hoses are short", f"{index} longer hoses are on their way.") for index in range(60)]
    return write(tmp_path / "train.jsonl", rows)


def test_refusals_are_held_against_their_prior_and_then_not_reported_one_by_one(support: Path) -> None:
    assert len(look(support, "BAL102")) == 10
    assert look(support, "BAL102", priors={"refusal": 0.1}) == []
    (found,) = look(support, "BAL102", priors={"refusal": 0.02})
    assert found.line is None
    assert "10.0% of 100 answers" in found.message
    assert "2.0% is declared" in found.message
    assert len(found.related) == 10
    assert "but 40.0%" in look(support, "BAL102", priors={"refusal": 0.4})[0].message


def test_canned_openings_are_held_against_theirs(support: Path) -> None:
    found = [one for one in look(support, "BAL102", priors={"opening": 0.05}) if one.kind == "opening"]
    assert [one.line for one in found] == [None]
    assert "30.0% of 100 answers" in found[0].message
    assert [one for one in look(support, "BAL102", priors={"opening": 0.3}) if one.kind == "opening"] == []


def test_slices_are_told_by_fields_that_no_template_shows(tmp_path: Path) -> None:
    rows = [{**row, "product": "pump" if index % 4 else "valve"} for index, row in enumerate(reviews(40))]
    project = make_project(tmp_path, rows, lint={"expect": {"slices": {"product": {"pump": 1, "valve": 11}, "produkt": {"x": 1}}}})
    project.build()
    thin, wrong = sorted(lint(project.out, options=LintOptions(select=("DIV702",))).diagnostics, key=lambda one: one.message)
    assert wrong.message.startswith("no row has the field 'produkt'") and "Did you mean 'product'" in wrong.remedy
    assert thin.kind == "product=valve" and thin.message.endswith("10 rows; 11 are declared")


def test_lengths_in_characters(support: Path) -> None:
    assert look(support, "LEN604", lengths={"answer": (20, 60)}) == []
    found = look(support, "LEN604", lengths={"answer": (20, 36), "input": (13, 40)})
    assert {one.line for one in found if "answer" in one.message} == {*range(1, 41)}
    assert {one.line for one in found if "input" in one.message} == {*range(11, 21)}
    assert {one.severity.value for one in found} == {"warning"}


def test_lengths_in_tokens(tmp_path: Path, tiny_model_dir: Path) -> None:
    path = write(tmp_path / "train.jsonl", [chat("The soup was great", "positive"), chat("The soup " * 40, "positive " * 20)])
    assert {one.severity.value for one in look(path, "LEN605", tiny_model_dir)} == {"info"}
    found = [one for one in look(path, "LEN605", tiny_model_dir, lengths={"tokens": (1, 60), "answer_tokens": (1, 10)}) if one.line]
    assert sorted((one.line, one.kind) for one in found) == [(2, "answer_tokens"), (2, "tokens")]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"label_share": {"good": [0.6, 0.4]}}, "label_share.good"),
        ({"label_share": {"good": [0.6, 1.4]}}, "label_share.good.1"),
        ({"slices": {"product": {"pump": 0}}}, "slices.product.pump"),
        ({"languages": ["English"]}, "languages.0"),
        ({"lengths": {"anser": [1, 2]}}, "lengths.anser"),
        ({"lengths": {"answer": [5, 2]}}, "lengths.answer"),
        ({"priors": {"refusals": 0.1}}, "priors.refusals"),
        ({"priors": {"refusal": 5}}, "priors.refusal"),
    ],
)
def test_wrong_expectations_are_refused_by_name(wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError, match=where.replace(".", r"\.")):
        validate(wrong, ExpectConfig, "mine.yaml")
