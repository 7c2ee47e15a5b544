"""A real headless Chromium for tests of pages, driven over the DevTools protocol through a pipe: no port, no library."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS = 60.0


def chromium_path() -> str:
    """Returns the browser's path; without one the test that asks is skipped, or fails where LOOPWRIGHT_REQUIRE names `browser`."""
    path = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if path is not None:
        return path
    if "browser" in os.environ.get("LOOPWRIGHT_REQUIRE", "").split(","):
        pytest.fail("there is no Chromium on this machine, and LOOPWRIGHT_REQUIRE asks for a browser")
    pytest.skip("there is no Chromium on this machine")


class Browser:
    """One tab. What the page logs, throws and asks the network for is kept."""

    _session: str | None = None
    _opened = "about:blank"

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._write, self._read = to_browser, from_browser
        self._buffer = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and returns its result; what the browser tells meanwhile goes to `events`."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                result = answer["result"]
                assert isinstance(result, dict)
                return result
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "the browser has gone"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        value = json.loads(message)
        assert isinstance(value, dict)
        return value

    def open(self, path: Path) -> None:
        """Opens a file and waits until it is loaded."""
        self._opened = path.as_uri()
        self.call("Page.navigate", url=self._opened)
        self.wait_for("document.readyState === 'complete'")

    def wait_for(self, condition: str) -> None:
        """Waits until a JavaScript expression holds."""
        deadline = time.monotonic() + _SECONDS
        while not self.run(condition):
            assert time.monotonic() < deadline, f"in vain: {condition}"
            time.sleep(0.02)

    def run(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression. The page's own policy does not bind it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key: str, *, code: int, text: str = "") -> None:
        """Presses a key as a person does."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, *, width: int, selector: str = "body") -> None:
        """Writes a picture of an element as it looks in a window of that width."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        box = self.run(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}; })()"
        )
        image = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**box, "scale": 1})
        path.write_bytes(base64.b64decode(image["data"]))

    def complaints(self) -> list[str]:
        """What went wrong in the page: exceptions, and what the console and the log say of errors and warnings."""
        self.run("1")  # so that what was told before is here
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            logged = method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning", "assert"}
            entry = method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}
            if method == "Runtime.exceptionThrown" or logged or entry:
                found.append(json.dumps(params)[:500])
        return found

    def requests(self) -> list[str]:
        """The addresses that the page asked for, beside itself and data in it."""
        self.run("1")
        sent = [event["params"]["request"]["url"] for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in sent if url != self._opened and not url.startswith("data:")]


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Yields a browser with its profile in an empty folder; it is gone when the block is left."""
    path = chromium_path()
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={folder}"]
    # The protocol wants its commands on descriptor 3 and answers on 4; a shell puts them there whichever numbers the pipes have.
    shell = f'exec "$0" "$@" 3<&{theirs_read} 4>&{theirs_write}'
    process = subprocess.Popen(
        ["bash", "-c", shell, path, *flags, "--remote-debugging-pipe", "about:blank"],
        pass_fds=(theirs_read, theirs_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs_read)
    os.close(theirs_write)
    try:
        yield Browser(ours_write, ours_read)
    finally:
        os.close(ours_write)  # the browser ends with its pipe
        os.close(ours_read)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
