"""Documents: cut into windows in training, read by strides where held out, against a plain loop."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.helpers import write_dataset
from tests.train.masked import bytes_tokenizer
from train.config import TrainConfig
from train.data.examples import TrainingData, load_examples
from train.data.order import StepOrder
from train.data.packing import collate, micro_batches
from train.engine.checkpoint import RunProgress
from train.engine.loop import Trainer
from train.engine.loss import Scorer
from train.engine.passes import Passes
from train.ledger.ledger import Ledger
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model, unwrapped
from train.objectives.completion import Completion
from train.run import train

CPU = torch.device("cpu")
Options = Callable[..., TrainConfig]
LENGTH = 24


def documents() -> list[dict[str, Any]]:
    """One document of many windows among short ones, in train and in validation."""
    long = "The soup was great, the waiter was slow and the bill was wrong; order number 5402 is on its way. "
    texts = ["The soup.", long * 9, "A replacement for the order.", long, "positive", "negative order", long[:70], "x"]
    train_rows = [{"text": text, "split": "train"} for text in texts]
    return [*train_rows, {"text": long * 3, "split": "validation"}, {"text": "The bill was wrong.", "split": "validation"}]


@pytest.fixture(scope="module")
def documents_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("documents") / "data", documents())


@pytest.fixture
def config(options: Options) -> TrainConfig:
    return options(objective="completion", max_length=LENGTH)


def load(folder: Path, config: TrainConfig, limit: int | None = None) -> TrainingData:
    return load_examples(Dataset.open(folder), Completion(config), load_tokenizer(config.model), config, limit or config.max_length)


def adapted(config: TrainConfig) -> Model:
    torch.manual_seed(1)
    model = Lora(config).fresh(load_model(config.model, "float32"))
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(std=0.1)
    return model


def make_trainer(model: Model, data: TrainingData, config: TrainConfig, *, packed: bool = True) -> Trainer:
    scorer = Scorer.for_model(model)
    assert scorer.packed
    if not packed:
        unwrapped(model).set_attn_implementation("sdpa")
        scorer = Scorer(scorer.causal, packed=False)
    return Trainer(Passes(model, scorer, Completion(config), config), data, Ledger(), RunProgress(), StepOrder.of(data.train, config))


def plain_windows(ids: list[int], length: int) -> list[tuple[list[int], int]]:
    """Train: windows that share one token, and how many of each one's tokens are predicted."""
    windows, start = [], 0
    while True:
        window = ids[start : start + length]
        windows.append((window, len(window) - 1))
        if start + length >= len(ids):
            return windows
        start += length - 1


def strided_windows(ids: list[int], length: int, stride: int) -> list[tuple[list[int], int]]:
    """Held out: the loop of transformers' guide to perplexity."""
    windows, previous = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + length, len(ids))
        windows.append((ids[begin:end], end - previous - (previous == 0)))
        previous = end
        if end == len(ids):
            break
    return windows


def plain_sum(model: Any, windows: list[tuple[list[int], int]]) -> torch.Tensor:
    """The negative log-likelihood of the last tokens of each window, one window a forward pass."""
    total = torch.zeros(())
    for window, number in windows:
        ids = torch.tensor([window])
        labels = ids.clone()
        labels[0, : len(window) - number] = -100
        logits = model(input_ids=ids).logits[0, :-1]
        total = total + functional.cross_entropy(logits, labels[0, 1:], ignore_index=-100, reduction="sum")
    return total


def ids_of(config: TrainConfig, text: str) -> list[int]:
    tokenizer = load_tokenizer(config.model)
    return [*tokenizer.encode(text), tokenizer.eos_token_id]


