"""A server that speaks OpenAI's protocol, as the tests of whatever asks one need it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], Any]
"""Status, headers and body."""

QUICK: dict[str, Any] = {"first_wait": 0.0, "timeout": 5.0, "retries": 2}
"""Options of an endpoint that is not waited for."""


class Fake:
    """A server whose answers are what a test makes of a request: status, headers and body."""

    def __init__(self, answer: Callable[[dict[str, Any], int], tuple[int, dict[str, str], Any]]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.most_at_once = self._now = 0
        lock, fake = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    fake.requests.append(body)
                    number = len(fake.requests)
                    fake._now += 1
                    fake.most_at_once = max(fake.most_at_once, fake._now)
                status, headers, said = answer(body, number)
                with lock:
                    fake._now -= 1
                content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", "content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.argument = f"http://127.0.0.1:{self._server.server_port}/v1#small"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def said(text: str, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "small",
        "usage": used,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }


def repeated(body: dict[str, Any], _: int) -> tuple[int, dict[str, str], Any]:
    """Answers a chat with its last question."""
    return 200, {}, said(body["messages"][-1]["content"])
