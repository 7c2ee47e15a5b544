"""A server that speaks OpenAI's protocol: asked with patience, within a budget, and never twice for the same."""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evals.config import EndpointOptions
from loopwright.console import notice
from loopwright.errors import UserError, missing_extra
from loopwright.hashing import hash_text
from loopwright.models import cache_dir
from templates.chat import Message

_KEY = "OPENAI_API_KEY"
# What a server that returns log-probabilities of a prompt must say of a text: one number a token but for the first, none above 0.
_PROBE = "The capital of France is Paris."
_LONGEST_WAIT = 60.0
# What the most tokens of an answer are called. OpenAI's newer models refuse the older name, which is the one that all other servers know.
_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_HOPELESS = {401, 403, 404}  # one such answer is that to all requests


class Unanswered(Exception):
    """A request has no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What a server said to one request.

    Attributes:
        text: what it wrote; of a prompt whose log-probabilities were asked for, nothing.
        is_finished: it ended by itself.
        seconds: until it came, retries left out.
        input_tokens: what it read, as it says; 0 where it does not.
        output_tokens: what it wrote, likewise.
        logprob: the sum that was asked for, in nats; None where none was.
        is_known: it was kept from before.
        calls: the calls of tools that it read of what the model wrote: names and arguments, as it gives them.
        first_tokens: the likeliest first tokens, each with its log-probability in nats; None where the server gives none.
    """

    text: str
    is_finished: bool
    seconds: float
    input_tokens: int
    output_tokens: int
    logprob: float | None = None
    is_known: bool = False
    calls: tuple[tuple[str | None, str | None], ...] = ()
    first_tokens: tuple[tuple[str, float], ...] | None = None


