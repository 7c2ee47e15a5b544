"""Examples of two sequences, and of as many as the row has choices, from packing to the ledger, against a plain reading of their losses."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from torch.nn import functional

from loopwright.errors import UserError, UserErrors
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.train import several
from tests.train.several import BETA, Choice, Pair, Turns, answer, write_rows
from train.config import TrainConfig
from train.data.examples import TrainingData, TrainingExample, load_examples
from train.data.order import RunPlan, StepOrder
from train.data.packing import collate, micro_batches
from train.engine.checkpoint import RunProgress
from train.engine.loop import Trainer
from train.engine.loss import Scorer
from train.engine.passes import Passes
from train.ledger.ledger import Ledger, summarise
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model, unwrapped
from train.objectives.base import Objective
from train.objectives.chat import Chat
from train.run import train

CPU = torch.device("cpu")
Options = Callable[..., TrainConfig]
References = Mapping[str, list[torch.Tensor]]
BOTH = pytest.mark.parametrize("objective_class", [Pair, Choice])


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    several.register()
    yield
    several.unregister()


@pytest.fixture(scope="module")
def several_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("several") / "data")


def load(folder: Path, objective: Objective, model_dir: Path, limit: int = 512) -> TrainingData:
    return load_examples(Dataset.open(folder), objective, load_tokenizer(str(model_dir)), objective.config, limit)


def fresh_model(model_dir: Path, config: TrainConfig, *, scale: float | None = None) -> Model:
    """The tiny model as a run begins with it or, with a scale, with an adapter whose effect is not zero."""
    model = load_model(str(model_dir), "float32")
    torch.manual_seed(config.seed)
    model = Lora(config).fresh(model)
    if scale:
        with torch.no_grad():
            for parameter in trainable(model).values():
                parameter.normal_(std=scale)
    return model


def plain_logprobs(model: Model, example: TrainingExample) -> list[torch.Tensor]:
    """Each sequence alone through the model's own forward pass: the sum of its trained tokens' log-probabilities."""
    sums = []
    for sequence in example.sequences:
        ids = torch.tensor([sequence.encoded.input_ids])
        labels = torch.where(torch.tensor(sequence.encoded.loss_weights) > 0, ids[0], -100)
        sums.append(-functional.cross_entropy(model(input_ids=ids).logits[0, :-1], labels[1:], ignore_index=-100, reduction="sum"))
    return sums


def as_module(model: Model) -> torch.nn.Module:
    assert isinstance(model, torch.nn.Module)
    return model


def plain_references(model_dir: Path, examples: list[TrainingExample], dtype: torch.dtype = torch.float32) -> References:
    base = load_model(str(model_dir), "float32")  # a fresh adapter changes nothing
    as_module(base).to(dtype)
    with torch.no_grad():
        return {example.id: plain_logprobs(base, example) for example in examples}


def plain_loss(objective: Objective, model: Model, example: TrainingExample, references: References) -> tuple[torch.Tensor, torch.Tensor]:
    """The row's loss, and by how much its right answer is ahead."""
    logprobs = plain_logprobs(model, example)
    if isinstance(objective, Pair):
        chosen, rejected = (ours - theirs for ours, theirs in zip(logprobs, references[example.id], strict=True))
        return functional.softplus(-BETA * (chosen - rejected)), chosen - rejected
    right = next(index for index, sequence in enumerate(example.sequences) if sequence.sign == 1)
    others = torch.stack([value for index, value in enumerate(logprobs) if index != right])
    return functional.cross_entropy(torch.stack(logprobs)[None], torch.tensor([right])), logprobs[right] - others.max()


def gradient_of(model: Model) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in trainable(model).values() if parameter.grad is not None])


def make_trainer(model: Model, objective: Objective, data: TrainingData, *, packed: bool = True) -> Trainer:
    scorer = Scorer.for_model(model)
    assert scorer.packed
    if not packed:
        unwrapped(model).set_attn_implementation("sdpa")
        scorer = Scorer(scorer.causal, packed=False)
    passes = Passes(model, scorer, objective, objective.config)
    return Trainer(passes, data, Ledger(), RunProgress(), StepOrder.of(data.train, objective.config))


def loss_and_gradient(trainer: Trainer, examples: list[TrainingExample], **limits: Any) -> tuple[float, torch.Tensor]:
    """One step's loss and gradient as the loop computes them."""
    trainer.passes.config = TrainConfig.model_validate({**trainer.config.model_dump(), **limits})
    trainer.model.zero_grad()
    total = 0.0
    for group in micro_batches(examples, trainer.config, packed=trainer.scorer.packed):
        loss = trainer.objective.loss(trainer.passes.score(group)) / sum(example.normalizer for example in examples)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    return total, gradient_of(trainer.model)


