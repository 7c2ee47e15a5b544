"""What becomes of the rows of an evaluation: both tasks, groups, and those that cannot be scored."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from evals.run import evaluate_dataset
from loopwright.files import read_json_lines
from tests.evals.conftest import SUMMARY_TEMPLATE, options, review_rows, summary_rows
from tests.helpers import DEFAULT_TEMPLATE, review, summary, write_dataset


def test_summaries_are_written_and_scored(tmp_path: Path, summaries: Path, adapter_dir: Path) -> None:
    report = evaluate_dataset(summaries, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert list(report.systems) == ["base", f"adapter:{adapter_dir}"]
    assert set(report.systems["base"].metrics) == {"rouge1", "rougeL", "fact_recall", "answer_nll"}
    assert any(note.startswith("constant is left out") for note in report.notes)
    predictions = pl.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert predictions["choice_loglikelihoods"].null_count() == len(predictions) == 12
    assert predictions["prediction"].null_count() == 0
    failures = read_json_lines(tmp_path / "out" / "failures.jsonl")
    assert len(failures) == 6 and all(failure["scores"].keys() == {"rouge1", "rougeL", "fact_recall", "answer_nll"} for failure in failures)


def test_a_dataset_of_both_tasks_is_measured_by_template(tmp_path: Path, adapter_dir: Path) -> None:
    mixed = [{**row, "template": "calls/summary", "id": f"{row['row_id']}/calls/summary/0"} for row in summary_rows(4, 3)]
    dataset = write_dataset(tmp_path / "data", [*review_rows(20, 6), *mixed], templates=[DEFAULT_TEMPLATE, SUMMARY_TEMPLATE])
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    base, constant = report.systems["base"], report.systems["constant"]
    assert (base.n_total, base.n_scored) == (9, 9)
    assert (constant.n_total, constant.n_scored) == (9, 6)
    assert set(base.metrics) == {"accuracy", "macro_f1", "rouge1", "rougeL", "fact_recall", "answer_nll"}
    assert set(constant.metrics) == {"accuracy", "macro_f1"}
    assert {(one.slice, one.value) for one in report.slices} >= {("template", "calls/summary"), ("label", "positive")}


def test_rows_that_cannot_be_scored_are_counted_and_not_hidden(tmp_path: Path, tiny_model_dir: Path, adapter_dir: Path) -> None:
    rows = review_rows(20, 4)
    rows.append(review("a soup " * 600, 1, split="validation", row_id="long"))
    rows.append({**review("no such answer", 1, split="validation", row_id="odd"), "target": " maybe"})
    rows[-1]["messages"][-1]["content"] = "maybe"
    dataset = write_dataset(tmp_path / "data", rows)
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert report.systems["base"].states == {"ok": 4, "prompt_too_long": 1, "error": 1}
    assert (report.systems["base"].n_scored, report.systems["base"].n_total) == (4, 6)
    assert (report.systems["linear"].n_scored, report.systems["linear"].n_total) == (6, 6)
    pair = next(pair for pair in report.pairs if pair.b == "linear" and pair.a == "base")
    assert pair.n == 4, "a pair is compared on the examples that both have a score for"
    assert any("no score for 2 of 6" in text for text in report.warnings)
    failures = {failure["row_id"]: failure for failure in read_json_lines(tmp_path / "out" / "failures.jsonl")}
    assert failures["long"]["state"] == "prompt_too_long" and failures["long"]["prediction"] is None
    assert "does not end on its choice" in next(cause["detail"] for cause in failures["odd"]["causes"] if cause["cause"] == "error")
    raw = evaluate_dataset(dataset, tmp_path / "raw", options(model=str(tiny_model_dir), systems=("base",)))
    assert raw.form == "verbalizer" and raw.systems["base"].states == {"ok": 4, "prompt_cut": 1, "error": 1}


def test_a_prompt_longer_than_the_context_is_not_answered(tmp_path: Path, adapter_dir: Path) -> None:
    rows = [*summary_rows(3, 2), summary("long " * 700, "It is long.", split="validation", row_id="long")]
    dataset = write_dataset(tmp_path / "data", rows, templates=[SUMMARY_TEMPLATE])
    report = evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    assert report.systems["base"].states["prompt_too_long"] == 1
    assert (report.systems["base"].n_scored, report.systems["base"].n_total) == (2, 3)


def test_numbers_that_are_none_are_a_state(tmp_path: Path, reviews: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from train.inference import language_model

    made = language_model.LanguageModel.__init__

    def broken(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self.model.lm_head.register_forward_hook(lambda _module, _inputs, output: output * torch.nan)

    monkeypatch.setattr(language_model.LanguageModel, "__init__", broken)
    report = evaluate_dataset(reviews, tmp_path / "out", options(model=str(tiny_model_dir)))
    assert report.systems["base"].states == {"not_a_number": 24}
    assert report.systems["base"].n_scored == 0
    value = report.systems["base"].metrics["accuracy"]
    assert (value.value, value.low, value.high) == (None, None, None)
    assert "NaN" not in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_lint_of_a_row_and_of_its_neighbours_is_a_candidate_cause(tmp_path: Path, adapter_dir: Path) -> None:
    rows = review_rows(30, 12)
    for index in range(6):  # the same review with two answers, near the evaluated ones
        rows.append(review("On visit 7 the soup was cold and the bread was stale.", index % 2, row_id=f"c{index}"))
    # One of the two is answered wrongly, whatever the adapter says.
    rows += [
        review("On visit 9 the soup was cold and the bread was stale.", label, split="validation", row_id=f"v{label}") for label in (0, 1)
    ]
    dataset = write_dataset(tmp_path / "data", rows)
    evaluate_dataset(dataset, tmp_path / "out", options(adapter=str(adapter_dir)))
    causes = {cause["cause"] for failure in read_json_lines(tmp_path / "out" / "failures.jsonl") for cause in failure["causes"]}
    assert "lint_neighbour:CON201" in causes


def test_groups_widen_intervals(tmp_path: Path, adapter_dir: Path) -> None:
    rows = review_rows(30, 24)
    grouped = [{**row, "group": f"g{index // 6}"} for index, row in enumerate(rows)]
    reports = [
        evaluate_dataset(write_dataset(tmp_path / name, data), tmp_path / f"out-{name}", options(adapter=str(adapter_dir)))
        for name, data in (("single", rows), ("grouped", grouped))
    ]
    assert [report.num_clusters for report in reports] == [24, 4]
    widths = [
        report.pairs[0].high - report.pairs[0].low
        for report in reports
        if report.pairs[0].high is not None and report.pairs[0].low is not None
    ]
    assert widths[1] > widths[0]
    assert [report.pairs[0].test for report in reports] == ["mcnemar_exact", "cluster_sign_flip"]


def test_a_look_at_test_is_counted_beside_the_output(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [*review_rows(10, 4), review("fine soup", 1, split="test", row_id="t")])
    given = options(systems=("constant",))
    assert evaluate_dataset(dataset, tmp_path / "v", given).test_looks is None
    assert not (tmp_path / "looks.json").exists()
    test = given.model_copy(update={"split": "test"})
    assert evaluate_dataset(dataset, tmp_path / "one", test).test_looks == 1
    second = evaluate_dataset(dataset, tmp_path / "two", test)
    assert second.test_looks == 2
    assert any("evaluation 2 on this test set" in text for text in second.warnings)
    (counted,) = json.loads((tmp_path / "looks.json").read_text(encoding="utf-8")).values()
    assert counted == {"dataset": "test", "looks": 2}
