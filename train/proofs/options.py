"""Proof: every option is read, and does something. One that is validated, documented and ignored is the silent defect of trainers."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch

from train.config import Loss, TrainConfig
from train.methods.base import METHODS
from train.objectives.base import OBJECTIVES
from train.proofs.option_effects import COMMON, NOT_NEEDED, NOT_SHOWN, ON_OCCASION, SIZES, experiments
from train.proofs.option_reads import option_names
from train.proofs.short_runs import NoSmallModelError, RunRows, ShortRuns, shortest, with_options
from train.runs.proof import Proof

_FEWEST_ROWS = 3  # two steps of two examples


@dataclass(frozen=True, slots=True)
class OptionEffects:
    """What short runs showed.

    Attributes:
        shown: options that made a difference.
        without: options that made none.
        own_hash: what the run's own options come to.
    """

    shown: list[str]
    without: list[str]
    own_hash: str


def show_effects(config: TrainConfig, rows: RunRows, base: Path, auto_class: str) -> OptionEffects | str:
    """Makes a pair of short runs for each option that they can show; says why where there can be none.

    Args:
        config: the run's options.
        rows: a few of them are taken.
        base: the folder of the base model, whose architecture the small one has.
        auto_class: the class of transformers that loads it.
    """
    if len(rows.data.train) < _FEWEST_ROWS:
        return f"there are fewer than {_FEWEST_ROWS} training examples"
    options = flat(config)
    try:
        with ShortRuns.open(rows, base, auto_class) as runs:
            own_hash = runs.outcome(with_options(options, {name: COMMON[name] for name in SIZES}))
            return _show_effects(config, runs, max(example.longest for example in shortest(rows.data.train)), own_hash)
    except NoSmallModelError as error:
        return f"there is no small model of this architecture: {error}"


def _show_effects(config: TrainConfig, runs: ShortRuns, longest: int, own_hash: str) -> OptionEffects:
    """Compares two outcomes for each option."""
    options = flat(config)
    known: dict[str, str] = {}

    def outcome(changes: Mapping[str, Any]) -> str:
        made = with_options(options, changes)
        key = made.model_dump_json()
        if key not in known:
            known[key] = runs.outcome(made)
        return known[key]

    shown: list[str] = []
    without: list[str] = []
    for name, experiment in experiments(options, longest, runs.a_linear_layer()).items():
        if _belongs(name, config) and (name != "validation" or runs.has_validation):
            own = {} if name in SIZES or name not in COMMON else {name: options[name]}
            here = {**COMMON, **own, **experiment.under}
            (shown if outcome(here) != outcome({**here, name: experiment.changed}) else without).append(name)
    return OptionEffects(shown, [name for name in without if name not in NOT_NEEDED], own_hash)


def prove_options(
    config: TrainConfig, unread: Sequence[str] | None, effects: OptionEffects | str, recorded_hash: str | None = None
) -> Proof:
    """No option that the run was given is ignored.

    Args:
        config: the run's options.
        unread: those that nothing read in the run; None where reads were not counted.
        effects: what short runs showed, or why there are none.
        recorded_hash: what the run's own options came to on a like machine when it was made; None where that is not known.
    """
    ignored = [name for name in unread or () if name not in ON_OCCASION and _was_given(name, config) and _belongs(name, config)]
    if unread is None and isinstance(effects, str):
        return Proof.not_applicable(f"the run did not count which options were read, and {effects}")
    problems = [f"nothing read {', '.join(ignored)}"] if ignored else []
    if isinstance(effects, str):
        reason = f"options that were given and ignored, by what the run read; their effect is not shown: {effects}"
    else:
        ignored += [name for name in effects.without if name not in ignored]
        problems += [f"another value of {', '.join(effects.without)} changes nothing in two steps"] if effects.without else []
        if recorded_hash not in {None, effects.own_hash}:
            problems.append("two steps with the run's options come to something else than they did in the run")
        left = ", ".join(name for name in NOT_SHOWN if name not in effects.shown)
        reason = f"options ignored; {len(effects.shown)} are shown to have an effect on a random model of two layers (not shown: {left})"
    return Proof.at_most(max(len(ignored), len(problems)), 0, "; ".join([reason, *problems]))


def flat(config: TrainConfig) -> dict[str, Any]:
    """Returns all options; those of a section are `section.option`."""
    return dict(_flat(config.model_dump(mode="json")))


def platform_name() -> str:
    """Returns where hashes to the bit are the same."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _belongs(name: str, config: TrainConfig) -> bool:
    """Says whether an option is of this run: the sections of other methods and losses are not."""
    section, _, _ = name.partition(".")
    if section in get_args(Loss):
        return section == OBJECTIVES.get(config.objective)(config).loss_name
    if name == "verbalizer_loss":
        return config.objective in {"verbalizer", "cloze"}
    return section not in METHODS.entries or section == config.method


def _was_given(name: str, config: TrainConfig) -> bool:
    return name in option_names(config) and flat(config)[name] != flat(TrainConfig())[name]
