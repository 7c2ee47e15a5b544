"""A run as a plain model: what was trained within the base's own weights."""

import json
from pathlib import Path
from typing import Any, cast

from loopwright.errors import UserError
from loopwright.files import read_json, write_atomic
from templates.chat import EncodeError, frame_answer, load_tokenizer
from train.export.losses import LossMeter, PairedLosses
from train.export.source import Source
from train.inference.generation import all_end_ids
from train.models.load import Dtype, Model, load_model
from train.models.quantize import load_base
from train.runs.record import SEQUENCE_CLASSIFIER
from train.runs.tokenizer_files import save_tokenizer

_GENERATION_NAME = "generation_config.json"


def require_mergeable(source: Source) -> None:
    """Makes sure that a run becomes a plain model.

    Raises:
        UserError: its method does not say how.
    """
    if not source.method.can_merge():
        cause = f"the method '{source.record.method}' does not say how its runs become a plain model"
        raise UserError(cause, str(source.weights), "Give the method's class a 'merged', as train.methods.base.Method describes.")


def write_merged(source: Source, meter: LossMeter | None, folder: Path) -> tuple[PairedLosses | None, list[str]]:
    """Writes the merged model, and measures it as it is loaded from there.

    Args:
        source: the run.
        meter: measures the loss before and after; None: it is not measured.
        folder: an empty folder.

    Returns:
        The losses, and what whoever uses the model has to know.

    Raises:
        UserError: the model cannot be loaded, merged or written.
    """
    notes = []
    before = None if meter is None else _losses_as_trained(source, meter)
    if source.is_quantized:
        notes.append("The run was trained on the base in 4 bits; what it trained is merged into the base in full precision.")
    base = load_model(source.model, cast("Dtype", source.record.dtype), source.objective.auto_class)
    model = source.method.merged(source.method.load(base, source.weights))
    notes += _settle(source, model)
    _save(source, model, folder)
    del base, model
    if meter is None or before is None:
        return None, notes
    after = meter.losses(load_model(str(folder), cast("Dtype", source.record.dtype), source.objective.auto_class))
    return meter.compare(before, after), notes


def _losses_as_trained(source: Source, meter: LossMeter) -> list[float]:
    """Returns the losses of the base with what was trained beside it, as `train chat` and `evals` use it."""
    base = load_base(source.model, cast("Dtype", source.record.dtype), source.is_quantized, source.objective.auto_class)
    meter.ask_base(base)
    with source.method.using(source.method.load(base, source.weights), "default") as model:
        return meter.losses(model)


def _settle(source: Source, model: Any) -> list[str]:
    """Puts into the model's settings what its users would have to know; returns what that was, for people."""
    tokenizer = load_tokenizer(source.model, source.record.chat_template.on_a_day())
    if source.record.auto_class == SEQUENCE_CLASSIFIER:
        if model.config.pad_token_id is None:
            model.config.pad_token_id = tokenizer.pad_token_id  # without it the model takes no batch
        return []
    if not model.can_generate():
        return []
    try:
        frame = frame_answer(tokenizer, [{"role": "user", "content": "x"}])
    except EncodeError:  # no chat template, or one that takes no plain question
        return []
    said = model.generation_config.eos_token_id
    named = said if isinstance(said, list) else [] if said is None else [said]
    missing = sorted(all_end_ids(model, frame) - set(named))
    if not missing:
        return []
    model.generation_config.eos_token_id = [*named, *missing]
    tokens = ", ".join(tokenizer.convert_ids_to_tokens(missing))
    return [f"{_GENERATION_NAME} lets answers end at {tokens} too, as they do in training; the base's does not, and a server would go on."]


def _save(source: Source, model: Model, folder: Path) -> None:
    """Writes weights, config, tokenizer and generation config."""
    from safetensors import SafetensorError

    settings = model.generation_config if model.can_generate() else None
    if settings is not None:
        model.generation_config = type(settings)()  # a base's own may be one that transformers reads and does not write
    try:
        model.save_pretrained(str(folder))
    except SafetensorError as error:  # a full disk, for one
        raise OSError(str(error)) from error
    if settings is not None:
        own = source.base / _GENERATION_NAME
        said = read_json(own) if own.is_file() else settings.to_diff_dict()
        write_atomic(folder / _GENERATION_NAME, json.dumps({**said, "eos_token_id": settings.eos_token_id}, indent=2) + "\n")
    save_tokenizer(load_tokenizer(source.model), folder)
