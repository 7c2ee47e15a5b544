"""What the library calls of the packages share: names that are imported when they are first used, paths, and options over a config."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loopwright.errors import UserError, extra_of_missing

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)
else:
    Model = TypeVar("Model")

StrPath = str | os.PathLike[str]
"""A path as callers give it."""


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns a package's `__getattr__`, so that importing the package costs nothing until a name of it is used.

    Args:
        package: the package.
        modules: each of its public names and the module that defines it.
    """

    def find(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(modules[name]), name)
        except ModuleNotFoundError as error:
            if (missing := extra_of_missing(error, f"'{package}.{name}'")) is None:
                raise
            raise missing from error

    return find


def section_options(
    config: "StrPath | Mapping[str, Any] | Model | None", section: str, model: "type[Model]", options: Mapping[str, Any], location: str
) -> "Model":
    """Returns the options of a call: those of a config, with those that were given by name over them.

    Args:
        config: a YAML file, of which the section is read; or what such a section says, as a mapping or as its own type; None: defaults.
        section: the section's name.
        model: its type.
        options: option -> value; one that is None was not given.
        location: what the options are called in messages.

    Raises:
        UserError: the config cannot be read, or a value is not allowed.
    """
    # YAML is slow to import, and every command imports this module for its package's names.
    from loopwright.config import load_section, overlay, validate

    if config is None or isinstance(config, str | os.PathLike):
        base = load_section(None if config is None else Path(config), section, model)
    elif isinstance(config, Mapping):
        base = validate(plain_values(config), model, "config")
    elif isinstance(config, model):
        base = config
    else:
        remedy = f"Give the path of a config file, a mapping, or a {model.__name__}."
        raise UserError(f"the config is an object of the type '{type(config).__name__}'", remedy=remedy)
    return overlay(base, plain_values(options), location)


def config_file(config: object) -> Path | None:
    """Returns the file of a config that is given as a path; None for one that is given otherwise."""
    return Path(config) if isinstance(config, str | os.PathLike) else None


def plain_values(value: Any) -> Any:
    """Returns a value as a YAML file would hold it: paths are text, and so are the keys of mappings."""
    if isinstance(value, Mapping):
        return {_key_text(key): plain_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _key_text(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
