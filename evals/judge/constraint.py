"""How a server is kept to two letters: found out on a pair whose verdict is plain, never guessed from its name."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.judge.contract import Kind, Method, Probe
from evals.judge.rubric import NUM_ORDERS, Question, Rubric
from evals.predict.server import Server, ServerAnswer, Unanswered
from loopwright.errors import UserError
from templates.chat import Message

LETTERS = ("A", "B")
LEAST_MASS = 0.1
"""Where the two letters together have less of the probability than this, the judge meant to say something else."""

_SCHEMA = {
    "type": "object",
    "properties": {"better": {"type": "string", "enum": list(LETTERS)}},
    "required": ["better"],
    "additionalProperties": False,
}
_LETTER = re.compile(r"[\W_]*([AB])[\W_]*")
# What nobody says who is kept to two letters: a server that passes over the keys that it does not know says it.
_CONTRARY: Message = {"role": "user", "content": "Reply with one word and nothing else: yes"}
_PLAIN_QUESTION = "What is the capital of France?"
_PLAIN_ANSWERS = ("The capital of France is Paris.", "Bananas are yellow, and I do not know.")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge's answer says.

    Attributes:
        letter: the letter; None where it says none.
        share: the probability of the letter A among the two; None where the server gives no probabilities.
        why: why it says none.
    """

    letter: str | None
    share: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """One way to keep a server to two letters.

    Attributes:
        method: its name.
        keys: of the request, beside those of every request.
        limit: the most tokens of the answer.
    """

    method: Method
    keys: Mapping[str, Any]
    limit: int

    def ask(self, server: Server, messages: list[Message], repeat: int = 0) -> Reading:
        """Returns what the judge says.

        Args:
            server: where it is asked.
            messages: the rubric with the answers.
            repeat: how often the same was asked for before.

        Raises:
            Unanswered: the server does not answer.
        """
        return self.read(server.choose(messages, self.limit, self.keys, repeat))

    def read(self, answer: ServerAnswer) -> Reading:
        """Reads a judge's answer."""
        if self.method is Method.LOGPROBS:
            return _likelier(answer)
        text = answer.text.strip()
        if self.method is Method.JSON_SCHEMA:
            try:
                text = json.loads(text)["better"]
            except (ValueError, KeyError, TypeError, RecursionError):
                return Reading(None, why=f"no JSON of the schema: {answer.text[:200]!r}")
        found = _LETTER.fullmatch(text) if isinstance(text, str) else None
        return Reading(found[1]) if found else Reading(None, why=f"neither A nor B: {answer.text[:200]!r}")


CONSTRAINTS = (
    # By log-probabilities first: one token tells the verdict and how sure it is. Providers differ in how many of them they give.
    Constraint(Method.LOGPROBS, {"logprobs": True, "top_logprobs": 20}, 1),
    Constraint(Method.LOGPROBS, {"logprobs": True, "top_logprobs": 5}, 1),
    Constraint(Method.STRUCTURED_OUTPUTS, {"structured_outputs": {"choice": list(LETTERS)}}, 8),  # vLLM
    Constraint(Method.GUIDED_CHOICE, {"guided_choice": list(LETTERS)}, 8),  # vLLM before 0.12
    Constraint(Method.GRAMMAR, {"grammar": 'root ::= "A" | "B"'}, 8),  # llama.cpp
    Constraint(
        Method.JSON_SCHEMA,  # OpenAI, and most others
        {"response_format": {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": _SCHEMA}}},
        32,
    ),
    Constraint(Method.TEXT, {}, 16),
)
"""In the order in which they are tried; the last is none."""


def find_constraint(server: Server, rubric: Rubric) -> tuple[Constraint, Probe]:
    """Returns the first way that works on this server, as a pair with a plain verdict tells, put by the rubric itself.

    Raises:
        UserError: the server does not answer, or none works, not even to read what it says.
    """
    plain = [_plain_pair(rubric, order) for order in range(NUM_ORDERS)]
    try:
        server.choose(plain[0], CONSTRAINTS[-1].limit, {})
    except Unanswered as error:
        remedy = "Check the address, the model's name and the key in OPENAI_API_KEY."
        raise UserError(f"the judge does not answer: {error}", "--endpoint", remedy) from error
    refused: dict[str, str] = {}
    for constraint in CONSTRAINTS:
        try:
            readings = [constraint.ask(server, messages) for messages in plain]
            why = next((reading.why for reading in readings if reading.letter is None), None)
            if why is None and constraint.method not in {Method.LOGPROBS, Method.TEXT}:
                said = constraint.ask(server, [_CONTRARY])
                why = None if said.letter else f"it is passed over: {said.why}"
        except Unanswered as error:
            why = str(error)
        if why is None:
            right = [rubric.outcome(reading.letter or "", order) for order, reading in enumerate(readings)]
            return constraint, Probe(method=constraint.method, refused=refused, num_right=right.count(rubric.kind.outcomes[0]))
        refused[constraint.method.value] = why
    cause = f"the judge's answers cannot be read, whichever way it is asked: {refused[Method.TEXT.value]}"
    raise UserError(
        cause, "--endpoint", "Take a server that gives log-probabilities or keeps to a grammar, or a model that follows the rubric."
    )


def _plain_pair(rubric: Rubric, order: int) -> list[Message]:
    answers = _PLAIN_ANSWERS if rubric.kind is Kind.PAIRWISE else _PLAIN_ANSWERS[:1]
    return rubric.render(Question("", _PLAIN_QUESTION, ""), answers, order)


def _likelier(answer: ServerAnswer) -> Reading:
    """Returns the likelier of the letters, each with or without a blank before it."""
    if not answer.first_tokens:
        return Reading(None, why="the server gives no log-probabilities of its answer")
    masses = [sum(math.exp(value) for token, value in answer.first_tokens if token.strip() == letter) for letter in LETTERS]
    if sum(masses) < LEAST_MASS or masses[0] == masses[1]:
        likeliest = max(answer.first_tokens, key=lambda one: one[1])[0]
        return Reading(None, why=f"A and B have {sum(masses):.3f} of the probability; the likeliest is {likeliest[:40]!r}")
    return Reading(LETTERS[masses[1] > masses[0]], masses[0] / sum(masses))