def test_loss_and_gradient_are_those_of_a_plain_loop_however_documents_are_divided(documents_dir: Path, config: TrainConfig) -> None:
    data, model = load(documents_dir, config), adapted(config)
    texts = [row["text"] for row in documents() if row["split"] == "train"]
    found = []
    for packed in (True, False):
        for limits in ({}, {"micro_batch_size": 1}, {"micro_batch_size": 3}, {"micro_batch_tokens": 60}):
            used = TrainConfig.model_validate({**config.model_dump(), **limits})
            trainer = make_trainer(model, data, used, packed=packed)
            model.zero_grad()
            total = 0.0
            for group, _ in trainer.passes._groups(data.train):
                loss = trainer.objective.loss(trainer.passes.score(group)) / sum(example.normalizer for example in data.train)
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            found.append((total, gradient_of(model)))
            unwrapped(model).set_attn_implementation("sdpa")
    model.zero_grad()
    ids = [ids_of(config, text) for text in texts]
    expected = sum((plain_sum(model, plain_windows(one, LENGTH)) for one in ids), torch.zeros(())) / sum(len(one) - 1 for one in ids)
    expected.backward()  # type: ignore[no-untyped-call]
    gradient = gradient_of(model)
    assert gradient.norm() > 1e-3
    for value, other in found:
        assert value == pytest.approx(expected.item(), rel=1e-5)
        torch.testing.assert_close(other, gradient, rtol=1e-3, atol=1e-6)


def gradient_of(model: Model) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in trainable(model).values() if parameter.grad is not None])


