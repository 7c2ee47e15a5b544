"""Discovery: every module below a package is one extension, so that adding one is adding one file."""

import importlib
import inspect
import pkgutil
from functools import cached_property
from typing import Generic, TypeVar

from loopwright.errors import UserError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """The concrete subclasses of a base class that the modules of a package and of its sub-packages define.

    It holds classes and makes no instance: who makes one, and with what, is said by the base class. Nothing is imported before the first
    look.

    Args:
        package: dotted name of the package whose modules are the extensions.
        base: the class that an extension subclasses.
        key: the class attribute that names an extension, such as "code" or "name".
        kind: what one is called in an error message.
    """

    def __init__(self, package: str, base: type[T], *, key: str, kind: str) -> None:
        self._package = package
        self._base = base
        self._key = key
        self._kind = kind

    @cached_property
    def entries(self) -> dict[str, type[T]]:
        """All extensions by name, in the order of their names."""
        package = importlib.import_module(self._package)
        found: dict[str, type[T]] = {}
        for info in pkgutil.walk_packages(package.__path__, prefix=f"{self._package}."):
            module = importlib.import_module(info.name)
            for _, member in inspect.getmembers(module, inspect.isclass):
                if member.__module__ != module.__name__ or not issubclass(member, self._base) or inspect.isabstract(member):
                    continue
                name = getattr(member, self._key)
                assert name not in found, f"two extensions of {self._package} are called {name}"
                found[name] = member
        return dict(sorted(found.items()))

    def get(self, name: str) -> type[T]:
        """Returns one extension.

        Raises:
            UserError: there is none of that name.
        """
        try:
            return self.entries[name]
        except KeyError:
            raise UserError(f"unknown {self._kind} '{name}'", remedy=did_you_mean(name, list(self.entries))) from None
