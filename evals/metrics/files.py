"""Metrics of one's own that are named by their file, `my_metrics.py:Cost`, without a config."""

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from evals.metrics.base import METRICS
from loopwright.errors import UserError, did_you_mean
from loopwright.hashing import hash_file
from loopwright.plugins import PluginFile

_NAMED = re.compile(r"(?P<path>.+\.py):(?P<name>\w+)")
_KIND = "metrics"


def metric_files(names: Sequence[str]) -> tuple[PluginFile, ...]:
    """Returns the files by which a person named metrics; those of ids and of plug-ins name none.

    Raises:
        UserError: a file is not there.
    """
    found = []
    for shown, _ in _named(names):
        path = Path(shown).resolve()
        if not path.is_file():
            raise UserError(f"the metric's file '{shown}' is not there", "metrics", "Its path is relative to the current folder.")
        found.append(PluginFile(_KIND, path, shown, hash_file(path)))
    return tuple(dict.fromkeys(found))


def metric_ids(names: Sequence[str], files: Sequence[PluginFile]) -> tuple[str, ...]:
    """Returns the ids of metrics, some of which are named by a file and a class or id in it. The files have to be in use.

    Args:
        names: as they were given.
        files: what a person named himself; a config may not name others by their path.

    Raises:
        UserError: a file has no such metric, or was not named by a person.
    """
    by_path = {file.shown: file.path for file in files}
    ids = []
    for given in names:
        match = _NAMED.fullmatch(given)
        if match is None:
            ids.append(given)
        elif match["path"] not in by_path:
            remedy = "Name the file under 'plugins: metrics:' and the metric by its id."
            raise UserError(f"a config cannot name a metric by its file: '{given}'", "evals: metrics", remedy)
        else:
            ids.append(_id_in(by_path[match["path"]], match["name"]))
    return tuple(ids)


def _named(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for given in names:
        if match := _NAMED.fullmatch(given):
            yield match["path"], match["name"]


def _id_in(path: Path, name: str) -> str:
    own = {key: metric.__name__ for key, metric in METRICS.entries.items() if Path(inspect.getfile(metric)) == path}
    for key, of_class in own.items():
        if name in {key, of_class}:
            return key
    raise UserError(f"the file has no metric '{name}'", str(path), did_you_mean(name, [*own.values()]))
