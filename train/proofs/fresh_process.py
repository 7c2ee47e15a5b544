"""A second Python process that has seen nothing of the training: what it loads comes from files alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from train.world import without_world

_MODULE = "train.proofs.load_saved"


class FreshProcess:
    """A process that loads what is asked for. Started early, it imports torch while the run trains; a context manager ends it."""

    def __init__(self) -> None:
        # -P: a folder of the user's that is called train, as data often is, must not be taken for this package.
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(  # noqa: S603 (ourselves)
            [sys.executable, "-P", "-m", _MODULE],
            env={**without_world(os.environ), "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._process.communicate()  # it ends where its input does
        else:
            self._process.kill()
            self._process.communicate()

    def ask(self, request: dict[str, Any]) -> None:
        """Hands over a request; `answer` waits for what comes of it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has died, which `answer` says

    def answer(self) -> dict[str, Any]:
        """Waits for the answer to the request: a JSON object, with `error` in it where it could not be done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {"error": f"the process that was to load it died with exit status {self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer
