"""Answers that people have judged: ranked by what a run's loss compares, by likelihood, or by a reward model."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import roc_auc_score

from evals.run import evaluate_dataset
from evals.systems.judged import Ranking
from loopwright.errors import UserError
from templates.chat import load_tokenizer
from tests.evals.conftest import make_run, options, review_rows
from tests.evals.kinds.made import chats, evaluated, models, pairs, parts, trained, value, weighted_sum
from tests.helpers import write_dataset
from tests.train.conftest import without_proofs
from tests.train.objectives.judged import judged_rows
from train.inference.language_model import LanguageModel
from train.objectives.answers import encode_answer, encode_pair
from train.objectives.base import TokenSequence
from train.runs.record import RunRecord


@pytest.fixture(autouse=True)
def _no_proofs(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proofs(monkeypatch)


def held_out(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] == "validation"]


def sums_of_pairs(model: Any, model_dir: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Returns log-likelihoods and tokens of the held-out pairs, the preferred answer first, both [N, 2]."""
    tokenizer = load_tokenizer(str(model_dir))
    encoded = [[one.encoded for one in encode_pair(tokenizer, row, TokenSequence.causal)] for row in held_out(pairs())]
    sums = np.array([[weighted_sum(model, one) for one in row] for row in encoded])
    return sums, np.array([[one.num_trained_tokens for one in row] for row in encoded])


def share_ahead(scores: np.ndarray[Any, Any]) -> float:
    return float((scores[:, 0] > scores[:, 1]).mean())


