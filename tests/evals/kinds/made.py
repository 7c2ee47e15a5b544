"""Datasets of examples that are read, runs on them, and what a model says of tokens, worked out by its own modules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch

from evals.config import EvalsConfig
from evals.data.contract import Report
from evals.run import evaluate_dataset
from templates.chat import Message
from tests.evals.conftest import options
from tests.helpers import write_dataset
from train.config import TrainConfig

_LONG = "The soup was great, the waiter was slow and the bill was wrong; order number 5402 is on its way. "


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str) -> Message:
    return {"role": "assistant", "content": text}


def texts() -> list[dict[str, Any]]:
    """Documents, of which some are longer than a window of 24 tokens; two are of one group."""
    held_out = [_LONG * 3, "The bill was wrong.", f"Crème brûlée — 汤很好. {_LONG}", "x"]
    train = [_LONG * 2, "The soup.", "A replacement for the order.", _LONG, "positive", "negative order", _LONG[:70], "waiter"]
    rows = [{"text": text, "split": "train"} for text in train]
    return [*rows, *({"text": text, "split": "validation", "group": f"g{min(place, 2)}"} for place, text in enumerate(held_out))]


def chats() -> list[dict[str, Any]]:
    """Chats of one to five answers of unlike lengths; in one the first answer has the weight 0."""
    rows = []
    for index in range(16):
        messages = []
        for turn in range(1 + index % 5):
            messages += [user(f"The soup was {'great ' * turn}and the bill {index}?"), said(f"The waiter was slow{' again' * (turn % 3)}.")]
        more = {"extras": '{"messages": [null, {"weight": 0}, null, null, null, null]}'} if index == 12 else {}
        rows.append({"split": "train" if index < 8 else "validation", "messages": messages, "row_id": f"c{index:02d}", **more})
    return rows


def pairs(num_train: int = 8, num_validation: int = 6) -> list[dict[str, Any]]:
    """Pairs of answers of unlike lengths to unlike prompts, some of which have an earlier answer."""
    rows = []
    for index in range(num_train + num_validation):
        asked = [user(f"The soup was {'great ' * (index % 5 + 1)}and the waiter was slow, order {index}.")]
        earlier = [user("The bill was wrong."), said("A replacement is on its way.")] if index % 3 == 2 else []
        answers = [said(f"A great soup{', and again' * (index % 3)}."), said(f"The bill was wrong{' and slow' * (index % 4)}.")]
        chosen, rejected = answers if index % 4 else answers[::-1]
        split = "train" if index < num_train else "validation"
        rows.append({"split": split, "messages": [*earlier, *asked], "chosen": [chosen], "rejected": [rejected], "row_id": f"p{index:02d}"})
    return rows


def trained(folder: Path, rows: list[dict[str, Any]] | Path, model: Path, **changes: Any) -> tuple[Path, Path, Any]:
    """Trains for some steps; returns the dataset, the run and its record."""
    from train.run import train

    dataset = rows if isinstance(rows, Path) else write_dataset(folder / "data", rows)
    given = {"model": str(model), "dtype": "float32", "learning_rate": 1e-2, "batch_size": 4, "max_steps": 4, "leaks": "allow", **changes}
    run = folder / "run"
    return dataset, run, train(dataset, run, TrainConfig.model_validate(given))


def evaluated(dataset: Path, out: Path, run: Path, **given: Any) -> tuple[Report, str]:
    """Evaluates base and run; returns the report and what the run is called in it."""
    made: EvalsConfig = options(**{"adapter": str(run), "systems": ["base", "adapter"], **given})
    return evaluate_dataset(dataset, out, made), f"adapter:{run}"


def value(report: Report, system: str, metric: str) -> float:
    found = report.systems[system].metrics[metric].value
    assert found is not None
    return found


def parts(out: Path, system: str) -> dict[str, list[dict[str, Any]]]:
    """Returns the parts of each example by its row id, as they are written."""
    frame = pl.read_parquet(out / "predictions.parquet").filter(system=system)
    return dict(zip(frame["row_id"].to_list(), frame["parts"].to_list(), strict=True))


def token_logprobs(model: Any, ids: Sequence[int]) -> torch.Tensor:
    """Returns the log-probability of each token but the first, by one plain forward pass, [T - 1]."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
    found: torch.Tensor = logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None]).squeeze(1)
    return found


def strided_logprobs(model: Any, ids: Sequence[int], length: int, stride: int) -> torch.Tensor:
    """Returns the same of a text that is read in windows: each token in the first window that holds it, [T - 1]."""
    found: list[torch.Tensor] = []
    known = 1
    for begin in range(0, len(ids), stride):
        end = min(begin + length, len(ids))
        found.append(token_logprobs(model, ids[begin:end])[known - begin - 1 :])
        known = end
        if end == len(ids):
            break
    return torch.cat(found)


def weighted_sum(model: Any, encoded: Any) -> float:
    """Returns the log-likelihood of the trained tokens of a sequence, in nats."""
    weights = torch.tensor(encoded.loss_weights[1:])
    return float((token_logprobs(model, encoded.input_ids).double() * weights).sum())


def models(base_dir: Path, run: Path, method: str) -> tuple[Any, Any]:
    """Loads a base and what a run made of it, by transformers and peft alone."""
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    base, tuned = (AutoModelForCausalLM.from_pretrained(base_dir, dtype=torch.float32).eval() for _ in range(2))
    if method == "lora":
        return base, PeftModel.from_pretrained(tuned, run).eval()
    if method == "full":
        return base, AutoModelForCausalLM.from_pretrained(run, dtype=torch.float32).eval()
    tuned.load_state_dict(load_file(run / "layers.safetensors"), strict=False)
    return base, tuned
