"""What it would take for an option to show: another value of it, and the options under which that makes a difference in two steps."""

from dataclasses import dataclass, field
from typing import Any

# Two examples a step and four in all, so that two steps are half a run. A falling, unclipped, undecayed learning rate that is high.
COMMON: dict[str, Any] = {
    "batch_size": 2,
    "epochs": 2,
    "max_steps": None,
    "micro_batch_size": None,
    "micro_batch_tokens": 1 << 30,
    "learning_rate": 1e-2,
    "warmup": 0.0,
    "schedule": "linear",
    "max_length": 1 << 20,
    "truncation": "drop",
    "dtype": "float32",
    "validation": True,
}
# What a run of four examples cannot take over from the run.
SIZES = ("batch_size", "epochs", "max_steps", "micro_batch_size", "micro_batch_tokens", "max_length", "truncation", "dtype")

_LOSSES = ("dpo.", "orpo.", "simpo.", "kto.")

NOT_SHOWN = {
    "model": "the hash of its weights is recorded and checked",
    "objective": "another one takes other rows",
    "method": "another one has other options",
    "loss": "another one has other options",
    "quantize": "it takes a GPU",
    "exact": "it changes how a run is computed, not what",
    "shard": "it changes how a run is computed, not what",
    "activation_checkpointing": "it changes how a run is computed, not what",
    "compile": "it changes how a run is computed, not what",
    "stride": "it is of held-out texts, which two steps do not score",
    "start": "the hash of its weights is recorded and checked",
    "leaks": "a run that they stop is no run",
    "track": "a tracker is told of a run and changes nothing of it",
    "seeds": "each of several seeds is a run of its own",
    "best": "two steps leave no choice of a checkpoint",
    "early_stopping": "two steps leave nothing to stop",
    "keep_checkpoints": "which checkpoints stay changes nothing of the run",
    "influence": "it is of the weights that a run ends with, and changes none",
    "checkpoint_every": "a finished run keeps no trace of when checkpoints were written",
}
"""Options whose effect two steps do not show, and why."""

NOT_NEEDED = frozenset({"truncation", "normalize", "kto.wanted_weight", "kto.unwanted_weight", "dpo.length_normalized"})
"""Options that do nothing for some objectives or rows: one that cuts long rows never finds one too long, and rows of one length count the
same however they are counted."""

ON_OCCASION = frozenset({"truncation", "checkpoint_every", "schedule", "best", "early_stopping", "keep_checkpoints", "seeds", "leaks"})
"""Options that a run reads where the occasion arises: a row too long, one that ends no epoch, one behind the warm-up, a validation."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Two short runs that differ in one option.

    Attributes:
        changed: the option's other value.
        under: options that both have; the run's own and `COMMON` hold for the rest.
    """

    changed: Any
    under: dict[str, Any] = field(default_factory=dict)


def experiments(options: dict[str, Any], longest: int, layer: str) -> dict[str, Experiment]:
    """Returns what shows each option.

    Args:
        options: the run's, as JSON; those of a section are `section.option`.
        longest: the tokens of the longest of the examples.
        layer: what some linear layer of the model is called.
    """
    return {
        "epochs": Experiment(3),
        "max_steps": Experiment(1),
        "learning_rate": Experiment((options["learning_rate"] or COMMON["learning_rate"]) * 2),
        "batch_size": Experiment(3),
        "micro_batch_size": Experiment(1),
        "micro_batch_tokens": Experiment(1),
        "warmup": Experiment(0.0 if options["warmup"] >= 0.5 else 1.0),
        "schedule": Experiment("constant" if options["schedule"] != "constant" else "linear"),
        "optimizer": Experiment("adafactor" if options["optimizer"] == "adamw" else "adamw"),
        "normalize": Experiment("example" if options["normalize"] == "token" else "token"),
        "weight_decay": Experiment(options["weight_decay"] + 0.5),
        "max_grad_norm": Experiment(1e-6),
        "lora.rank": Experiment(options["lora.rank"] + 1),
        "lora.alpha": Experiment(options["lora.alpha"] * 2),
        "lora.dropout": Experiment(0.0 if options["lora.dropout"] else 0.5),
        "lora.targets": Experiment([layer] if options["lora.targets"] == "all-linear" else "all-linear"),
        "lora.rslora": Experiment(not options["lora.rslora"], {"lora.rank": 4}),  # of rank 1 the two are the same
        "lora.dora": Experiment(not options["lora.dora"]),
        "lora.plus_ratio": Experiment(options["lora.plus_ratio"] * 4),
        "freeze.layers": Experiment(1 if options["freeze.layers"] != 1 else 2),
        "verbalizer_loss": Experiment("target" if options["verbalizer_loss"] == "choices" else "choices"),
        **{name: Experiment(options[name] * 2) for name in options if name.startswith(_LOSSES) and not isinstance(options[name], bool)},
        "dpo.length_normalized": Experiment(not options["dpo.length_normalized"]),
        "max_length": Experiment(longest - 1),
        "truncation": Experiment("raise", {"max_length": longest - 1}),
        "dtype": Experiment("bfloat16"),
        "seed": Experiment(options["seed"] + 1),
        "validation": Experiment(not options["validation"]),
    }
