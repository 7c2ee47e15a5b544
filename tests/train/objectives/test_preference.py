"""DPO, ORPO and SimPO: against their formulas on a plain forward pass, and in whole runs."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from loopwright.errors import UserError
from tests.helpers import write_dataset
from tests.train.several import answer, rows, write_rows
from tests.train.test_several_sequences import fresh_model, gradient_of, load, loss_and_gradient, make_trainer, plain_logprobs
from train.config import TrainConfig
from train.data.examples import TrainingExample
from train.models.load import Model, load_model, unwrapped
from train.objectives.base import TokenScores
from train.objectives.preference import Preference
from train.run import train

Options = Callable[..., TrainConfig]
LOSSES: list[dict[str, Any]] = [
    {"loss": "dpo"},
    {"loss": "dpo", "dpo": {"beta": 3.0, "length_normalized": True}},
    {"loss": "orpo", "orpo": {"weight": 0.7}},
    {"loss": "simpo", "simpo": {"beta": 2.5, "gamma": 0.4}},
]


def test_no_option_of_a_loss_is_without_a_case() -> None:
    for loss in Preference.losses:
        cases = {option for changes in LOSSES if changes["loss"] == loss for option in changes.get(loss, {})}
        assert cases == set(type(getattr(TrainConfig(), loss)).model_fields)


@pytest.fixture(scope="module")
def pairs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("pairs") / "data")


def plain_loss(config: TrainConfig, example: TrainingExample, logprobs: list[Tensor], reference: list[Tensor]) -> Tensor:
    """The paper's formula, from the two answers' summed log-probabilities."""
    lengths = [len(sequence.targets) for sequence in example.sequences]
    chosen, rejected = logprobs
    if config.loss == "dpo":
        ratios = [ours - theirs for ours, theirs in zip(logprobs, reference, strict=True)]
        if config.dpo.length_normalized:
            ratios = [ratio / length for ratio, length in zip(ratios, lengths, strict=True)]
        return -torch.log(torch.sigmoid(config.dpo.beta * (ratios[0] - ratios[1])))
    means = [chosen / lengths[0], rejected / lengths[1]]
    if config.loss == "simpo":
        return -torch.log(torch.sigmoid(config.simpo.beta * means[0] - config.simpo.beta * means[1] - config.simpo.gamma))
    odds = [mean.exp() / (1 - mean.exp()) for mean in means]
    return -means[0] - config.orpo.weight * torch.log(torch.sigmoid(torch.log(odds[0] / odds[1])))


@pytest.mark.parametrize("changes", LOSSES)
def test_a_loss_below_the_even_one_is_a_pair_that_is_ranked_rightly(changes: dict[str, Any], options: Options) -> None:
    torch.manual_seed(0)
    num_rows = 40
    logprobs, reference = -torch.rand(2, 2 * num_rows) * 5 - 0.01
    indices, signs = torch.arange(2 * num_rows), torch.tensor([1.0, -1.0]).repeat(num_rows)
    scores = TokenScores(logprobs, logprobs, torch.ones(2 * num_rows), indices, indices // 2, signs, num_rows, reference=reference)
    objective = Preference(options(**changes))
    ahead = objective.margins(scores)[0] > 0
    assert 0 < ahead.sum() < num_rows
    if objective.even_loss is None:
        assert changes["loss"] == "orpo"  # whose loss has the answer's likelihood in it
    else:
        assert ((objective.row_losses(scores) < objective.even_loss) == ahead).all()


@pytest.mark.parametrize("changes", LOSSES)
def test_loss_and_gradient_are_the_formula_s_however_a_step_is_divided(
    changes: dict[str, Any], pairs_dir: Path, tiny_model_dir: Path, options: Options
) -> None:
    objective = Preference(options(objective="preference", **changes))
    data = load(pairs_dir, objective, tiny_model_dir)
    base: Model = load_model(str(tiny_model_dir), "float32")
    trained = fresh_model(tiny_model_dir, objective.config, scale=0.1)
    begun = make_trainer(fresh_model(tiny_model_dir, objective.config), objective, data)
    assert objective.needs_reference == (changes["loss"] == "dpo")
    if objective.needs_reference:
        begun.passes.ask_reference(data.train)
    for packed in (True, False):
        trainer = make_trainer(trained, objective, data, packed=packed)
        trainer.passes.reference = begun.passes.reference
        found = [loss_and_gradient(trainer, data.train, **limits) for limits in ({}, {"micro_batch_size": 1}, {"micro_batch_tokens": 150})]
        unwrapped(trained).set_attn_implementation("sdpa")
        trained.zero_grad()
        losses = []
        for example in data.train:
            with torch.no_grad():
                theirs = plain_logprobs(base, example)
            losses.append(plain_loss(objective.config, example, plain_logprobs(trained, example), theirs))
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        gradient = gradient_of(trained)
        assert gradient.norm() > 1e-4
        for loss, other in found:
            assert loss == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
            assert functional.cosine_similarity(other, gradient, dim=0) > 0.99999
            assert other.norm() == pytest.approx(gradient.norm().item(), rel=1e-3)


def test_dpo_begins_at_ln_2_with_a_gradient(pairs_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    objective = Preference(options(objective="preference"))
    data = load(pairs_dir, objective, tiny_model_dir)
    trainer = make_trainer(fresh_model(tiny_model_dir, objective.config), objective, data)
    trainer.passes.ask_reference(data.train)
    loss, gradient = loss_and_gradient(trainer, data.train)
    assert loss == pytest.approx(math.log(2), abs=1e-6)
    assert gradient.norm() > 1e-4


def test_the_answers_alone_are_scored(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    asked = [
        {"role": "user", "content": "The soup?"},
        {"role": "assistant", "content": "Great."},
        {"role": "user", "content": "And the bill?"},
    ]
    row = {"messages": asked, "chosen": [answer("Wrong.")], "rejected": [answer("Slow soup.")]}
    data = load(write_rows(tmp_path / "data", [row]), Preference(options()), tiny_model_dir)
    sequences = data.train[-1].sequences
    trained = [[piece.text for piece in sequence.encoded.pieces() if piece.trained] for sequence in sequences]
    assert trained == [["Wrong.<|im_end|>"], ["Slow soup.<|im_end|>"]]
    assert [(sequence.name, sequence.sign) for sequence in sequences] == [("chosen", 1), ("rejected", -1)]
    start = sequences[0].positions[0] + 1
    assert sequences[0].encoded.input_ids[:start] == sequences[1].encoded.input_ids[:start]


def test_equal_answers_are_refused_before_the_model_is_loaded(tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [{"role": "user", "content": "x"}]
    folder = write_rows(tmp_path / "data", [{"messages": asked, "chosen": [answer("same")], "rejected": [answer("same")]}])
    monkeypatch.setattr("train.session.load_for_training", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UserError, match=r"row row14 cannot be trained on: the preferred answer and the other one are equal") as caught:
        train(folder, tmp_path / "run", options(objective="preference"))
    assert "LBL804" in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "kto"}, r"the objective 'preference' has no loss 'kto'. Choose one of dpo, orpo, simpo"),
        ({"objective": "chat", "loss": "dpo"}, r"the objective 'chat' has no loss 'dpo'. Leave it out"),
        ({"simpo": {"gamma": 0.5}}, r"simpo.gamma is set, and the loss is dpo. Leave it out, or train with loss: simpo"),
        ({"loss": "orpo", "dpo": {"beta": 0.5}}, r"dpo.beta is set, and the loss is orpo"),
        ({"objective": "chat", "dpo": {"beta": 0.5}}, r"dpo.beta is set, and the objective 'chat' has no such loss"),
    ],
)
def test_a_loss_that_is_not_the_objective_s_and_options_that_nothing_reads_are_refused(
    changes: dict[str, Any], words: str, pairs_dir: Path, tmp_path: Path, options: Options
) -> None:
    with pytest.raises(UserError, match=words):
        train(pairs_dir, tmp_path / "run", options(**{"objective": "preference", **changes}))


@pytest.mark.parametrize("changes", [*LOSSES, {"dpo": {"beta": 0.5}}])
def test_a_run_puts_the_preferred_answers_ahead(changes: dict[str, Any], pairs_dir: Path, tmp_path: Path, options: Options) -> None:
    record = train(pairs_dir, tmp_path / "run", options(objective="preference", epochs=6, **changes))
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    first, last = (ledger.filter(epoch=epoch) for epoch in (1, 6))
    assert last["margin"].mean() > first["margin"].mean() + 0.2  # type: ignore[operator]
    assert last["correct"].all()
    assert last["loss"].mean() < first["loss"].mean()  # type: ignore[operator]
    assert "Mean loss per pair: train" in record.summary(tmp_path / "run")


def test_a_run_answers_chats_and_is_evaluated_as_one(
    pairs_dir: Path, dataset_dir: Path, tmp_path: Path, tiny_model_dir: Path, options: Options
) -> None:
    from evals.run import evaluate_dataset
    from tests.evals.conftest import options as evals_options

    train(pairs_dir, tmp_path / "run", options(objective="preference", max_steps=1))
    report = evaluate_dataset(dataset_dir, tmp_path / "evals", evals_options(adapter=str(tmp_path / "run"), systems=("base", "adapter")))
    assert report.form == "chat"
    only_pairs = [{**row, "prompt": None, "choices": None, "split": "validation"} for row in rows(3, 0)]
    pairs = evaluate_dataset(
        write_dataset(tmp_path / "pairs", only_pairs), tmp_path / "other", evals_options(adapter=str(tmp_path / "run"))
    )
    assert "preference_accuracy" in pairs.systems["base"].metrics, "a dataset of pairs is ranked"
