"""All trackers of a run at once, none of which can end it."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from loopwright.console import notice
from loopwright.files import write_atomic
from train.runs.folder import TRACKING_NAME
from train.runs.proof import failed_proofs
from train.runs.record import RunRecord
from train.trackers.base import TRACKERS, Status, TrackedRun, Tracker

_PROJECT = "loopwright"
_IDS_NAME = "runs.json"
"""Within the run's folder of trackers: what each knows the run by."""
_OUTCOME = (
    *("final_train_loss", "validation_loss", "best_step", "num_steps", "num_tokens", "num_trained_tokens"),
    *("seconds", "tokens_per_second", "peak_memory_bytes"),
)


class Tracking:
    """The trackers of a run that work.

    Attributes:
        record: the run's record, once there is one: what the trackers are told at the end.
    """

    record: RunRecord | None = None

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._chosen, self._trackers = trackers, list[Tracker]()

    def begin(self, run_dir: Path, options: Mapping[str, Any], num_steps: int = 0, *, resume: bool = False) -> None:
        """Begins with each tracker, or goes on where the run was begun before.

        Args:
            run_dir: the run's folder.
            options: all options of the run, by flat names.
            num_steps: steps that are done already.
            resume: the run is gone on with, even where it has to begin anew.
        """
        folder = run_dir / TRACKING_NAME
        known = _known(folder) if resume else {}
        ids: dict[str, str | None] = {}
        self._trackers = list(self._chosen)
        for tracker in self._chosen:
            name = tracker.name
            run = TrackedRun(folder / name, _PROJECT, _run_name(run_dir), dict(options), num_steps, known.get(name))
            if self._try(tracker, lambda tracker=tracker, run=run: ids.update({run.folder.name: tracker.begin(run)})):  # type: ignore[misc]
                notice(f" tracked  by {name}, as '{run.name}'")
        if ids:
            write_atomic(folder / _IDS_NAME, json.dumps({**known, **{name: one for name, one in ids.items() if one is not None}}) + "\n")

    def log(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Tells each tracker some lines of `metrics.jsonl`; what is no finite number is left out."""
        for tracker in list(self._trackers):
            self._try(tracker, lambda tracker=tracker: _tell(tracker, lines))  # type: ignore[misc]

    def end(self, status: Status) -> None:
        """Ends the run with each tracker."""
        outcome = {} if self.record is None or status is not Status.FINISHED else _outcome(self.record)
        for tracker in list(self._trackers):
            self._try(tracker, lambda tracker=tracker: tracker.end(status, outcome))  # type: ignore[misc]
        self._trackers.clear()

    def _try(self, tracker: Tracker, work: Callable[[], object]) -> bool:
        """Lets a tracker do something; one that fails is left out from then on."""
        try:
            with redirect_stdout(sys.stderr):  # what a command prints to stdout is its result
                work()
        except Exception as error:
            self._trackers.remove(tracker)
            cause = f"{type(error).__name__}: {error}".splitlines()[0]
            notice(f"The tracker '{tracker.name}' failed and is left out from here on; the run goes on. ({cause})", always=True)
            return False
        return True


@contextmanager
def tracking(names: Sequence[str]) -> Iterator[Tracking]:
    """Yields the trackers of a run. When the block is left they are told how it ended; the outcome is that of `Tracking.record`."""
    trackers = Tracking([TRACKERS.get(name)() for name in dict.fromkeys(names)])
    try:
        yield trackers
    except (KeyboardInterrupt, SystemExit):
        trackers.end(Status.KILLED)
        raise
    except BaseException:
        trackers.end(Status.FAILED)
        raise
    trackers.end(Status.FINISHED)


def _tell(tracker: Tracker, lines: Sequence[Mapping[str, Any]]) -> None:
    for line in lines:
        values = {key: float(value) for key, value in line.items() if key != "step" and _is_finite(value)}
        tracker.log(line["step"], values)
    tracker.flush()


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _outcome(record: RunRecord) -> dict[str, float]:
    found = {name: getattr(record, name) for name in _OUTCOME}
    return {"num_failed_proofs": len(failed_proofs(record.proofs)), **{name: value for name, value in found.items() if _is_finite(value)}}


def _run_name(run_dir: Path) -> str:
    """Returns the last two parts of the folder: `round-001/run` and `run/seed-17` say more than their ends."""
    return "/".join(run_dir.absolute().parts[-2:])


def _known(folder: Path) -> dict[str, str]:
    """Returns what trackers knew the run by, where that can still be read."""
    try:
        known = json.loads((folder / _IDS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: one for name, one in known.items() if isinstance(one, str)} if isinstance(known, dict) else {}
