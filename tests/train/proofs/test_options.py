"""Options that nothing reads, or that do nothing, are found."""

import pytest

from tests.train.test_run import CHANGES
from train.config import LoraOptions, TrainConfig
from train.proofs.option_effects import COMMON, NOT_SHOWN, ON_OCCASION, experiments
from train.proofs.option_reads import counting_reads, option_names, unread_options
from train.proofs.options import OptionEffects, flat, prove_options
from train.proofs.short_runs import with_options

SHOWN = OptionEffects(shown=["seed"], without=[], own_hash="a")


def test_reads_are_counted_by_name_and_writing_out_is_none() -> None:
    config = counting_reads(TrainConfig(weight_decay=0.1))
    assert isinstance(config, TrainConfig)
    assert config.model_dump(mode="json") == TrainConfig(weight_decay=0.1).model_dump(mode="json")
    assert unread_options(config) == option_names(TrainConfig())
    assert (config.lora.rank, config.seed) == (16, 17)
    left = unread_options(config.model_copy(update={"epochs": 3}))
    assert left == [name for name in option_names(TrainConfig()) if name not in {"lora.rank", "seed"}]
    assert unread_options(TrainConfig()) is None


def test_every_option_is_shown_or_says_why_not() -> None:
    """A new option goes into `experiments`, or into `NOT_SHOWN` with the reason."""
    shown = experiments(flat(TrainConfig()), 10, "q_proj").keys()
    assert shown | NOT_SHOWN.keys() == set(option_names(TrainConfig()))
    assert not shown & NOT_SHOWN.keys()
    assert all(NOT_SHOWN.values())
    assert COMMON.keys() | ON_OCCASION <= set(option_names(TrainConfig()))


@pytest.mark.parametrize("change", CHANGES)
def test_an_experiment_changes_its_option_whatever_the_run_has(change: dict[str, object]) -> None:
    options = flat(TrainConfig.model_validate(change))
    for name, experiment in experiments(options, 10, "q_proj").items():
        assert with_options(options, {name: experiment.changed}) != with_options(options, experiment.under) or name in COMMON


def test_what_was_given_and_not_read_is_named() -> None:
    given = TrainConfig(weight_decay=0.1, lora=LoraOptions(rank=4))
    assert prove_options(given, [], SHOWN).passed is True
    proof = prove_options(given, ["weight_decay", "lora.rank", "warmup", "truncation"], SHOWN)
    assert (proof.passed, proof.value) == (False, 2)
    assert "nothing read weight_decay, lora.rank" in proof.reason
    assert prove_options(TrainConfig(truncation="drop"), ["truncation"], SHOWN).passed is True, "no row was too long"


def test_what_makes_no_difference_is_named() -> None:
    proof = prove_options(TrainConfig(), [], OptionEffects(["seed"], ["warmup"], "a"))
    assert (proof.passed, proof.value) == (False, 1)
    assert "another value of warmup changes nothing" in proof.reason
    assert prove_options(TrainConfig(), [], SHOWN, recorded_hash="a").passed is True
    assert prove_options(TrainConfig(), [], SHOWN, recorded_hash="b").passed is False
    assert prove_options(TrainConfig(), None, "there are no rows").passed == "not applicable"