@BOTH
def test_loss_and_gradient_are_those_of_a_plain_reading_however_they_are_divided(
    objective_class: type[Objective], several_dir: Path, tiny_model_dir: Path, options: Options
) -> None:
    objective = objective_class(options())
    data = load(several_dir, objective, tiny_model_dir)
    references = plain_references(tiny_model_dir, [*data.train, *data.validation])
    trained = fresh_model(tiny_model_dir, objective.config, scale=0.1)
    # The reference is asked of a fresh model; the model that is trained has moved away from it.
    begun = make_trainer(fresh_model(tiny_model_dir, objective.config), objective, data)
    if objective.needs_reference:
        begun.passes.ask_reference([*data.train, *data.validation])
    for packed in (True, False):
        trainer = make_trainer(trained, objective, data, packed=packed)
        trainer.passes.reference = begun.passes.reference
        found = [loss_and_gradient(trainer, data.train, **limits) for limits in ({}, {"micro_batch_size": 1}, {"micro_batch_size": 3})]
        found += [loss_and_gradient(trainer, data.train, micro_batch_size=None, micro_batch_tokens=150)]
        unwrapped(trained).set_attn_implementation("sdpa")
        trained.zero_grad()
        expected = torch.stack([plain_loss(objective, trained, example, references)[0] for example in data.train]).mean()
        expected.backward()  # type: ignore[no-untyped-call]
        gradient = gradient_of(trained)
        assert gradient.norm() > 1e-3
        for loss, other in found:
            assert loss == pytest.approx(expected.item(), rel=1e-5)
            torch.testing.assert_close(other, gradient, rtol=1e-3, atol=1e-6)
            assert functional.cosine_similarity(other, gradient, dim=0) > 0.99999


