"""A small model that can learn to stop, rows of unlike answers, and one good run on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import summary, write_dataset
from train.config import TrainConfig
from train.run import train
from train.runs.record import RunRecord

_ANSWERS = ("positive", "wrong order, wrong bill and a slow waiter")
OPTIONS: dict[str, Any] = {
    "dtype": "float32",
    "batch_size": 4,
    "micro_batch_size": 2,
    "epochs": 6,
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
    "warmup": 0.1,
    "max_grad_norm": 0.5,
}


@pytest.fixture(scope="session")
def able_model_dir(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A two-layer Llama that has read a few chats, so that an adapter on it learns to answer and to stop in thirty steps."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("able-model")
    model = LlamaForCausalLM(config)
    _read_chats(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _read_chats(model: Any, tokenizer: Any) -> None:
    import torch

    chats = [[{"role": "user", "content": f"Order {index}"}, {"role": "assistant", "content": _ANSWERS[index % 2]}] for index in range(12)]
    batch = tokenizer([tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats], padding=True, return_tensors="pt")
    labels = batch["input_ids"].where(batch["attention_mask"] > 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture(scope="session")
def chats_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        summary(f"Order {index}: the {'soup' if index % 3 else 'bill'} was {'great ' * (index % 4)}", _ANSWERS[index % 3 == 0], split=split)
        for split, number in (("train", 18), ("validation", 16))
        for index in range(number)
    ]
    return write_dataset(tmp_path_factory.mktemp("proof-data") / "chats", rows)


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory, able_model_dir: Path, chats_dir: Path) -> Callable[..., tuple[Path, RunRecord]]:
    """Makes a run with some options changed."""

    def make(**changes: Any) -> tuple[Path, RunRecord]:
        run_dir = tmp_path_factory.mktemp("proof-run") / "run"
        config = TrainConfig.model_validate({"model": str(able_model_dir), "leaks": "allow", **OPTIONS, **changes})
        return run_dir, train(chats_dir, run_dir, config)

    return make


@pytest.fixture(scope="session")
def good_run(make_run: Callable[..., tuple[Path, RunRecord]]) -> tuple[Path, RunRecord]:
    return make_run()
