"""Extensions from outside the project: in installed packages, by entry points, and in files that a config names.

Nothing is loaded before a registry of that kind looks, and a file is loaded only while a config that names it is in use.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.hashing import hash_file, hash_text

KINDS = ("rules", "metrics", "systems", "objectives", "methods", "trackers", "sources", "shapes", "targets")
"""What can be added from outside; `plugins:` of a config takes these keys, and `loopwright.KIND` is the entry point group of each."""


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A Python file that a config names.

    Attributes:
        kind: one of `KINDS`.
        path: the file, resolved.
        shown: its path as the config writes it.
        sha256: of its bytes, in hex.
    """

    kind: str
    path: Path
    shown: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """An entry point of an installed package.

    Attributes:
        entry: the entry point; its value names a module, all of whose extensions count, or one class.
        distribution: name and version of the package.
    """

    entry: metadata.EntryPoint
    distribution: str

    def load(self) -> object:
        """Returns the module or class.

        Raises:
            UserError: it cannot be imported.
        """
        try:
            return self.entry.load()
        except Exception as error:
            raise UserError(
                f"the plug-in '{self.entry.value}' cannot be loaded: {type(error).__name__}: {error}",
                f"the installed package {self.distribution}",
                "Update that package, or uninstall it.",
            ) from error

    def content_hash(self) -> str:
        """Returns the hash of the plug-in's code; the version alone, where its code is no file."""
        try:
            spec = importlib.util.find_spec(self.entry.module)
        except (ImportError, ValueError):
            spec = None
        origin = Path(spec.origin) if spec is not None and spec.origin else None
        if origin is None or not origin.is_file():
            return hash_text(self.entry.value, self.distribution)
        files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
        return hash_text(self.entry.value, self.distribution, *(hash_file(file) for file in files))


# None where no config is in use. A new thread begins with none: who starts one runs it in a copy of his context.
_ACTIVE: ContextVar[tuple[PluginFile, ...] | None] = ContextVar("loopwright_plugins", default=None)


def find_plugins(named: dict[str, Sequence[str]], config_path: Path) -> tuple[PluginFile, ...]:
    """Returns the files that a config names, hashed and not yet loaded.

    Args:
        named: kind -> paths as the config writes them.
        config_path: the config; the files lie in its folder or below.

    Raises:
        UserError: a file is not there, is no Python file, or lies elsewhere.
    """
    folder = config_path.resolve().parent
    found = []
    for kind, paths in named.items():
        for shown in paths:
            where = f"{config_path}: plugins.{kind}"
            path = (folder / shown).resolve()
            if not path.is_relative_to(folder):
                raise UserError(f"the plug-in '{shown}' lies outside of the config's folder", where, f"Copy it into {folder}.")
            if path.suffix != ".py" or not path.is_file():
                cause = "is no Python file" if path.is_file() else "is not there"
                raise UserError(f"the plug-in '{shown}' {cause}", where, "Name a .py file; its path is relative to the config file.")
            found.append(PluginFile(kind, path, shown, hash_file(path)))
    return tuple(dict.fromkeys(found))


@contextmanager
def use_plugins(files: tuple[PluginFile, ...]) -> Iterator[None]:
    """Lets registries find the extensions of some files, and of no others, within the block."""
    token = _ACTIVE.set(files)
    try:
        yield
    finally:
        _ACTIVE.reset(token)


@contextmanager
def use_also(files: tuple[PluginFile, ...]) -> Iterator[None]:
    """Lets registries find the extensions of some more files within the block, beside those that are in use already."""
    active = _ACTIVE.get() or ()
    known = {(file.kind, file.path) for file in active}
    more = tuple(file for file in files if (file.kind, file.path) not in known)
    if not more:
        yield
        return
    with use_plugins((*active, *more)):
        yield


def active_files(kinds: Sequence[str]) -> tuple[PluginFile, ...]:
    """Returns the files of some kinds that are in use."""
    files = _ACTIVE.get()
    return tuple(file for file in files if file.kind in kinds) if files else ()


def plugins_are_chosen() -> bool:
    """Says whether a config is in use, though it may name no file."""
    return _ACTIVE.get() is not None


@cache
def installed(kind: str) -> tuple[InstalledPlugin, ...]:
    """Returns the entry points of a kind in all installed packages, by name."""
    found = sorted(metadata.entry_points(group=f"loopwright.{kind}"), key=lambda entry: (entry.name, entry.value))
    return tuple(InstalledPlugin(entry, _distribution(entry)) for entry in found)


def plugins_key(*kinds: str) -> str | None:
    """Returns the hash of all plug-ins of some kinds, for the key of a cache; None where there are none."""
    parts = [f"{file.kind}:{file.shown}:{file.sha256}" for file in active_files(kinds)]
    parts += [f"{kind}:{one.content_hash()}" for kind in kinds for one in installed(kind)]
    return hash_text(*parts) if parts else None


class _HashedSource(SourceFileLoader):
    """Runs the very bytes that were hashed: neither a file that changed meanwhile nor a compiled one beside it.

    Args:
        name: of the module.
        file: the plug-in.
    """

    def __init__(self, name: str, file: PluginFile) -> None:
        super().__init__(name, str(file.path))
        self._file = file

    def get_code(self, fullname: str) -> CodeType:
        """Returns the code of the file's bytes.

        Raises:
            UserError: they are not those of the hash.
        """
        data = self.get_data(self.get_filename(fullname))
        if hashlib.sha256(data).hexdigest() != self._file.sha256:
            raise UserError("the plug-in changed while it was being loaded", str(self._file.path), "Run the command again.")
        return self.source_to_code(data, str(self._file.path))


@cache
def load_file(file: PluginFile) -> ModuleType:
    """Runs a plug-in's file once a process, and says so with its hash.

    Raises:
        UserError: the file has changed since it was hashed, or it cannot be run.
    """
    notice(f"Plug-in for {file.kind}: {file.path} (sha256 {file.sha256})", always=True)
    name = f"loopwright_plugin_{file.kind}_{hash_text(str(file.path), file.sha256)}"
    spec = importlib.util.spec_from_file_location(name, file.path, loader=_HashedSource(name, file))
    assert spec is not None and spec.loader is not None, "the loader is given"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"the plug-in cannot be run: {type(error).__name__}: {error}", _line_of(error, file.path), "Mend the file, or take it out."
        ) from error
    return module


def _distribution(entry: metadata.EntryPoint) -> str:
    dist = entry.dist
    return "of unknown name" if dist is None else f"{dist.metadata['Name']} {dist.version}"


def _line_of(error: Exception, path: Path) -> str:
    """Returns the place in a plug-in's file at which an error rose."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{path}:{line}" if line else str(path)