@BOTH
def test_an_example_is_never_divided(objective_class: type[Objective], several_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    objective = objective_class(options())
    examples = load(several_dir, objective, tiny_model_dir).train
    assert {len(example.sequences) for example in examples} == ({2} if objective_class is Pair else {2, 3, 4})
    for packed in (True, False):
        for limit in (1, 150, 400, 10_000):
            groups = list(micro_batches(examples, options(micro_batch_tokens=limit), packed=packed))
            assert sorted(example.id for group in groups for example in group) == sorted(example.id for example in examples)
            for group in groups:
                batch = collate(group, CPU, packed=packed)
                assert batch.input_ids.numel() <= limit or len(group) == 1
                wanted = [(row, len(sequence.targets)) for row, example in enumerate(group) for sequence in example.sequences]
                assert batch.rows.tolist() == [row for row, _ in wanted]
                assert batch.sequences.bincount().tolist() == [number for _, number in wanted]


def test_sequences_of_one_example_do_not_see_each_other(several_dir: Path, tiny_model_dir: Path, options: Options) -> None:
    objective = Choice(options())
    data = load(several_dir, objective, tiny_model_dir)
    scorer = make_trainer(fresh_model(tiny_model_dir, objective.config, scale=0.1), objective, data).scorer
    example = next(example for example in data.train if len(example.sequences) == 3)
    batch = collate([example], CPU, packed=True)
    before = scorer.score(batch).sequence_logprobs().detach()
    batch.input_ids[0, 5 : example.sequences[0].num_tokens - 4] += 1
    after = scorer.score(batch).sequence_logprobs().detach()
    assert torch.equal(before[1:], after[1:])
    assert before[0] != after[0]


def plain_run(objective: Objective, data: TrainingData, model_dir: Path) -> dict[str, torch.Tensor]:
    """One sequence a forward pass, the mean over a step's rows, clipping, AdamW on a falling line: what is trained, at the end.

    In float64: the run's rounding is measured against the exact figures and not against another rounding.
    """
    config = objective.config
    model = fresh_model(model_dir, config).train()
    as_module(model).double()
    references = plain_references(model_dir, data.train, torch.float64)
    plan = RunPlan.of(len(data.train), config)
    order = StepOrder(data.train, config, plan)
    parameters = list(trainable(model).values())
    assert config.learning_rate is not None
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=plan.num_steps)
    for step in range(plan.num_steps):
        loss = torch.stack([plain_loss(objective, model, example, references)[0] for example in order[step]]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return {name.replace(".default", ""): parameter.detach() for name, parameter in trainable(model).items()}


@BOTH
def test_a_run_ends_where_a_plain_loop_does(
    objective_class: type[Objective], several_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options
) -> None:
    from safetensors.torch import load_file

    config = options(objective=objective_class.name, epochs=3, schedule="linear", warmup=0, micro_batch_size=3)
    objective = objective_class(config)
    expected = plain_run(objective, load(several_dir, objective, tiny_model_dir), tiny_model_dir)
    record = train(several_dir, tmp_path / "run", config)
    trained = load_file(tmp_path / "run" / "adapter_model.safetensors")
    assert trained.keys() == expected.keys()
    for name, tensor in trained.items():
        torch.testing.assert_close(tensor.double(), expected[name], rtol=0, atol=2e-4)
    assert (record.objective, record.form) == (objective_class.name, objective_class.form)
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    assert record.final_train_loss == pytest.approx(ledger.filter(epoch=3)["loss"].mean())
    assert ledger.filter(epoch=3)["margin"].mean() > ledger.filter(epoch=1)["margin"].mean()  # type: ignore[operator]


@BOTH
def test_the_ledger_has_one_line_a_row_and_says_what_the_objective_says(
    objective_class: type[Objective], several_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options
) -> None:
    """With a learning rate of next to nothing every epoch sees the base model."""
    config = options(objective=objective_class.name, learning_rate=1e-12, micro_batch_size=2)
    objective = objective_class(config)
    data = load(several_dir, objective, tiny_model_dir)
    record = train(several_dir, tmp_path / "run", config)
    ledger = pl.read_parquet(tmp_path / "run" / "ledger.parquet")
    assert sorted(ledger["id"]) == sorted([example.id for example in data.train] * 2)
    references = plain_references(tiny_model_dir, data.train)
    model = load_model(str(tiny_model_dir), "float32")
    for example in data.train:
        with torch.no_grad():
            loss, margin = (value.item() for value in plain_loss(objective, model, example, references))
        for seen in ledger.filter(id=example.id).to_dicts():
            assert seen["loss"] == pytest.approx(loss, abs=1e-4)
            assert seen["margin"] == pytest.approx(margin, abs=1e-4)
            assert seen["num_trained_tokens"] == sum(sequence.encoded.num_trained_tokens for sequence in example.sequences)
            assert seen["correct"] == (margin > 0) or abs(margin) < 1e-4
    assert record.num_trained_tokens == ledger["num_trained_tokens"].sum()
    assert record.num_tokens == 2 * sum(len(one.encoded.input_ids) for example in data.train for one in example.sequences)
    if objective_class is Pair:
        assert record.final_train_loss == pytest.approx(math.log(2), abs=1e-5)
        assert record.validation_loss == pytest.approx(math.log(2), abs=1e-5)


def test_the_mask_proof_names_each_sequence(several_dir: Path, tmp_path: Path, options: Options) -> None:
    train(several_dir, tmp_path / "run", options(objective="pair", max_steps=1))
    spans = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["sample"]["spans"]
    assert [(span["sequence"], span["text"]) for span in spans if span["trained"]] == [
        ("chosen", "A great soup.<|im_end|>"),
        ("rejected", "The bill was wrong.<|im_end|>"),
    ]


def test_one_long_sequence_leaves_the_example_out(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    asked = [{"role": "user", "content": "x"}]
    long = {"messages": asked, "chosen": [answer("short")], "rejected": [answer("long " * 100)]}
    folder = write_rows(tmp_path / "data", [long])
    data = load(folder, Pair(options(truncation="drop")), tiny_model_dir, limit=120)
    assert data.too_long == ["row14/reviews/sentiment/0"]
    assert len(data.train) == 11
    with pytest.raises(UserError, match=r"row row14 has [1-9]\d\d tokens, where the limit is 120"):
        load(folder, Pair(options()), tiny_model_dir, limit=120)


def test_a_sequence_that_trains_nothing_is_named(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    asked = [{"role": "user", "content": "x"}]
    rows = [
        {"messages": asked, "chosen": [answer("y")], "rejected": asked},
        {"messages": asked, "chosen": asked, "rejected": [answer("z")]},
    ]
    with pytest.raises(UserErrors) as caught:
        load(write_rows(tmp_path / "data", rows), Pair(options()), tiny_model_dir)
    assert "row row14 has no trained token in 'rejected'" in str(caught.value)
    assert "row row15 has no trained token in 'chosen'" in str(caught.value)


def test_answers_apart_are_trained_as_the_whole_chat_is(tmp_path: Path, tiny_model_dir: Path, options: Options) -> None:
    """By the sum of the weights: how many sequences an example is plays no part in its loss."""
    texts = [["a", "bad soup"], ["b", "great", "and", "wrong order, wrong bill"], ["c", "slow", "d", "e", "f", "great soup"]]
    chats = [[{"role": "user" if place % 2 == 0 else "assistant", "content": text} for place, text in enumerate(chat)] for chat in texts]
    folder = write_rows(tmp_path / "data", [{"messages": chat, "split": "test"} for chat in chats])
    frame = pl.read_parquet(folder / "examples.parquet").filter(split="test").with_columns(split=pl.lit("train"))
    frame.write_parquet(folder / "examples.parquet")
    found = {}
    for objective in (Chat(options()), Turns(options())):
        data = load(folder, objective, tiny_model_dir)
        trainer = make_trainer(fresh_model(tiny_model_dir, objective.config, scale=0.1), objective, data)
        with torch.no_grad():
            summary = summarise(objective, data.train, trainer.passes.score(data.train))
        found[objective.name] = (*loss_and_gradient(trainer, data.train), summary)
    assert [len(example.sequences) for example in data.train] == [1, 2, 3]
    assert found["turns"][0] == pytest.approx(found["chat"][0], rel=1e-5)
    torch.testing.assert_close(found["turns"][1], found["chat"][1], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found["turns"][2], found["chat"][2], rtol=1e-4, atol=1e-5)
