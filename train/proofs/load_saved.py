"""Loads what a run saved as anybody would: plain transformers and plain peft, none of our loading code. A process of its own.

It reads a request a line from its standard input, and answers each with a line of JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors.torch import load_file

from train.engine.tensor_hash import hash_tensors

_ADAPTER, _MODEL = "adapter_model.safetensors", "config.json"


def main() -> None:
    """Answers requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for line in sys.stdin:
        try:
            answer = load_saved(json.loads(line))
        except torch.OutOfMemoryError:
            answer = {"no_memory": True}
        except Exception as error:  # whatever goes wrong is what the proof is about
            answer = {"error": (str(error).strip() or type(error).__name__).splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


def load_saved(request: dict[str, Any]) -> dict[str, Any]:
    """Loads a run's files on the base model.

    Args:
        request: `run` and `base`, folders; `start`, the folder of the weights that the run began with, or None; `dtype` and
            `auto_class`, how the base is loaded; `input_ids`, `token_ids` and
            `num_positions`, which logits are wanted.

    Returns:
        `format`: `peft`, `transformers`, or None where neither loads it. `unused`: keys of the file that nothing took. `missing`: weights
        that the file lacks. `weights_hash`: of the adapter's file. `base_logits` and `logits`: before and with what was trained.
    """
    run, base_folder = Path(request["run"]), Path(request["base"])
    if not (run / _ADAPTER).is_file() and not (run / _MODEL).is_file():
        return {"format": None}
    base = _load(request, base_folder)[0]
    base_logits = _logits(base, request) if not request.get("start") else _start_logits(base, Path(request["start"]), request)
    if (run / _ADAPTER).is_file():
        model = peft.PeftModel.from_pretrained(base, run).eval()
        saved = load_file(run / _ADAPTER)
        taken = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
        unused = [key for key, value in saved.items() if key not in taken or not torch.equal(taken[key].cpu(), value.to(taken[key].dtype))]
        found = {"format": "peft", "unused": unused, "missing": sorted(taken.keys() - saved.keys())}
        found["weights_hash"] = hash_tensors(saved.values())
    else:
        del base
        model, info = _load(request, run)
        found = {"format": "transformers", "unused": sorted(info["unexpected_keys"]), "missing": sorted(info["missing_keys"])}
    return {**found, "base_logits": base_logits, "logits": _logits(model, request)}


def _start_logits(base: Any, start: Path, request: dict[str, Any]) -> list[list[float]] | None:
    """Returns the logits of what the run began with; the base is left as it was."""
    if not (start / _ADAPTER).is_file():
        return _logits(_load(request, start)[0], request)
    started = peft.PeftModel.from_pretrained(base, start).eval()
    logits = _logits(started, request)
    started.unload()
    return logits


def _load(request: dict[str, Any], folder: Path) -> tuple[Any, dict[str, Any]]:
    labels = {"num_labels": 1} if "SequenceClassification" in request["auto_class"] else {}  # a reward model's head has one output
    model, info = getattr(transformers, request["auto_class"]).from_pretrained(
        folder, dtype=getattr(torch, request["dtype"]), use_safetensors=True, local_files_only=True, output_loading_info=True, **labels
    )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), info


def _logits(model: Any, request: dict[str, Any]) -> list[list[float]] | None:
    if not request["input_ids"]:
        return None
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([request["input_ids"]], device=model.device)).logits[0]
    wanted: list[list[float]] = logits[-request["num_positions"] :, request["token_ids"]].float().tolist()
    return wanted


if __name__ == "__main__":
    main()
