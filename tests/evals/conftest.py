"""A small dataset, a random adapter of the tiny model, and an evaluation of both."""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.config import EvalsConfig
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow
from prep.dataset.manifest import TemplateInfo
from templates.calls import ToolCall, with_calls
from templates.chat import Message
from templates.form import Form
from tests.evals.fake_server import Fake
from tests.helpers import review, summary, write_dataset
from train.models.load import model_sha256
from train.runs.record import RunRecord, Sample

GOOD = ["great", "lovely", "warm", "fresh", "kind"]
BAD = ["slow", "wrong", "cold", "stale", "rude"]
NOUNS = ["soup", "waiter", "bill", "table", "bread", "wine"]


def review_rows(num_train: int = 60, num_validation: int = 24, **more: Any) -> list[dict[str, Any]]:
    """Reviews whose label a bag of words can read, two thirds of them positive."""
    chosen = random.Random(7)
    rows = []
    for index in range(num_train + num_validation):
        label = int(chosen.random() < 0.65)
        words = GOOD if label else BAD
        clauses = [f"the {chosen.choice(NOUNS)} was {chosen.choice(words)}" for _ in range(2)]
        text = f"On visit {index} {' and '.join(clauses)}."
        split = "train" if index < num_train else "validation"
        rows.append(review(text, label, split=split, row_id=f"r{index:03d}", **more))
    return rows


SUMMARY_TEMPLATE = TemplateInfo(
    name="calls/summary",
    version="1",
    task="summary",
    forms=[Form.CHAT],
    verbalizer={},
    metrics=["rouge1", "rougeL", "fact_recall"],
    keep=["code", "customer"],
    sha256="0" * 64,
)


def summary_rows(num_train: int = 6, num_validation: int = 6) -> list[dict[str, Any]]:
    rows = []
    for index in range(num_train + num_validation):
        code = f"MK4{index:02d}-27KX"
        dialogue = f"Customer {5400 + index}: the {code} is damaged.\nAgent: a replacement is on its way."
        answer = f"{code} reported damaged by customer {5400 + index}."
        split = "train" if index < num_train else "validation"
        rows.append(summary(dialogue, answer, split=split, row_id=f"s{index}"))
    return rows


def options(**given: Any) -> EvalsConfig:
    """Options for a tiny model; `given` overrides them."""
    return EvalsConfig(**{"dtype": "float32", "num_resamples": 500, "max_new_tokens": 8, **given})


def written(predictions: Sequence[str | None], references: Sequence[str], question: str = "?") -> tuple[list[EvalRow], list[Prediction]]:
    """Returns rows that ask a question and want the references, and the predictions for them."""
    rows = [
        EvalRow(
            id=f"{index}", row_id=f"{index}", source="s", line=1, group=None, split="test", template="t", label=None, choices=None,
            messages=[{"role": "user", "content": question}, {"role": "assistant", "content": reference}], prompt=None, target=None,
        )
        for index, reference in enumerate(references)
    ]  # fmt: skip
    return rows, [Prediction(row.id, PredictionState.OK, text) for row, text in zip(rows, predictions, strict=True)]


def with_choices(*given: tuple[int, tuple[float, ...]]) -> tuple[list[EvalRow], list[Prediction]]:
    """Rows with choices: the index of the right one, and the probability of each."""
    rows, predictions = written([None] * len(given), [""] * len(given))
    made = [replace(row, choices=["a", "b", "c"][: len(shares)], label=label) for row, (label, shares) in zip(rows, given, strict=True)]
    said = [
        replace(one, loglikelihoods=tuple(map(math.log, shares)), text="abc"[shares.index(max(shares))])
        for one, (_, shares) in zip(predictions, given, strict=True)
    ]
    return made, said


def with_passages(*given: tuple[str, tuple[str, ...] | None]) -> tuple[list[EvalRow], list[Prediction]]:
    """Rows of these references, and what was looked up for each."""
    rows, predictions = written(["?"] * len(given), [reference for reference, _ in given])
    return rows, [replace(one, passages=passages) for one, (_, passages) in zip(predictions, given, strict=True)]


def calling(
    given: Sequence[Sequence[dict[str, Any]]], expected: Sequence[Sequence[dict[str, Any]]], tools: list[dict[str, Any]] | None = None
) -> tuple[list[EvalRow], list[Prediction]]:
    """Returns rows that want calls, `{"name": ..., "arguments": {...}}`, or words where there is none, and predictions that make others."""
    rows, predictions = written([None] * len(expected), [""] * len(expected))
    calls = [
        [
            {"id": f"call_{place}", "type": "function", "function": {**call, "arguments": json.dumps(call["arguments"])}}
            for place, call in enumerate(made)
        ]
        for made in expected
    ]
    answers: list[Message] = [
        {"role": "assistant", "content": None, "tool_calls": made} if made else {"role": "assistant", "content": "Nine."} for made in calls
    ]
    made_calls = [tuple(ToolCall.of(call["name"], call["arguments"]) for call in made) for made in given]
    return (
        [replace(row, messages=[*(row.messages or [])[:-1], answer], tools=tools) for row, answer in zip(rows, answers, strict=True)],
        [
            replace(one, text=with_calls("", made), calls=made) if made else replace(one, text="")
            for one, made in zip(predictions, made_calls, strict=True)
        ],
    )


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small is slower on two threads, and far slower on a busy machine, where they wait for each other."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # load_model leaves the number of threads alone then
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Any], Fake]]:
    """Starts servers whose answers are what a test makes of a request; what they say is kept for this test alone."""
    monkeypatch.setenv("LOOPWRIGHT_CACHE", str(tmp_path / "cache"))
    started: list[Fake] = []

    def start(answer: Any) -> Fake:
        started.append(Fake(answer))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("reviews") / "data", review_rows())


@pytest.fixture(scope="session")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("summaries") / "data", summary_rows(), templates=[SUMMARY_TEMPLATE])


@pytest.fixture(scope="session")
def adapter_dir(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """A run folder whose adapter is random, and changes the tiny model's answers."""
    return make_run(tmp_path_factory.mktemp("run") / "first", tiny_model_dir)


def make_run(folder: Path, model_dir: Path, *, form: str = "chat", scale: float = 0.5, seed: int = 1) -> Path:
    """Writes a run folder with a random adapter; a scale of 0 gives one without effect."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=scale)
    adapted.save_pretrained(folder)
    RunRecord(
        loopwright_version="0",
        objective="chat",
        form=form,
        model=str(model_dir),
        model_path=str(model_dir),
        model_sha256=model_sha256(model_dir),
        dataset="data",
        dataset_key="0" * 32,
        final_train_loss=1.0,
        validation_loss=None,
        validation_losses=[],
        num_examples=1,
        num_validation_examples=0,
        num_steps=1,
        num_tokens=1,
        num_trained_tokens=1,
        seconds=1.0,
        tokens_per_second=1.0,
        dtype="float32",
        packed=False,
        seed=0,
        dropped_too_long=[],
        dropped_other_form=[],
        system_prompt=None,
        config={},
        sample=Sample(id="x", spans=[]),
    ).save(folder)
    return folder
