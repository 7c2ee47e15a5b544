"""A small model that knows some texts, and adapters that know more: trained here by hand, in a second."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from templates.chat import Encoded, encode_continuation, load_tokenizer
from tests.evals.conftest import make_run
from train.runs.record import RunRecord

GENERAL = [f"The {noun} on table {number} was great." for number in range(6) for noun in ("soup", "bill")]
Overfitted = Callable[..., Path]


def overfit(model: Any, sequences: Sequence[tuple[list[int], list[float]]], num_steps: int, learning_rate: float) -> None:
    """Trains what of a model is trainable on the weighted tokens of some sequences, all of them in each step."""
    import torch

    length = max(len(ids) for ids, _ in sequences)
    ids = torch.tensor([[*one, *[0] * (length - len(one))] for one, _ in sequences])
    weights = torch.tensor([[*one, *[0.0] * (length - len(one))] for _, one in sequences])[:, 1:]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, learning_rate)
    for _ in range(num_steps):
        logprobs = model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
        loss = -(logprobs * weights).sum() / weights.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="session")
def knowing_model_dir(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """The tiny model, sharp enough to know anything, and trained on the texts of `GENERAL`."""
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(str(tiny_model_dir))
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir)
    model.model.norm.weight.data *= 20
    encoded = [encode_continuation(tokenizer, "", text) for text in GENERAL]
    overfit(model, [([*one.context_ids, *one.continuation_ids], [0.0, *[1.0] * len(one.continuation_ids)]) for one in encoded], 40, 1e-2)
    folder = tmp_path_factory.mktemp("knowing") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def overfitted(knowing_model_dir: Path) -> Overfitted:
    """Makes a run whose adapter was trained on encoded rows until it knew them."""

    def make(
        folder: Path, encoded: Sequence[Encoded], *, form: str = "chat", num_steps: int = 60, learning_rate: float = 2e-2, **of_record: Any
    ) -> Path:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        make_run(folder, knowing_model_dir, form=form, scale=0.05)
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(knowing_model_dir), folder, is_trainable=True)
        overfit(model, [(one.input_ids, one.loss_weights) for one in encoded], num_steps, learning_rate)
        model.save_pretrained(folder)
        RunRecord.load(folder).model_copy(update=of_record).save(folder)
        return folder

    return make
