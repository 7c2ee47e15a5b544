"""Whole runs against a plain loop, and the adapter against peft: what other tools would compute."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from prep.dataset.manifest import Dataset
from templates.chat import load_tokenizer
from train.config import TrainConfig
from train.data.examples import TrainingExample, load_examples
from train.data.order import RunPlan, StepOrder
from train.methods.base import trainable
from train.methods.lora import Lora
from train.models.load import Model, load_model
from train.objectives.base import OBJECTIVES
from train.run import train

Options = Callable[..., TrainConfig]


@pytest.fixture
def adapted(tiny_model_dir: Path, options: Options) -> Model:
    """The tiny model with the adapter that a run begins with."""
    config = options()
    model = load_model(str(tiny_model_dir), "float32")
    torch.manual_seed(config.seed)
    return Lora(config).fresh(model)


def plain_steps(model: Model, steps: list[list[TrainingExample]], config: TrainConfig) -> Iterator[float]:
    """One example a forward pass through the model's own code, cross-entropy over trained tokens, clipping, AdamW on a falling line."""
    parameters = list(trainable(model).values())
    assert config.learning_rate is not None
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=len(steps))
    model.train()
    for examples in steps:
        total, count = torch.zeros(()), 0
        for example in examples:
            ids = torch.tensor([example.sequences[0].encoded.input_ids])
            labels = torch.where(torch.tensor(example.sequences[0].encoded.loss_weights) > 0, ids[0], -100)
            logits = model(input_ids=ids).logits[0]
            total = total + functional.cross_entropy(logits[:-1], labels[1:], ignore_index=-100, reduction="sum")
            count += int((labels[1:] >= 0).sum())
        loss = total / count
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        yield loss.item()


def test_a_run_follows_a_plain_loop_step_by_step(
    adapted: Model, dataset_dir: Path, tiny_model_dir: Path, tmp_path: Path, options: Options
) -> None:
    config = options(epochs=5, schedule="linear", warmup=0, weight_decay=0.01, micro_batch_size=3, validation=False)
    examples = load_examples(
        Dataset.open(dataset_dir), OBJECTIVES.get("chat")(config), load_tokenizer(str(tiny_model_dir)), config, 512
    ).train
    plan = RunPlan.of(len(examples), config)
    order = StepOrder(examples, config, plan)
    expected = list(plain_steps(adapted, [order[step] for step in range(plan.num_steps)], config))
    assert expected[-1] < expected[0] - 0.2
    record = train(dataset_dir, tmp_path / "run", config)
    last_epoch = expected[-plan.steps_per_epoch :]
    sizes = [sum(example.normalizer for example in order[step]) for step in range(plan.num_steps)][-plan.steps_per_epoch :]
    mean = sum(loss * size for loss, size in zip(last_epoch, sizes, strict=True)) / sum(sizes)
    assert record.final_train_loss == pytest.approx(mean, abs=1e-4)
    from safetensors.torch import load_file

    trained = load_file(tmp_path / "run" / "adapter_model.safetensors")
    plain = {name.replace(".default", ""): parameter.detach() for name, parameter in trainable(adapted).items()}
    assert trained.keys() == plain.keys()
    for name, tensor in trained.items():
        torch.testing.assert_close(tensor, plain[name], rtol=0, atol=1e-4)


def test_merged_into_the_weights_the_adapter_says_the_same(adapted: Model, tiny_model_dir: Path, tmp_path: Path, options: Options) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    with torch.no_grad():
        for parameter in trainable(adapted).values():
            parameter.normal_(std=0.1)
    Lora(options()).save(adapted.eval(), tmp_path)
    ids = torch.randint(3, 400, (2, 20), generator=torch.Generator().manual_seed(4))
    read = PeftModel.from_pretrained(load_model(str(tiny_model_dir), "float32"), tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    taken = {name.replace(".default", ""): tensor for name, tensor in read.state_dict().items() if "lora_" in name}
    assert taken.keys() == saved.keys()
    assert all(torch.equal(taken[name], tensor) for name, tensor in saved.items())
    with torch.no_grad():
        apart = read(input_ids=ids).logits
        assert (apart - load_model(str(tiny_model_dir), "float32")(input_ids=ids).logits).abs().max() > 0.1
        torch.testing.assert_close(read.merge_and_unload()(input_ids=ids).logits, apart, rtol=0, atol=1e-4)