@pytest.mark.parametrize("stride", [None, 1, 5, 12])
def test_held_out_loss_is_strided(stride: int | None, documents_dir: Path, options: Options) -> None:
    config = options(objective="completion", max_length=LENGTH, stride=stride)
    data, model = load(documents_dir, config), adapted(config)
    found = make_trainer(model, data, config).passes.mean_loss(data.validation)
    unwrapped(model).set_attn_implementation("sdpa")
    ids = [ids_of(config, row["text"]) for row in documents() if row["split"] == "validation"]
    with torch.no_grad():
        total = sum(float(plain_sum(model, strided_windows(one, LENGTH, stride or LENGTH // 2))) for one in ids)
    assert found == pytest.approx(total / sum(len(one) - 1 for one in ids), rel=1e-5)


def test_more_context_makes_another_held_out_loss(documents_dir: Path, options: Options) -> None:
    losses = []
    for stride in (1, 12):
        config = options(objective="completion", max_length=LENGTH, stride=stride)
        data = load(documents_dir, config)
        losses.append(make_trainer(adapted(config), data, config).passes.mean_loss(data.validation))
    assert losses[0] != losses[1]
    with pytest.raises(ValidationError, match="stride is 13: give at most half of max_length, 12"):
        options(max_length=LENGTH, stride=13)


@given(
    text=st.text(st.sampled_from("ab 好.\n"), min_size=1, max_size=90),
    length=st.integers(2, 30),
    split=st.sampled_from(["train", "validation"]),
    stride=st.integers(1, 15),
)
def test_every_token_is_predicted_once_with_its_context(text: str, length: int, split: str, stride: int) -> None:
    tokenizer = _TOKENIZER
    config = TrainConfig(max_length=length, stride=min(stride, length // 2))
    windows = Completion(config).encode(tokenizer, {"text": text, "split": split})
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    ids = [tokenizer.bos_token_id, *ids]
    predicted, start = [], 0
    for place, window in enumerate(windows):
        assert 2 <= window.num_tokens <= length
        begin = place * ((length - 1) if split == "train" else min(stride, length // 2))
        assert window.encoded.input_ids == ids[begin : begin + length]
        predicted += [begin + position + 1 for position in window.positions]
        assert window.targets == [ids[begin + position + 1] for position in window.positions]
        if split == "validation" and place:  # what stands before the first predicted token
            assert window.positions[0] + 1 >= length - min(stride, length // 2) >= min(stride, length // 2)
        trained = "".join(piece.text for piece in window.encoded.pieces() if piece.trained)
        assert trained in text + tokenizer.eos_token
        start = begin
    assert predicted == list(range(1, len(ids)))
    assert start + windows[-1].num_tokens == len(ids)
    assert [window.encoded.input_ids.count(tokenizer.eos_token_id) for window in windows] == [0] * (len(windows) - 1) + [1]


_TOKENIZER = bytes_tokenizer()


def test_a_long_document_is_divided_and_stays_one_example(documents_dir: Path, config: TrainConfig) -> None:
    data = load(documents_dir, config)
    assert data.too_long == []
    longest = max(data.train, key=lambda example: example.num_tokens)
    assert len(longest.sequences) > 8
    limited = TrainConfig.model_validate({**config.model_dump(), "micro_batch_tokens": 60})
    for packed in (True, False):
        groups = list(micro_batches(data.train, limited, packed=packed, apart=True))
        assert all(collate(group, CPU, packed=packed).input_ids.numel() <= 60 for group in groups)
        windows = sorted(part.id for group in groups for part in group)
        assert windows == sorted(example.id for example in data.train for _ in example.sequences)
    assert max(len(group[0].sequences) for group in micro_batches(data.train, limited, packed=True)) == len(longest.sequences)


def test_a_document_has_one_line_in_the_ledger_whatever_the_division(documents_dir: Path, tmp_path: Path, options: Options) -> None:
    ledgers = []
    for place, limits in enumerate(({}, {"micro_batch_tokens": 30}, {"micro_batch_size": 2})):
        config = options(objective="completion", max_length=LENGTH, learning_rate=1e-12, epochs=1, **limits)
        record = train(documents_dir, tmp_path / f"run{place}", config)
        ledgers.append(pl.read_parquet(tmp_path / f"run{place}" / "ledger.parquet").sort("id"))
        assert ledgers[-1]["id"].to_list() == sorted(f"row{index}/reviews/sentiment/0" for index in range(8))
        assert record.num_trained_tokens == ledgers[-1]["num_trained_tokens"].sum()
        assert record.validation_loss is not None
    model, config = load_model(config.model, "float32"), options(objective="completion", max_length=LENGTH)
    for row, index in zip(documents()[:8], range(8), strict=True):
        ids = ids_of(config, row["text"])
        with torch.no_grad():
            expected = float(plain_sum(model, plain_windows(ids, LENGTH))) / (len(ids) - 1)
        for ledger in ledgers:
            seen = ledger.row(index, named=True)
            assert seen["num_trained_tokens"] == len(ids) - 1
            assert seen["loss"] == pytest.approx(expected, rel=1e-4)
            assert seen["margin"] == pytest.approx(ledgers[0].row(index, named=True)["margin"], abs=1e-4)
            assert seen["correct"] == ledgers[0].row(index, named=True)["correct"]


def test_a_run_learns_the_texts_and_goes_by_the_models_own_limit(documents_dir: Path, tiny_model_dir: Path, tmp_path: Path) -> None:
    config = {"model": str(tiny_model_dir), "objective": "completion", "dtype": "float32", "epochs": 6, "learning_rate": 1e-2} | {
        "leaks": "allow"
    }
    record = train(documents_dir, tmp_path / "run", TrainConfig.model_validate({**config, "batch_size": 2}))
    assert (record.form, record.objective) == ("completion", "completion")
    losses = [loss for _, loss in record.validation_losses]
    assert losses[-1] < losses[0] - 0.2
    text = "The soup was great. " * 400
    folder = write_dataset(tmp_path / "long", [{"text": text}])
    long = load(folder, TrainConfig.model_validate({**config, "max_length": 100_000}), limit=512)
    assert max(sequence.num_tokens for sequence in long.train[0].sequences) == 512  # of the model, not of the config
    train(folder, tmp_path / "other", TrainConfig.model_validate({**config, "max_length": 100_000, "epochs": 1, "max_steps": 1}))


def test_the_mask_proof_shows_windows(documents_dir: Path, tmp_path: Path, options: Options) -> None:
    folder = write_dataset(tmp_path / "data", [{"text": "The soup was great, the waiter was slow and the bill was wrong."}])
    train(folder, tmp_path / "run", options(objective="completion", max_length=8, max_steps=1))
    spans = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["sample"]["spans"]
    assert spans[0]["sequence"].startswith("window 1 of ")
    assert spans[-1]["text"].endswith("<|im_end|>") and spans[-1]["trained"]
    assert sum("<|im_end|>" in span["text"] for span in spans) == 1


def test_texts_that_cannot_be_trained_are_told(tmp_path: Path, dataset_dir: Path, options: Options) -> None:
    folder = write_dataset(tmp_path / "data", [{"text": ""}, {"text": "The soup."}])
    with pytest.raises(UserError, match=r"row row0 cannot be trained on: the text has no token"):
        train(folder, tmp_path / "run", options(objective="completion"))
    with pytest.raises(UserError, match="no training example has the completion form, which the objective 'completion' trains"):
        train(dataset_dir, tmp_path / "run", options(objective="completion"))