class Server:
    """One model of a server, for several threads at a time.

    Args:
        url: the address that `/chat/completions` follows, such as `http://localhost:8000/v1`.
        model: what the server calls the model.
        options: patience, pace and budget.

    Attributes:
        answers: all that came so far.

    Raises:
        UserError: the `openai` package is not installed.
    """

    def __init__(self, url: str, model: str, options: EndpointOptions) -> None:
        try:
            from openai import OpenAI
        except ModuleNotFoundError as error:
            raise missing_extra("an endpoint", "endpoint") from error
        self._client: Any = OpenAI(base_url=url, api_key=os.environ.get(_KEY) or "none", max_retries=0, timeout=options.timeout)
        self._model, self._options = model, options
        self._lock, self._next_start = threading.Lock(), 0.0
        self._hopeless: str | None = None
        self._limit_name = _LIMIT
        self._path = cache_dir() / "endpoints" / f"{hash_text(url, model)}.jsonl"
        self._known = _read(self._path) if options.reuse else {}
        self.answers: list[ServerAnswer] = []
        if self._known:
            notice(f"{len(self._known):,} answers of {model} are known from before, in {self._path}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    @property
    def has_prices(self) -> bool:
        """Says whether the config gives any."""
        return bool(self._options.input_price or self._options.output_price)

    @property
    def cost(self) -> float:
        """What the answers so far cost, by the config's prices; those that were known cost nothing."""
        asked = [one for one in self.answers if not one.is_known]
        read, written = sum(one.input_tokens for one in asked), sum(one.output_tokens for one in asked)
        return (read * (self._options.input_price or 0) + written * (self._options.output_price or 0)) / 1e6

    def write(self, messages: Sequence[Message], limit: int, tools: Sequence[Mapping[str, Any]] | None) -> ServerAnswer:
        """Returns what the model writes after some messages, greedily.

        Args:
            messages: the chat so far.
            limit: the most tokens of the answer.
            tools: what the chat may call.

        Raises:
            Unanswered: it does not, after all retries.
        """
        body = {"messages": list(messages), "max_tokens": limit, "temperature": 0, **({"tools": list(tools)} if tools else {})}
        # Answers with tools of before their calls were kept are not those of now.
        return self._answer({"chat": body, **({"keeps": "calls"} if tools else {})}, lambda: self._chat(body))

    def choose(self, messages: Sequence[Message], limit: int, constraint: Mapping[str, Any], repeat: int = 0) -> ServerAnswer:
        """Returns what the model writes where the server is told what an answer may be, greedily.

        Args:
            messages: the chat so far.
            limit: the most tokens of the answer.
            constraint: keys of the request that say it, or that ask for the log-probabilities of the first token. Servers differ in them,
                and some pass over those that they do not know: what came of it stands in the answer.
            repeat: how often the very same was asked for before. What is kept from then is no answer to this.

        Raises:
            Unanswered: it does not, after all retries.
        """
        body = {"messages": list(messages), "max_tokens": limit, "temperature": 0}
        request = {"chat": {**body, **constraint}, **({"repeat": repeat} if repeat else {})}
        return self._answer(request, lambda: self._chat(body, constraint))

    def _chat(self, body: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> ServerAnswer:
        import openai

        started, name = time.perf_counter(), self._limit_name
        create = self._client.chat.completions.create
        try:
            response = create(model=self._model, **_renamed(body, name), extra_body=more)
        except openai.BadRequestError as error:
            if name == _NEW_LIMIT or _NEW_LIMIT not in str(error):
                raise
            self._limit_name = _NEW_LIMIT  # a server that refuses the older name for what it is, says the other
            response = create(model=self._model, **_renamed(body, _NEW_LIMIT), extra_body=more)
        choice = (getattr(response, "choices", None) or [None])[0]
        if choice is None or choice.message is None:
            raise Unanswered("the server's answer has no message in it")
        used = response.usage
        return ServerAnswer(
            choice.message.content or "",
            choice.finish_reason != "length",
            time.perf_counter() - started,
            used.prompt_tokens if used else 0,
            used.completion_tokens if used else 0,
            calls=_calls_of(choice.message),
            first_tokens=_first_tokens(choice.logprobs),
        )

    def logprob(self, context: str, continuation: str) -> float:
        """Returns the log-probability of a text after another, in nats: the sum over the tokens that begin behind the join.

        White space at the end of the first moves into the second, as in lm-evaluation-harness.

        Raises:
            Unanswered: the server gives none.
        """
        stripped = context.rstrip()
        context, continuation = stripped, context[len(stripped) :] + continuation
        body = {"prompt": context + continuation, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}

        def ask() -> ServerAnswer:
            started = time.perf_counter()
            response = self._client.completions.create(model=self._model, **body)
            choice = (getattr(response, "choices", None) or [None])[0]
            said = None if choice is None else choice.logprobs
            if said is None or not said.token_logprobs or not said.text_offset:
                raise Unanswered("the server returns no log-probabilities of a prompt")
            end = len(context) + len(continuation)
            values = [
                value
                for value, start in zip(said.token_logprobs, said.text_offset, strict=False)
                if value is not None and len(context) <= start < end
            ]
            if not values:
                raise Unanswered("no token of the choice begins behind the prompt")
            used = response.usage
            return ServerAnswer("", True, time.perf_counter() - started, used.prompt_tokens if used else 0, 0, sum(values))

        found = self._answer({"logprob": [context, continuation]}, ask).logprob
        assert found is not None, "it was asked for"
        return found

    def refuses_logprobs(self) -> str | None:
        """Says why choices cannot be scored, as a text that is known tells; None where they can."""
        try:
            whole = self.logprob("", _PROBE)
            parts = self.logprob("", _PROBE[:-7]) + self.logprob(_PROBE[:-7], _PROBE[-7:])
        except Unanswered as error:
            return f"choices need the log-probabilities of a prompt (completions with echo): {error}"
        if not whole < 0 or abs(whole - parts) > max(1.0, 0.2 * abs(whole)):
            return f"the server's log-probabilities of a prompt do not add up: {whole:.2f} of a text, {parts:.2f} of its two parts"
        return None

    def _answer(self, request: Mapping[str, Any], ask: Callable[[], ServerAnswer]) -> ServerAnswer:
        """Returns what is known of a request, else asks until there is an answer or no more patience, and keeps it."""
        key = hash_text(json.dumps(request, sort_keys=True, ensure_ascii=False))
        if (known := self._known.get(key)) is not None:
            with self._lock:
                self.answers.append(known)
            return known
        answer = self._ask(ask)
        with self._lock:
            self.answers.append(answer)
            self._known[key] = ServerAnswer(**{**asdict(answer), "is_known": True})
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, **asdict(answer)}) + "\n")
        return answer

    def _ask(self, ask: Callable[[], ServerAnswer]) -> ServerAnswer:
        import openai

        waits = random.Random()  # noqa: S311 (so that threads that failed together do not come back together)
        for attempt in range(self._options.retries + 1):
            self._require_hope()
            self._keep_pace()
            try:
                return ask()
            except openai.APIStatusError as error:
                if error.status_code in _HOPELESS:
                    self._hopeless = f"the server answers {error.status_code}: {_first_line(error)}"
                    raise Unanswered(self._hopeless) from error
                if error.status_code != 429 and error.status_code < 500:
                    raise Unanswered(f"the server answers {error.status_code}: {_first_line(error)}") from error
                reason, told = f"the server answers {error.status_code}: {_first_line(error)}", error.response.headers.get("retry-after")
            except openai.OpenAIError as error:  # no connection, no answer in time, or one that is none
                reason, told = f"{type(error).__name__}: {_first_line(error)}", None
            except (ValueError, AttributeError, TypeError) as error:  # an answer of another shape
                reason, told = f"the server's answer cannot be read: {_first_line(error)}", None
            if attempt < self._options.retries:
                asked = float(told) if told and told.replace(".", "", 1).isdigit() else 2.0**attempt * self._options.first_wait
                time.sleep(min(asked, _LONGEST_WAIT) * waits.uniform(1.0, 1.3))
        raise Unanswered(f"{reason} ({self._options.retries + 1} tries)")

    def _require_hope(self) -> None:
        if self._hopeless is not None:
            raise Unanswered(self._hopeless)
        budget = self._options.budget
        if budget is not None and self.cost >= budget:
            raise Unanswered(f"the budget of {budget:g} is spent: raise evals: endpoint: budget, and what is answered is kept")

    def _keep_pace(self) -> None:
        """Waits until the next request may begin."""
        if self._options.requests_per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + 60 / self._options.requests_per_minute
        time.sleep(max(0.0, start - now))


