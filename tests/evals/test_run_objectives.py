"""Runs of every objective, trained on a tiny model and evaluated: what is scored is what was trained."""

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.run import evaluate_dataset
from loopwright.errors import UserError
from templates.form import Form
from tests.evals.conftest import options, review_rows
from tests.helpers import DEFAULT_TEMPLATE, write_dataset
from tests.train.masked import write_model
from train.config import TrainConfig
from train.inference.chat import Comparison
from train.run import train


def config(model: Path, objective: str, **more: Any) -> TrainConfig:
    given = {"model": str(model), "objective": objective, "dtype": "float32", "learning_rate": 2e-2, "leaks": "allow"}
    return TrainConfig.model_validate(given | more)


def cloze_dataset(folder: Path, words: dict[str, list[str]]) -> Path:
    """Reviews with a blank in the place of their label, for which there may be several words."""
    rows = []
    choices = [said[0] for said in words.values()]
    for row in review_rows(40, 16):
        text = row["messages"][1]["content"]
        label = row["label"]
        cloze = {"prompt": f"{text} It was [MASK].", "mask": "[MASK]", "choices": choices, "target": choices[label], "label": label}
        rows.append({"split": row["split"], "row_id": row["row_id"], **cloze})
    return write_dataset(folder, rows, templates=[DEFAULT_TEMPLATE.model_copy(update={"verbalizer": words, "forms": [Form.VERBALIZER]})])


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model("roberta", tmp_path_factory.mktemp("roberta"))


def nll(report: Any, system: str) -> float:
    value = report.systems[system].metrics["nll"].value
    assert value is not None
    return float(value)


def test_a_verbalizer_run_is_scored_in_the_verbalizer_form(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", review_rows(40, 16))
    record = train(dataset, tmp_path / "run", config(tiny_model_dir, "verbalizer", epochs=3))
    given = options(adapter=str(tmp_path / "run"), systems=["base", "adapter"], metrics=["nll", "accuracy"])
    report = evaluate_dataset(dataset, tmp_path / "out", given)
    adapter = f"adapter:{tmp_path / 'run'}"
    assert report.form == Form.VERBALIZER
    assert nll(report, adapter) == pytest.approx(record.validation_loss, rel=1e-4)  # trained and evaluated alike, to the digit
    assert nll(report, adapter) < nll(report, "base") - 0.1
    assert report.systems[adapter].n_scored == 16


@pytest.mark.parametrize("words", [{"bad": ["terrible"], "good": ["great"]}, {"bad": ["terrible bad"], "good": ["great"]}])
def test_a_cloze_run_fills_blanks_as_it_was_trained_to(words: dict[str, list[str]], tmp_path: Path, roberta: Path) -> None:
    dataset = cloze_dataset(tmp_path / "data", words)
    record = train(dataset, tmp_path / "run", config(roberta, "cloze", epochs=3))
    given = options(adapter=str(tmp_path / "run"), metrics=["nll", "accuracy"], max_batch_tokens=100)
    report = evaluate_dataset(dataset, tmp_path / "out", given)
    adapter = f"adapter:{tmp_path / 'run'}"
    assert nll(report, adapter) == pytest.approx(record.validation_loss, rel=1e-4)
    assert nll(report, adapter) < nll(report, "base") - 0.05
    assert set(report.systems) == {"base", adapter, "constant", "linear"}
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert predictions.filter(system=adapter)["state"].unique().to_list() == ["ok"]


def test_all_words_of_a_label_count_at_the_mask(tmp_path: Path, roberta: Path) -> None:
    """The base model alone: the probability of a label with two words is the sum of those of two labels with one each."""
    found = []
    for place, words in enumerate(
        ({"bad": ["terrible", "slow"], "good": ["great"]}, {"a": ["terrible"], "b": ["slow"], "good": ["great"]})
    ):
        dataset = cloze_dataset(tmp_path / f"data{place}", words)
        evaluate_dataset(dataset, tmp_path / f"out{place}", options(model=str(roberta), systems=["base"]))
        frame = pl.read_parquet(tmp_path / f"out{place}" / "predictions.parquet").sort("id")
        found.append(frame["choice_loglikelihoods"].to_list())
    for (bad, good), (terrible, slow, great) in zip(*found, strict=True):
        assert bad == pytest.approx(math.log(math.exp(terrible) + math.exp(slow)), abs=1e-5)
        assert good == great


def test_what_a_masked_model_cannot_answer_is_told(tmp_path: Path, roberta: Path, tiny_model_dir: Path) -> None:
    reviews = write_dataset(tmp_path / "reviews", review_rows(8, 4))
    dataset = cloze_dataset(tmp_path / "data", {"bad": ["terrible"], "good": ["great"]})
    train(dataset, tmp_path / "run", config(roberta, "cloze", max_steps=1))
    with pytest.raises(UserError, match="no example can be put to base: the example is no cloze"):
        evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(tmp_path / "run")))
    with pytest.raises(UserError, match=r"a masked one, which fills blanks and writes nothing.*evals run DATASET --adapter"):
        Comparison.load(tmp_path / "run")
    with pytest.raises(UserError, match="the adapter was trained on"):
        evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(tmp_path / "run"), model=str(tiny_model_dir)))


def test_scores_for_lint_need_a_causal_model(tmp_path: Path, roberta: Path) -> None:
    from evals import score_dataset

    with pytest.raises(UserError, match="is a masked language model: it gives no log-likelihood of a text"):
        score_dataset(write_dataset(tmp_path / "reviews", review_rows(8, 4)), tmp_path / "scores.parquet", model=str(roberta))


def test_a_completion_run_is_evaluated_on_what_asks_something_too(tmp_path: Path, tiny_model_dir: Path) -> None:
    rows = [{"text": "The soup was great. The waiter was slow.", "split": split} for split in ("train", "train", "validation")]
    train(write_dataset(tmp_path / "texts", rows), tmp_path / "run", config(tiny_model_dir, "completion"))
    reviews = write_dataset(tmp_path / "reviews", review_rows(8, 4))
    report = evaluate_dataset(reviews, tmp_path / "out", options(adapter=str(tmp_path / "run"), systems=["base", "adapter"]))
    assert report.form == Form.VERBALIZER  # the texts had no chat template either


@pytest.mark.parametrize(("objective", "method"), [("verbalizer", "lora"), ("cloze", "lora"), ("cloze", "full"), ("cloze", "freeze")])
def test_a_checkpoint_is_chosen_by_what_evals_says_of_it(
    objective: str, method: str, tmp_path: Path, tiny_model_dir: Path, roberta: Path
) -> None:
    """The metric of the best step is that of the finished run: the model was asked in training as it is afterwards."""
    if objective == "cloze":
        dataset, model = cloze_dataset(tmp_path / "data", {"bad": ["terrible"], "good": ["great"]}), roberta
    else:
        dataset, model = write_dataset(tmp_path / "data", review_rows(40, 16)), tiny_model_dir
    changes = {} if method == "lora" else {"learning_rate": 1e-3}
    record = train(dataset, tmp_path / "run", config(model, objective, best="nll", method=method, epochs=2, **changes))
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(tmp_path / "run"), metrics=["nll"]))
    adapter = f"adapter:{tmp_path / 'run'}"
    at_best = dict(record.validation_losses)[record.best_step or record.num_steps]
    assert nll(report, adapter) == pytest.approx(at_best, rel=1e-3)
    assert nll(report, adapter) != nll(report, "base")
