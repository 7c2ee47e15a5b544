"""Counting which options of a run are read: one that nothing reads does nothing, however well it is documented."""

from typing import Any, TypeVar

from pydantic import BaseModel

from train.config import TrainConfig

_Options = TypeVar("_Options", bound=BaseModel)


def counting_reads(config: TrainConfig) -> TrainConfig:
    """Returns the same options, which remember each of their names that is read. Writing them out as a whole is no reading."""
    return _counting(config, set(), "")


def unread_options(config: TrainConfig) -> list[str] | None:
    """Returns the options that nothing has read so far, such as `lora.alpha`; None where reads are not counted."""
    reads: set[str] | None = getattr(type(config), "option_reads", None)
    return None if reads is None else [name for name in option_names(config) if name not in reads]


def option_names(options: BaseModel, prefix: str = "") -> list[str]:
    """Returns the names of all options; those of a section are `section.option`."""
    names = []
    for name, value in options.__dict__.items():
        names += option_names(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else [f"{prefix}{name}"]
    return names


def _counting(options: _Options, reads: set[str], prefix: str) -> _Options:
    kind = type(options)
    own_names = frozenset(kind.model_fields)

    def read(self: BaseModel, name: str) -> Any:
        if name in own_names:
            reads.add(prefix + name)
        return kind.__getattribute__(self, name)

    values = {
        name: _counting(value, reads, f"{prefix}{name}.") if isinstance(value, BaseModel) else value
        for name, value in options.__dict__.items()
    }
    counting: Any = type(kind.__name__, (kind,), {"__module__": __name__, "__doc__": kind.__doc__, "__getattribute__": read})
    counting.option_reads = reads  # behind the class statement, in which it would be one of the model's attributes
    counted: _Options = counting.model_construct(options.model_fields_set, **values)
    return counted