@pytest.mark.parametrize(
    ("method", "changes"),
    [("lora", {}), ("full", {}), ("freeze", {"dpo": {"length_normalized": True}}), ("lora", {"loss": "simpo"})],
    ids=str,
)
def test_a_run_on_pairs_ranks_by_what_its_loss_compares(method: str, changes: dict[str, Any], tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset, run, record = trained(tmp_path, pairs(), tiny_model_dir, objective="preference", method=method, **changes)
    report, tuned = evaluated(dataset, tmp_path / "out", run, metrics=["preference_accuracy", "likelihood_accuracy", "preference_margin"])
    (before, _), (after, lengths) = (sums_of_pairs(model, tiny_model_dir) for model in models(tiny_model_dir, run, method))
    ratios = after - before
    loss = changes.get("loss", "dpo")
    ranked_by = after / lengths if loss != "dpo" else ratios / lengths if "dpo" in changes else ratios
    assert value(report, tuned, "preference_accuracy") == pytest.approx(share_ahead(ranked_by))
    assert value(report, "base", "preference_accuracy") == pytest.approx(share_ahead(before))
    assert value(report, tuned, "likelihood_accuracy") == pytest.approx(share_ahead(after))
    assert value(report, tuned, "preference_accuracy") == pytest.approx(record.validation_ranked)
    margin = next(pair for pair in report.pairs if pair.metric == "preference_margin")
    assert margin.difference == pytest.approx(float((ratios[:, 0] - ratios[:, 1]).mean()), abs=1e-3), "that of the implicit reward"
    scores = [[part["score"] for part in row] for row in parts(tmp_path / "out", tuned).values()]
    np.testing.assert_allclose(scores, ranked_by, atol=1e-3)
    assert report.form == "preference" and report.systems[tuned].n_scored == 6


def test_a_pair_that_is_ranked_wrongly_is_a_failure(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset = write_dataset(tmp_path / "data", pairs())
    report = evaluate_dataset(dataset, tmp_path / "out", options(model=str(tiny_model_dir), systems=["base"]))
    from loopwright.files import read_json_lines

    failed = read_json_lines(tmp_path / "out" / "failures.jsonl")
    accuracy = value(report, "base", "preference_accuracy")
    assert len(failed) == round(6 * (1 - accuracy)) and 0 < len(failed) < 6
    answers = {row["row_id"]: (row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in pairs()}
    assert all((one["reference"], one["prediction"]) == answers[one["row_id"]] for one in failed)


def test_the_reference_is_the_run_that_a_run_began_with(tmp_path: Path, tiny_model_dir: Path) -> None:
    _, start, _ = trained(tmp_path / "sft", chats(), tiny_model_dir, objective="chat")
    dataset, run, record = trained(tmp_path / "dpo", pairs(), tiny_model_dir, objective="preference", start=str(start))
    report, tuned = evaluated(dataset, tmp_path / "out", run)
    _, begun = models(tiny_model_dir, start, "lora")
    _, ended = models(tiny_model_dir, run, "lora")
    ratios = sums_of_pairs(ended, tiny_model_dir)[0] - sums_of_pairs(begun, tiny_model_dir)[0]
    scores = [[part["score"] for part in row] for row in parts(tmp_path / "out", tuned).values()]
    np.testing.assert_allclose(scores, ratios, atol=1e-3)
    assert value(report, tuned, "preference_accuracy") == pytest.approx(record.validation_ranked)
    (start / "adapter_model.safetensors").unlink()
    report, tuned = evaluated(dataset, tmp_path / "again", run)
    assert any("ranks answers by their likelihood, and not by its implicit reward" in note for note in report.notes)
    assert value(report, tuned, "preference_accuracy") == share_ahead(sums_of_pairs(ended, tiny_model_dir)[0])


def test_judged_answers_are_ordered_by_the_implicit_reward(tmp_path: Path, tiny_model_dir: Path) -> None:
    rows = judged_rows(11, 9)
    dataset, run, _ = trained(tmp_path, rows, tiny_model_dir, objective="unpaired")
    report, tuned = evaluated(dataset, tmp_path / "out", run)
    tokenizer = load_tokenizer(str(tiny_model_dir))
    encoded = [encode_answer(tokenizer, row["messages"][:-1], row["messages"][-1:]) for row in held_out(rows)]
    wanted = np.array([row["wanted"] for row in held_out(rows)])
    before, after = (np.array([weighted_sum(model, one) for one in encoded]) for model in models(tiny_model_dir, run, "lora"))
    lengths = np.array([one.num_trained_tokens for one in encoded])
    assert value(report, tuned, "unpaired_auc") == pytest.approx(roc_auc_score(wanted, after - before))
    assert value(report, "base", "unpaired_auc") == pytest.approx(roc_auc_score(wanted, before / lengths))
    ratios = after - before
    margin = next(pair for pair in report.pairs if pair.metric == "unpaired_margin")
    assert margin.difference == pytest.approx(ratios[wanted].mean() - ratios[~wanted].mean(), abs=1e-3)
    alone = evaluate_dataset(
        write_dataset(tmp_path / "one", [row for row in rows if row["wanted"]]),
        tmp_path / "wanted",
        options(adapter=str(run), systems=["base", "adapter"]),
    )
    assert alone.systems["base"].metrics["unpaired_auc"].value is None, "there is no order of answers of one kind"
    assert alone.verdict_detail.outcome == "cannot tell" and "NaN" not in (tmp_path / "wanted" / "report.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_reward_model_ranks_pairs_and_nothing_else(
    method: str, tmp_path: Path, tiny_model_dir: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForSequenceClassification

    dataset, run, record = trained(tmp_path, pairs(), tiny_model_dir, objective="reward", method=method)
    report, tuned = evaluated(dataset, tmp_path / "out", run, max_batch_tokens=200)
    plain = AutoModelForSequenceClassification.from_pretrained(run, num_labels=1, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(str(tiny_model_dir))
    encoded = [encode_pair(tokenizer, row, TokenSequence.whole) for row in held_out(pairs())]
    with torch.no_grad():
        given = [[plain(input_ids=torch.tensor([one.encoded.input_ids])).logits[0, 0] for one in row] for row in encoded]
    rewards = np.array(given, dtype=np.float64)
    scores = [[part["score"] for part in row] for row in parts(tmp_path / "out", tuned).values()]
    np.testing.assert_allclose(scores, rewards, atol=1e-4)
    assert value(report, tuned, "preference_accuracy") == pytest.approx(record.validation_ranked)
    assert value(report, tuned, "reward_margin") == pytest.approx(float((rewards[:, 0] - rewards[:, 1]).mean()), abs=1e-4)
    assert report.systems[tuned].metrics["preference_margin"].value is None, "a reward model has no likelihood"
    assert report.systems["base"].metrics["reward_margin"].value is None
    assert next(pair for pair in report.pairs if pair.metric == "preference_accuracy").n == 6
    with pytest.raises(
        UserError, match=r"a reward model, which scores answers and writes none.*This one ranks pairs: evals run PAIRS --adapter"
    ):
        evaluate_dataset(reviews, tmp_path / "reviews", options(adapter=str(run)))
    mixed = write_dataset(tmp_path / "mixed", [*review_rows(8, 4), *pairs()])
    both = evaluate_dataset(mixed, tmp_path / "both", options(adapter=str(run), systems=["base", "adapter"]))
    assert (both.systems["base"].n_scored, both.systems[tuned].n_scored) == (10, 6)
    monkeypatch.setattr(LanguageModel, "__init__", lambda *_: pytest.fail("no system asks a language model"))
    report, tuned = evaluated(dataset, tmp_path / "alone", run, systems=["adapter"])
    assert value(report, tuned, "preference_accuracy") == pytest.approx(record.validation_ranked)


def test_pairs_that_cannot_be_ranked_are_states(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = held_out(pairs())[:2]
    rows[1] = {**rows[1], "rejected": rows[1]["chosen"], "row_id": "equal"}
    rows.append({**rows[0], "chosen": [{"role": "assistant", "content": "soup " * 700}], "row_id": "long"})
    dataset = write_dataset(tmp_path / "data", rows)
    report = evaluate_dataset(dataset, tmp_path / "out", options(model=str(tiny_model_dir), systems=["base"]))
    assert report.systems["base"].states == {"ok": 1, "prompt_too_long": 1, "error": 1}
    made = LanguageModel.__init__

    def broken(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self.model.lm_head.register_forward_hook(lambda _module, _inputs, output: output * torch.nan)

    monkeypatch.setattr(LanguageModel, "__init__", broken)
    report = evaluate_dataset(dataset, tmp_path / "nan", options(model=str(tiny_model_dir), systems=["base"]))
    assert report.systems["base"].states == {"prompt_too_long": 1, "not_a_number": 1, "error": 1}


def test_a_run_of_several_seeds_is_the_mean_of_them(tmp_path: Path, tiny_model_dir: Path) -> None:
    dataset, run, record = trained(tmp_path, judged_rows(11, 9), tiny_model_dir, objective="unpaired", seeds=2, max_steps=2)
    report, tuned = evaluated(dataset, tmp_path / "out", run)
    frame = pl.read_parquet(tmp_path / "out" / "predictions.parquet").filter(system=tuned)
    each = []
    for seed in record.seeds:
        answers = [one for [one] in frame.filter(seed=seed)["parts"].to_list()]
        sides = [[one["loglikelihood"] for one in answers if one["name"] == side] for side in ("wanted", "unwanted")]
        each.append(np.mean(sides[0]) - np.mean(sides[1]))
    assert each[0] != each[1]
    assert value(report, tuned, "unpaired_margin") == pytest.approx(np.mean(each))
    assert 0 <= value(report, tuned, "unpaired_auc") <= 1


def test_what_a_run_ranks_by_follows_from_its_loss(tmp_path: Path, tiny_model_dir: Path) -> None:
    record = RunRecord.load(make_run(tmp_path / "run", tiny_model_dir))
    cases = [
        ("chat", {}, Ranking.LIKELIHOOD),
        ("preference", {}, Ranking.RATIO),
        ("preference", {"loss": None, "dpo": {"length_normalized": False}}, Ranking.RATIO),
        ("preference", {"loss": "dpo", "dpo": {"length_normalized": True}}, Ranking.MEAN_RATIO),
        ("preference", {"loss": "orpo"}, Ranking.MEAN),
        ("preference", {"loss": "simpo"}, Ranking.MEAN),
        ("unpaired", {"loss": None}, Ranking.RATIO),
    ]
    for objective, config, expected in cases:
        assert Ranking.of(record.model_copy(update={"objective": objective, "config": config})) is expected
