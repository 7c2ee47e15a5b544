"""Discovery: every module below a package is one extension, so that adding one is adding one file."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import ModuleType
from typing import Generic, TypeVar

from loopwright.errors import UserError, did_you_mean
from loopwright.plugins import PluginFile, active_files, installed, load_file

T = TypeVar("T")


class Registry(Generic[T]):
    """The concrete subclasses of a base class, by name: those of a package and its sub-packages, of installed plug-ins, and of the files
    that the config in use names.

    It holds classes and makes no instance: who makes one, and with what, is said by the base class. Nothing is imported before the first
    look.

    Args:
        package: dotted name of the package whose modules are the extensions.
        base: the class that an extension subclasses.
        key: the class attribute that names an extension, such as "code" or "name".
        kind: what one is called in an error message.
        plugins: the kinds of `loopwright.plugins.KINDS` under which they come from outside. Where several registries share a kind, it
            stands first in the one that refuses a plug-in without an extension; the others pass it over.
        beside: other classes of which a plug-in may hold subclasses instead, for another registry of its kind.
    """

    def __init__(
        self, package: str, base: type[T], *, key: str, kind: str, plugins: tuple[str, ...] = (), beside: tuple[type[object], ...] = ()
    ) -> None:
        self._package = package
        self._base = base
        self._key = key
        self._kind = kind
        self._plugins = plugins
        self._beside = beside
        self._by_files: dict[tuple[PluginFile, ...], dict[str, type[T]]] = {}

    @property
    def entries(self) -> dict[str, type[T]]:
        """All extensions by name, in the order of their names.

        Raises:
            UserError: a plug-in cannot be loaded, has no extension, or has one of a name that is taken.
        """
        files = active_files(self._plugins)
        if files not in self._by_files:
            found = dict(self._without_files)
            for file in files:
                self._add(found, self._of_plugin(load_file(file), str(file.path), file.kind))
            self._by_files[files] = dict(sorted(found.items()))
        return self._by_files[files]

    def get(self, name: str) -> type[T]:
        """Returns one extension.

        Raises:
            UserError: there is none of that name.
        """
        entries = self.entries
        try:
            return entries[name]
        except KeyError:
            raise UserError(f"unknown {self._kind} '{name}'", remedy=did_you_mean(name, list(entries))) from None

    @contextmanager
    def holding(self, one: type[T]) -> Iterator[None]:
        """Holds a class within the block, as though a plug-in had brought it: for tests of an extension by itself.

        Raises:
            UserError: it is not whole, or another extension has its name.
        """
        entries = self.entries
        name = getattr(one, self._key, None)
        if entries.get(str(name)) is one:
            yield
            return
        self._add(entries, [self._require_extension(one, _file(one))])
        try:
            yield
        finally:
            del entries[str(name)]

    @cached_property
    def _without_files(self) -> dict[str, type[T]]:
        package = importlib.import_module(self._package)
        found: dict[str, type[T]] = {}
        for info in pkgutil.walk_packages(package.__path__, prefix=f"{self._package}."):
            self._add(found, self._subclasses(importlib.import_module(info.name)))
        for kind in self._plugins:
            for plugin in installed(kind):
                self._add(found, self._of_plugin(plugin.load(), f"the installed package {plugin.distribution}", kind))
        return found

    def _add(self, found: dict[str, type[T]], classes: "list[type[T]]") -> None:
        for one in classes:
            self._require_whole(one)
            name = getattr(one, self._key)
            if name in found:
                raise UserError(
                    f"two extensions are called '{name}': {found[name].__name__} of {_file(found[name])} and {one.__name__}",
                    _file(one),
                    f"Give one of the two another '{self._key}'.",
                )
            found[name] = one

    def _of_plugin(self, loaded: object, where: str, kind: str) -> "list[type[T]]":
        """Returns the extensions of a plug-in, which is there to have some.

        Args:
            loaded: a module, all of whose extensions count, or one class.
            where: the file or package, for messages.
            kind: under which it is named.
        """
        if not isinstance(loaded, ModuleType):
            is_of_another = kind != self._plugins[0] and inspect.isclass(loaded) and not issubclass(loaded, self._base)
            return [] if is_of_another or self._is_beside(loaded) else [self._require_extension(loaded, where)]
        candidates = list(self._candidates(loaded))
        classes = [one for one in candidates if not inspect.isabstract(one)]
        if not candidates and (kind != self._plugins[0] or any(map(self._is_beside, vars(loaded).values()))):
            return []
        return classes or [self._require_extension(candidates[0] if candidates else loaded, where)]

    def _is_beside(self, one: object) -> bool:
        """Whether this is an extension of another registry that shares the kind, and none of this one."""
        is_own = inspect.isclass(one) and issubclass(one, self._base)
        return inspect.isclass(one) and not is_own and issubclass(one, self._beside) and not inspect.isabstract(one)

    def _subclasses(self, module: ModuleType) -> "list[type[T]]":
        return [one for one in self._candidates(module) if not inspect.isabstract(one)]

    def _candidates(self, module: ModuleType) -> "Iterator[type[T]]":
        """Yields the subclasses that a module defines; what it merely imports is another's."""
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and issubclass(member, self._base) and member is not self._base:
                yield member

    def _require_whole(self, one: type[T]) -> None:
        """Makes sure that a class has a value for each attribute that its base only declares."""
        declared = {name for base in one.__mro__ for name in vars(base).get("__annotations__", {})}
        missing = sorted(name for name in declared if not name.startswith("_") and not hasattr(one, name))
        if missing:
            raise UserError(f"the {self._kind} {one.__name__} has no '{missing[0]}'", _file(one), f"Give it one: {missing[0]} = ...")

    def _require_extension(self, loaded: object, where: str) -> type[T]:
        """Returns what a plug-in gives, if it is a concrete subclass of the base."""
        if not (inspect.isclass(loaded) and issubclass(loaded, self._base)):
            base = f"{self._base.__module__}.{self._base.__name__}"
            raise UserError(f"the plug-in has no {self._kind}", where, f"Write a subclass of {base} in it.")
        if inspect.isabstract(loaded):
            missing = ", ".join(sorted(vars(loaded)["__abstractmethods__"]))
            raise UserError(
                f"the {self._kind} {loaded.__name__} is not whole: it does not define {missing}", where, "Define what is missing."
            )
        return loaded


def _file(one: type[object]) -> str:
    """Returns the file that defines a class."""
    try:
        return inspect.getfile(one)
    except (OSError, TypeError):
        return one.__module__