def require_prices(options: EndpointOptions) -> None:
    """Makes sure that a budget can be kept.

    Raises:
        UserError: it is given, and no price is.
    """
    if options.budget is not None and not (options.input_price or options.output_price):
        cause = "a budget is given, and no price: nothing tells what an answer costs"
        raise UserError(cause, "evals: endpoint: budget", "Give input_price and output_price, for a million tokens each.")


def _read(path: Path) -> dict[str, ServerAnswer]:
    """Returns the answers that were kept; a line that a kill cut short is left out."""
    found: dict[str, ServerAnswer] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
            key = record.pop("key")
            calls = tuple((name, arguments) for name, arguments in record.pop("calls", ()))
            if record.get("first_tokens") is not None:
                record["first_tokens"] = tuple((str(token), float(value)) for token, value in record["first_tokens"])
            found[key] = ServerAnswer(**{**record, "is_known": True}, calls=calls)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def _calls_of(message: Any) -> tuple[tuple[str | None, str | None], ...]:
    """Returns the calls of a message: of functions, and of the older `function_call`."""
    made = [getattr(call, "function", None) for call in getattr(message, "tool_calls", None) or ()] or [
        getattr(message, "function_call", None)
    ]
    return tuple((getattr(one, "name", None), getattr(one, "arguments", None)) for one in made if one is not None)


def _renamed(body: Mapping[str, Any], limit_name: str) -> dict[str, Any]:
    return {limit_name if key == _LIMIT else key: value for key, value in body.items()}


def _first_tokens(logprobs: Any) -> tuple[tuple[str, float], ...] | None:
    """Returns the likeliest first tokens of a chat's answer, of what the server says of them."""
    content = getattr(logprobs, "content", None)
    if not content:
        return None
    first = content[0]
    found = {one.token: float(one.logprob) for one in (first, *(first.top_logprobs or ()))}
    return tuple(found.items())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
