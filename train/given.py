"""What a call names, put together: the options of a run and what it trains on, with the paths of a config file relative to the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwright.config import parse_yaml, read_text, validate
from loopwright.errors import UserError
from loopwright.library import StrPath, config_file, plain_values, section_options
from train.config import MixtureConfig, StagesConfig, TrainConfig
from train.data.mixture import Mixture
from train.policy.config import RlhfConfig
from train.stages.plan import Stage, plan_stages

_EITHER = "Give a dataset (train run DATASET), or a config with a section mixture: (train run --config FILE)."


def train_options(config: StrPath | Mapping[str, Any] | TrainConfig | None, options: Mapping[str, Any]) -> TrainConfig:
    """Returns the options of a run: those of a config, with those that were given by name over them.

    Raises:
        UserError: the config cannot be read, or a value is not allowed.
    """
    chosen = section_options(config, "train", TrainConfig, options, "train options")
    file = config_file(config)
    if file is None or chosen.start is None or options.get("start") is not None:
        return chosen
    return chosen.model_copy(update={"start": str(file.parent / chosen.start)})


def rlhf_options(config: StrPath | Mapping[str, Any] | RlhfConfig | None, options: Mapping[str, Any]) -> RlhfConfig:
    """Returns the options of a policy step: those of a config, with those that were given by name over them.

    Raises:
        UserError: the config cannot be read, or a value is not allowed.
    """
    chosen = section_options(config, "rlhf", RlhfConfig, options, "rlhf options")
    file = config_file(config)
    named = {name: run for name in ("start", "reward") if options.get(name) is None and (run := getattr(chosen, name)) is not None}
    return chosen if file is None else chosen.model_copy(update={name: str(file.parent / run) for name, run in named.items()})


def data_source(dataset: Path | None, mixture: Mapping[str, Any] | MixtureConfig | None, file: Path | None) -> Path | Mixture:
    """Returns what a run trains on: the dataset or the mixture, whichever there is.

    Args:
        dataset: a dataset's folder.
        mixture: what a section `mixture:` says.
        file: the config file, whose section it is where none is given.

    Raises:
        UserError: there are both or neither, or the section is wrong.
    """
    named = _sections(file)
    given = named.get("mixture") if mixture is None else mixture
    if dataset is not None:
        if given is not None:
            where = str(file) if mixture is None else "mixture"
            raise UserError(
                "a dataset is named, and a mixture too", where, "Leave one of the two out: a run trains on the one or on the other."
            )
        return dataset
    if given is None:
        if "stages" in named:
            raise UserError(
                "no dataset is named, and the config has stages", str(file), f"Train them: train stages --config {file} --out DIR"
            )
        raise UserError(
            "there is nothing to train on: neither a dataset nor a mixture is named", None if file is None else str(file), _EITHER
        )
    if isinstance(given, MixtureConfig):
        return Mixture.of(given, Path())
    where = "mixture" if file is None or mixture is not None else f"{file}: mixture"
    folder = Path() if file is None or mixture is not None else file.parent
    return Mixture.of(validate(plain_values(given), MixtureConfig, where), folder)


def _sections(file: Path | None) -> dict[str, Any]:
    """Returns what a config file says, by its sections."""
    data = {} if file is None else parse_yaml(read_text(file, "config"), str(file))
    return data if isinstance(data, dict) else {}


def stages_plan(config: StrPath | Mapping[str, Any], options: Mapping[str, Any]) -> list[Stage]:
    """Returns the stages that a config asks for: its sections `train:` and `stages:`.

    Args:
        config: a config file, or a mapping with these two keys, whose paths are then relative to the working folder.
        options: keys of `train:` that override the config for all stages.

    Raises:
        UserError: the config cannot be read, has no stages, or they are not fit.
    """
    file = config_file(config)
    named = plain_values(config) if isinstance(config, Mapping) else _sections(file)
    where = "stages" if file is None else f"{file}: stages"
    if not isinstance(named.get("stages"), list):
        cause = "there is no list of stages" if named.get("stages") is None else "the stages are no list"
        raise UserError(cause, where, "Write 'stages:' and below it '- {name: ..., dataset: ...}' for each run, in their order.")
    shared = train_options(named.get("train") or {} if file is None else file, options)
    asked = validate({"stages": named["stages"]}, StagesConfig, where.removesuffix(": stages"))
    return plan_stages(asked, shared, Path() if file is None else file.parent, where)
