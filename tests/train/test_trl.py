"""Against TRL's own trainers in float32: the same masks, first losses, gradients and fifty steps, for chats and for pairs (DPO)."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset as Table

from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from tests.conftest import make_tokenizer
from tests.helpers import write_dataset
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.order import StepOrder
from train.engine.passes import Passes
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import load_model
from train.objectives.base import OBJECTIVES
from train.run import train

pytestmark = pytest.mark.slow

_THINGS = ("soup", "bill", "waiter", "order", "replacement")
_STEPS = 50
# Nothing follows the end of a turn: TRL trains the line break that ChatML writes there, and we do not, as no server waits for it.
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def rows() -> list[dict[str, Any]]:
    """Chats of unlike lengths, each of which is also the prompt and the preferred answer of a pair."""
    made: list[dict[str, Any]] = []
    for index in range(20):
        thing = _THINGS[index % 5]
        asked = [{"role": "user", "content": f"How was the {thing}? " + "Again: how was it? " * (index % 4)}]
        good, bad = (
            {"role": "assistant", "content": f"The {thing} was {word}." + " Really." * (index % 3)} for word in ("great", "slow and wrong")
        )
        made.append({"messages": [*asked, good], "pair": {"messages": asked, "chosen": [good], "rejected": [bad]}})
    return made


@pytest.fixture(params=["chat", "preference"])
def objective(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(objective: str, tiny_model_dir: Path, tmp_path: Path) -> TrainConfig:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_dir, folder)
    make_tokenizer(_TEMPLATE).save_pretrained(folder)
    return TrainConfig.model_validate(
        {"model": str(folder), "objective": objective, "dtype": "float32", "batch_size": 4, "epochs": 10, "max_steps": _STEPS}
        | {"learning_rate": 1e-3, "schedule": "constant", "warmup": 0.0, "leaks": "allow", "validation": False}
    )


@pytest.fixture
def dataset_dir(objective: str, tmp_path: Path) -> Path:
    given = [{"messages": row["messages"]} if objective == "chat" else row["pair"] for row in rows()]
    return write_dataset(tmp_path / "data", given)


def ordered(dataset_dir: Path, config: TrainConfig) -> list[TrainingExample]:
    """The examples of all steps, in our order."""
    objective = OBJECTIVES.get(config.objective)(config)
    data = load_examples(Dataset.open(dataset_dir), objective, load_tokenizer(config.model), config, 512)
    order = StepOrder.of(data.train, config)
    return [example for step in range(_STEPS) for example in order[step]]


class Watched:
    """What a trainer of TRL's is watched for.

    Attributes:
        losses: of each step.
        gradients: of the first step, by name.
        inputs: what the first step's model is given.
    """

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.gradients: dict[str, torch.Tensor] = {}
        self.inputs: dict[str, Any] = {}


def theirs(examples: list[TrainingExample], config: TrainConfig, folder: Path) -> Watched:
    """Trains TRL's way on the same rows in the same order, from the same adapter."""
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    by_id = {f"row{index}": row for index, row in enumerate(rows())}
    given = [by_id[example.row_id] for example in examples]
    is_chat = config.objective == "chat"
    if is_chat:
        table = Table.from_list([{"prompt": row["messages"][:1], "completion": row["messages"][1:]} for row in given])
    else:
        table = Table.from_list(
            [{"prompt": row["pair"]["messages"], "chosen": row["pair"]["chosen"], "rejected": row["pair"]["rejected"]} for row in given]
        )
    base, made = (SFTTrainer, SFTConfig) if is_chat else (DPOTrainer, DPOConfig)
    watched = Watched()

    class Trainer(base):  # type: ignore[misc, valid-type]
        def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
            watched.inputs = watched.inputs or dict(inputs)
            loss = super().training_step(model, inputs, *more, **named)
            watched.losses.append(float(loss))
            if not watched.gradients:
                watched.gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
            return loss

    torch.manual_seed(config.seed)
    model: Any = Lora(config).fresh(load_model(config.model, "float32"))
    arguments = made(
        output_dir=str(folder),
        per_device_train_batch_size=config.batch_size,
        max_steps=_STEPS,
        learning_rate=config.learning_rate,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        optim="adamw_torch_fused",
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        max_length=512,
    )
    Trainer(model=model, args=arguments, train_dataset=table, processing_class=load_tokenizer(config.model)).train()
    return watched


def first_step(examples: list[TrainingExample], config: TrainConfig) -> tuple[float, dict[str, torch.Tensor]]:
    objective = OBJECTIVES.get(config.objective)(config)
    passes = Passes.begin(load_model(config.model, "float32"), objective, Lora(config))
    if objective.needs_reference:
        passes.ask_reference(list({one.id: one for one in examples}.values()))
    loss, _ = passes.step_gradient(examples, 0)
    return float(loss), {name: one.grad.clone() for name, one in trainable(passes.model).items() if one.grad is not None}


def trained_ids(examples: list[TrainingExample]) -> list[list[int]]:
    return sorted([*sequence.targets] for example in examples for sequence in example.sequences)


def their_trained_ids(inputs: dict[str, Any]) -> Iterator[list[int]]:
    """What TRL's batch has a loss on: labels of chats, and the completions' mask of pairs."""
    ids = inputs["input_ids"]
    mask = inputs["labels"] != -100 if "labels" in inputs else inputs["completion_mask"].bool()
    for row, kept in zip(ids, mask, strict=True):
        yield row[kept].tolist()


def test_agreement_with_trl(config: TrainConfig, dataset_dir: Path, tmp_path: Path) -> None:
    examples = ordered(dataset_dir, config)
    watched = theirs(examples, config, tmp_path / "theirs")
    assert sorted(their_trained_ids(watched.inputs)) == trained_ids(examples[: config.batch_size])
    loss, gradients = first_step(examples[: config.batch_size], config)
    assert loss == pytest.approx(watched.losses[0], rel=1e-6)
    for name, one in gradients.items():
        other = next(grad for full, grad in watched.gradients.items() if full.endswith(name) or name.endswith(full))
        if one.norm() > 0 or other.norm() > 0:
            cosine = torch.nn.functional.cosine_similarity(one.flatten().double(), other.flatten().double(), dim=0)
            assert float(cosine) >= 0.99999, name
    train(dataset_dir, tmp_path / "ours", config)
    lines = (tmp_path / "ours" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ours = [json.loads(line)["loss"] for line in lines]
    assert len(ours) == len(watched.losses) == _STEPS
    assert ours == pytest.approx(watched.losses, abs=1e-4)
    assert ours[-1] < ours[0] - 0.05
