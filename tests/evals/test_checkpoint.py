"""A run that chooses its checkpoint by a metric of evals: the metric is that of `evals run`, and differences are paired."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.api import evaluate
from evals.checkpoint import MetricScorer
from loopwright.errors import UserError
from templates.chat import ChatTemplateConfig
from templates.form import Form
from tests.helpers import review, summary, write_dataset
from tests.train.conftest import reviews
from train.config import TrainConfig
from train.engine.best import ScorerRequest
from train.engine.loss import Scorer
from train.run import train

OPTIONS = {"dtype": "float32", "batch_size": 4, "learning_rate": 2e-2, "epochs": 3, "leaks": "allow"}


@pytest.fixture(scope="module")
def reviews_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "reviews", reviews(12, 8))


def config_of(model: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate({"model": str(model), **OPTIONS, **changes})


def last_scores(run_dir: Path) -> tuple[list[Any], dict[str, Any]]:
    folder = max((run_dir / "checkpoints").iterdir(), key=lambda path: int(path.name.removeprefix("step-")))
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    return state["progress"]["best"]["scores"], state["progress"]["best"]


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("metric", ["accuracy", "nll", "macro_f1"])
def test_checkpoints_are_scored_as_evals_scores_the_run(
    metric: str, method: str, reviews_dir: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    config = config_of(tiny_model_dir, best=metric, method=method, learning_rate=2e-2 if method == "lora" else 3e-3, epochs=1)
    record = train(reviews_dir, run_dir, config)
    assert record.best_step == record.num_steps
    scores, best = last_scores(run_dir)
    assert (best["step"], best["leader"], best["num_worse"]) == (3, 3, 0)
    request = ScorerRequest(metric, reviews_dir, str(tiny_model_dir), Form.CHAT, ChatTemplateConfig())
    value = MetricScorer.make(request).value(scores)
    report = evaluate(reviews_dir, tmp_path / "eval", adapter=str(run_dir), systems=["adapter"], metrics=[metric], dtype="float32").report
    expected = next(iter(report.systems.values())).metrics[metric]
    assert (value.value, value.low, value.high) == pytest.approx((expected.value, expected.low, expected.high), abs=1e-5)


def test_training_goes_on_packed_and_as_without_a_metric(reviews_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    with_metric = train(reviews_dir, tmp_path / "a", config_of(tiny_model_dir, best="accuracy", lora={"dropout": 0.1}))
    without = train(reviews_dir, tmp_path / "b", config_of(tiny_model_dir, best="last", lora={"dropout": 0.1}))
    assert with_metric.packed
    assert with_metric.validation_losses == without.validation_losses
    assert with_metric.best_step == without.num_steps
    for name in ("adapter_model.safetensors", "ledger.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_written_answers_are_scored_too(tiny_model_dir: Path, tmp_path: Path) -> None:
    rows = [summary("The soup was great.", "great soup"), summary("The bill was wrong.", "wrong bill")] * 3
    rows += [summary("The waiter was slow.", "slow waiter", split="validation"), summary("slow soup", "slow", split="validation")]
    dataset = write_dataset(tmp_path / "data", [{**row, "row_id": f"row{number}"} for number, row in enumerate(rows)])
    record = train(dataset, tmp_path / "run", config_of(tiny_model_dir, best="rouge1", epochs=2))
    scores, _ = last_scores(tmp_path / "run")
    assert len(scores) == 2 and record.best_step is not None


def test_gains_are_paired_and_less_is_better_where_the_metric_says_so(reviews_dir: Path, tiny_model_dir: Path) -> None:
    def scorer(metric: str) -> MetricScorer:
        return MetricScorer.make(ScorerRequest(metric, reviews_dir, str(tiny_model_dir), Form.CHAT, ChatTemplateConfig()))

    low, high = [[0.1 + row / 100, 1.0] for row in range(8)], [[1.1 + row / 100, 1.0] for row in range(8)]
    gain = scorer("nll").gain(low, high)
    assert gain.value == pytest.approx(1.0)
    assert gain.low is not None and gain.low > 0.9
    lost = scorer("nll").gain(high, low)
    assert lost.high is not None and lost.high < -0.9
    right, wrong = [[1.0, 1.0]] * 8, [[0.0, 1.0]] * 8
    found = scorer("accuracy").gain(wrong, right)
    assert found.value == -1.0 and found.high is not None and found.high < 0
    one_off = scorer("accuracy").gain([[0.0, 1.0], *right[1:]], right)
    assert one_off.value == -0.125 and one_off.high is not None and one_off.high > 0  # within the noise


@pytest.mark.parametrize(
    ("metric", "cause"),
    [("acuracy", "unknown metric 'acuracy'.*Did you mean 'accuracy'"), ("rouge1", "is about generation, of which the validation split")],
)
def test_a_metric_that_does_not_fit_is_refused_before_the_model_is_loaded(
    metric: str, cause: str, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    dataset = write_dataset(tmp_path / "data", [review("great soup", 1), review("slow soup", 0, split="validation")])
    with pytest.raises(UserError, match=cause):
        train(dataset, tmp_path / "run", config_of(tiny_model_dir, best=metric))
    assert not (tmp_path / "run").exists()


def test_the_models_own_attention_is_back_while_it_answers(reviews_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    from train.engine.attention import IMPLEMENTATION
    from train.models.load import load_model

    scorer = Scorer.for_model(load_model(str(tiny_model_dir), "float32"))
    assert scorer.causal.config._attn_implementation == IMPLEMENTATION
    with scorer.answering():
        assert scorer.causal.config._attn_implementation == "sdpa"
    assert scorer.causal.config._attn_implementation == IMPLEMENTATION
