"""Written answers that are labels, codes or a few words: baselines answer them, and another answer is a failure; of sentences it is not."""

from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.data.prediction import Prediction, PredictionState
from evals.data.references import ReferenceKinds
from evals.data.role import Role
from evals.data.rows import load_rows
from evals.run import evaluate_dataset
from evals.systems.base import SYSTEMS, EvalContext, System
from evals.systems.constant import Constant
from evals.systems.linear import Linear
from evals.systems.spec import SystemForm
from evals.testing import check_system
from loopwright.errors import UserError
from loopwright.files import read_json_lines
from loopwright.progress import Advance
from prep.dataset.manifest import Dataset
from templates.form import Form
from tests.evals.conftest import SUMMARY_TEMPLATE
from tests.helpers import summary, write_dataset

THINGS = ("card", "parcel", "invoice", "refund", "voucher", "account", "password", "address", "phone", "order", "basket")
DOES = ("lost", "late", "wrong", "change", "cancel", "copy", "status")
TEMPLATE = SUMMARY_TEMPLATE.model_copy(update={"name": "general/classification", "metrics": []})
EXACT = TEMPLATE.model_copy(update={"metrics": ["exact_match"]})


def intents(folder: Path, num_train: int, template: Any = TEMPLATE) -> Path:
    """Questions of 77 intents, each named in words by its answer."""
    names = [f"{thing}_{does}" for thing in THINGS for does in DOES]
    rows = [
        summary(f"Number {number}: my {name.replace('_', ' was ')}, please help.", name, split="train", row_id=f"{name}{number}")
        for name in names
        for number in range(num_train)
    ]
    rows += [summary(f"My {name.replace('_', ' is now ')}!", name, split="validation", row_id=name) for name in names]
    return write_dataset(folder, [{**row, "id": row["row_id"], "template": template.name} for row in rows], templates=[template])


def answered(folder: Path, answers: list[str], template: Any = EXACT) -> Path:
    """Rows that all have the same kind of answer, two thirds of them in train."""
    rows = [
        summary(f"Question {index}?", answer, split="validation" if index % 3 == 0 else "train", row_id=f"r{index}", template=template.name)
        for index, answer in enumerate(answers)
    ]
    return write_dataset(folder, [{**row, "id": row["row_id"]} for row in rows], templates=[template])


class Wrong(System):
    """Answers all examples with something else."""

    name = "wrong"
    forms = (SystemForm("wrong", Role.OTHER, "is always wrong"),)

    @override
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        return [Prediction(row.id, PredictionState.OK, f"not {row.reference}") for row in context.rows_for(self)]


def failures_of(folder: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch, **given: Any) -> tuple[Report, list[Any]]:
    monkeypatch.setitem(SYSTEMS.entries, "wrong", Wrong)
    report = evaluate_dataset(dataset, folder / "out", EvalsConfig(systems=("wrong",), num_resamples=100, **given))
    return report, list(read_json_lines(folder / "out" / "failures.jsonl"))


@pytest.mark.parametrize("num_train", [2, 8])
def test_baselines_answer_labels_that_are_written(tmp_path: Path, num_train: int) -> None:
    dataset = intents(tmp_path / "data", num_train)
    report = evaluate_dataset(dataset, tmp_path / "out", EvalsConfig(systems=("constant", "linear"), num_resamples=100))
    scores = {name: system.metrics["exact_match"].value for name, system in report.systems.items()}
    assert list(report.systems["linear"].metrics) == ["exact_match"], "no other metric is named, and half a label is another label"
    assert scores["constant"] == pytest.approx(1 / 77) and (scores["linear"] or 0) > 0.9
    assert report.systems["constant"].n_scored == 77 and not report.notes
    failed = list(read_json_lines(tmp_path / "out" / "failures.jsonl"))
    assert len(failed) == 76 and {one["prediction"] for one in failed} == {"account_cancel"}, (
        "the first in the order of the alphabet, of equally frequent ones"
    )


@pytest.mark.parametrize("system", [Constant, Linear])
def test_a_baseline_keeps_the_contract_on_written_labels(tmp_path: Path, system: type[System]) -> None:
    dataset = Dataset.open(intents(tmp_path / "data", 2))
    rows, train = (load_rows(dataset, split)[0] for split in ("validation", "train"))
    check_system(system, system.name, EvalContext(rows, train, Form.CHAT, EvalsConfig()))


def test_names_that_do_not_recur_are_no_labels(tmp_path: Path) -> None:
    dataset = intents(tmp_path / "data", 1)
    with pytest.raises(UserError, match="none of the systems can answer"):
        evaluate_dataset(dataset, tmp_path / "out", EvalsConfig(systems=("constant", "linear")))


SENTENCES = [f"The parcel of day {index} was late, and nobody called." for index in range(60)]
RECURRING_SENTENCES = [f"The {THINGS[index % 5]} was {DOES[index % 3]}." for index in range(60)]
CODES = [f"MK{index}-27KX" for index in range(60)]
FEW_WORDS = [f"Anna of Berlin {index}" for index in range(60)]
HAN_SENTENCES = [f"第{index}天的包裹迟到了，没有人打电话。" for index in range(60)]
HAN_NAMES = [f"北京市{index}号" for index in range(60)]
LABELS = [("late", "lost", "fine")[index % 3] for index in range(60)]


@pytest.mark.parametrize(
    ("answers", "fail"),
    [(SENTENCES, False), (RECURRING_SENTENCES, False), (HAN_SENTENCES, False), (CODES, True), (FEW_WORDS, True), (HAN_NAMES, True),
     (LABELS, True), (CODES[:58] + SENTENCES[:2], True), (CODES[:30] + SENTENCES[30:], False)],
    ids=["sentences", "recurring sentences", "han sentences", "codes", "few words", "han names", "labels", "nearly codes", "half of each"],
)  # fmt: skip
def test_another_text_is_a_failure_where_its_words_are_what_counts(
    tmp_path: Path, answers: list[str], fail: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = answered(tmp_path / "data", answers)
    report, failed = failures_of(tmp_path, dataset, monkeypatch)
    assert report.systems["wrong"].metrics["exact_match"].value == 0
    assert len(failed) == (20 if fail else 0)
    (tmp_path / "named").mkdir()
    for threshold, number in ((0.0, 20 if fail else 0), (1.0, 20)):
        _, failed = failures_of(tmp_path / "named", dataset, monkeypatch, fail_below={"exact_match": threshold})
        assert len(failed) == number, "what a config names fails too, and what is wrong by itself stays wrong"


def test_a_wrong_label_fails_whatever_metric_its_template_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rouge = TEMPLATE.model_copy(update={"metrics": ["rougeL"]})
    report, failed = failures_of(tmp_path, intents(tmp_path / "data", 3, rouge), monkeypatch)
    assert (report.systems["wrong"].metrics["rougeL"].value or 0) > 0.3, "half of its words are right"
    assert len(failed) == 77


def test_a_template_of_several_kinds_of_answer_is_told_by_most_of_them(tmp_path: Path) -> None:
    dataset = Dataset.open(answered(tmp_path / "data", LABELS))
    rows, train = (load_rows(dataset, split)[0] for split in ("validation", "train"))
    assert ReferenceKinds.of(rows, train) == ReferenceKinds(frozenset({EXACT.name}), frozenset({EXACT.name}))
    assert ReferenceKinds.of(rows, []) == ReferenceKinds(frozenset(), frozenset({EXACT.name})), "train alone says what is a label"
