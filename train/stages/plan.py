"""Which runs the stages of a config are: their options, and what each trains on. Nothing here needs torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopwright.config import validate
from loopwright.console import notice
from loopwright.errors import UserError, did_you_mean
from prep.dataset.manifest import has_form
from train.config import StageConfig, StagesConfig, TrainConfig
from train.data.mixture import Mixture, open_dataset
from train.methods.base import METHODS
from train.objectives.base import OBJECTIVES
from train.prepare import with_learning_rate

_NOT_OF_A_STAGE = {
    "model": "all stages have one base model: name it under train:",
    "start": "a stage starts from the one before; under train: it is what the first one starts from",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: its name, and that of its folder.
        config: the options of its run; `start` is that of the first stage alone, as the others' is not known before it is trained.
        own: what it is about, and measured on.
        source: what it is trained on: the same, and what is replayed of the stages before.
        replay: the share of its epochs that is replayed.
    """

    name: str
    config: TrainConfig
    own: Path | Mixture
    source: Path | Mixture
    replay: float


def plan_stages(asked: StagesConfig, shared: TrainConfig, folder: Path, where: str) -> list[Stage]:
    """Returns the stages in their order.

    Args:
        asked: what the config says of them.
        shared: the options that they have in common.
        folder: what their paths are relative to.
        where: what the config is called in messages.

    Raises:
        UserError: a name stands twice, an option is not allowed or differs where it must not, or there is nothing to replay.
    """
    stages: list[Stage] = []
    names: dict[str, str] = {}
    for number, one in enumerate(asked.stages):
        at = f"{where}[{number}] '{one.name}'"
        # By lower case: some file systems take the two for one folder.
        if (twin := names.setdefault(one.name.lower(), one.name)) is not one.name:
            raise UserError(
                f"the name '{one.name}' is taken by '{twin}', and each stage has a folder of its own", at, "Rename one of them."
            )
        config = _options(one, shared, at)
        config = config if not number else config.model_copy(update={"start": None})
        own = _source(one, folder)
        stage = Stage(one.name, config, own, own, one.replay)
        _require_same_shape(stages[:1], stage, at)
        stages.append(replace(stage, source=_with_replay(stage, stages, at)) if one.replay else stage)
    return stages


def _options(one: StageConfig, shared: TrainConfig, at: str) -> TrainConfig:
    """Returns the options of a stage's run; of a section, such as `lora`, those that it does not name are the shared ones."""
    given: dict[str, Any] = dict(one.model_extra or {})
    for name, value in given.items():
        if name in _NOT_OF_A_STAGE:
            raise UserError(f"a stage has no key '{name}': {_NOT_OF_A_STAGE[name]}", at, "Take it out of the stage.")
        if name not in TrainConfig.model_fields:
            known = [*StageConfig.model_fields, *(key for key in TrainConfig.model_fields if key not in _NOT_OF_A_STAGE)]
            raise UserError(f"unknown key '{name}'", at, did_you_mean(name, known))
        before = getattr(shared, name)
        if isinstance(value, dict) and hasattr(before, "model_dump"):
            given[name] = {**before.model_dump(), **value}
    return with_learning_rate(validate({**shared.model_dump(), **given}, TrainConfig, at))


def _source(one: StageConfig, folder: Path) -> Path | Mixture:
    if one.mixture is not None:
        return Mixture.of(one.mixture, folder)
    assert one.dataset is not None, "the config sees to it"
    return folder / one.dataset


def _require_same_shape(first: Sequence[Stage], stage: Stage, at: str) -> None:
    """Refuses a stage that could not begin with the weights of the ones before.

    Raises:
        UserError: its method, the shape of what is trained or the kind of model differs.
    """
    for earlier in first:
        method = stage.config.method
        names = ["method", "quantize", *(f"{method}.{name}" for name in METHODS.get(method).shape)]
        for name in names:
            before, now = _option(earlier.config, name), _option(stage.config, name)
            if before != now:
                cause = f"{name} is {now}, and was {before} in '{earlier.name}', with whose weights it cannot go on then"
                raise UserError(cause, at, f"Give {name} once, under train:.")
        objectives = earlier.config.objective, stage.config.objective
        if len({OBJECTIVES.get(one).auto_class for one in objectives}) > 1:
            cause = f"the objective '{objectives[1]}' trains another kind of model than '{objectives[0]}' of '{earlier.name}'"
            raise UserError(cause, at, "Train it by itself, with train run.")


def _option(config: TrainConfig, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _with_replay(stage: Stage, before: Sequence[Stage], at: str) -> Mixture:
    """Returns the stage's own data and, for its share, the train rows of the stages before that its objective can train."""
    if not before:
        raise UserError("the first stage has nothing to replay", at, "Leave 'replay' out of it.")
    own = stage.own if isinstance(stage.own, Mixture) else Mixture({stage.name: stage.own})
    mine = {path.resolve() for path in own.paths.values()}
    again: dict[str, Path] = {}
    form = OBJECTIVES.get(stage.config.objective).form
    for name, path in _named(before):
        if path.resolve() in mine or path.resolve() in {one.resolve() for one in again.values()}:
            continue
        if open_dataset(path).examples("train").filter(has_form(form)).head(1).collect().is_empty():
            notice(f"'{stage.name}' replays nothing of '{name}': no row of it has the form {form}, which this stage trains.")
            continue
        again[f"replay-{name}"] = path
    if not again:
        cause = f"there is nothing to replay: no stage before has rows of the form {form}, which '{stage.config.objective}' trains"
        raise UserError(cause, at, "Leave 'replay' out, or mix such rows in with 'mixture:'.")
    if taken := own.paths.keys() & again.keys():
        raise UserError(f"the name '{min(taken)}' is that of what is replayed", at, "Rename it in the stage's mixture.")
    size = None if own.epoch_size is None else round(own.epoch_size / (1 - stage.replay))
    return replace(own, paths={**own.paths, **again}, epoch_size=size, replay=stage.replay, replayed=frozenset(again))


def _named(stages: Sequence[Stage]) -> Iterator[tuple[str, Path]]:
    """Yields the datasets of some stages, by names that tell them apart."""
    for stage in stages:
        if isinstance(stage.own, Mixture):
            yield from ((f"{stage.name}-{name}", path) for name, path in stage.own.paths.items())
        else:
            yield stage.name, stage.own
