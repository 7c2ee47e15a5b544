"""What a tracker is: a place beside the run's own files that is told its options, its numbers and how it ended."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from loopwright.errors import UserError, missing_extra
from loopwright.registry import Registry


class Status(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is told when a run begins.

    Attributes:
        folder: an own folder within the run's, not made yet, for what the tracker keeps.
        project: what runs are gathered under, where the user's settings do not say.
        name: the run's name.
        options: all options of the run, those of a section as `section.option`.
        num_steps: steps that are done already, in a run that is gone on with.
        tracked: what `begin` returned before, in a run that is gone on with.
    """

    folder: Path
    project: str
    name: str
    options: dict[str, Any]
    num_steps: int = 0
    tracked: str | None = None


class Tracker(ABC):
    """A place where runs are followed. One subclass a file in `train/trackers/`; its docstring is its documentation.

    What it raises is noted once, and it is left alone from there on: nothing that a tracker does ends a run, or changes it.
    """

    name: ClassVar[str]
    """What `track:` takes."""
    module: ClassVar[str | None] = None
    """What of its library is imported; the extra that brings it has the tracker's name."""

    @abstractmethod
    def begin(self, run: TrackedRun) -> str | None:
        """Begins, or goes on with, a run; returns what it is known by, with which it is gone on with later."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of a step, counted from 1: those of a line of `metrics.jsonl`. In a resumed run a step may come again."""

    def flush(self) -> None:  # noqa: B027 (most send what they are given by themselves)
        """Sends what is collected; called every few seconds."""

    @abstractmethod
    def end(self, status: Status, outcome: Mapping[str, float]) -> None:
        """Ends the run.

        Args:
            status: how it ended.
            outcome: what `run.json` says of it in numbers; empty where it did not finish.
        """

    @classmethod
    def require_installed(cls) -> None:
        """Makes sure that its library is there, before a model is loaded.

        Raises:
            UserError: it is not.
        """
        if cls.module is not None and not _is_there(cls.module):
            raise missing_extra(f"track: {cls.name}", cls.name)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


TRACKERS: Registry[Tracker] = Registry("train.trackers", Tracker, key="name", kind="tracker", plugins=("trackers",))


def require_trackers(names: tuple[str, ...]) -> None:
    """Makes sure that trackers are known and their libraries there.

    Raises:
        UserError: one is not.
    """
    for name in names:
        try:
            TRACKERS.get(name).require_installed()
        except UserError as error:
            raise UserError(error.cause, error.location or "track", error.remedy) from error
