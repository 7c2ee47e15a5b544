"""The judge's prompt: a Jinja file of the package, or the user's own, rendered in the sandbox of the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta

from evals.data.rows import EvalRow
from evals.judge.contract import Kind
from loopwright.config import read_text
from loopwright.errors import UserError, did_you_mean
from loopwright.hashing import hash_bytes, hash_text
from templates.chat import Message
from templates.limits import fresh_budget
from templates.sandbox import Sandbox

NUM_ORDERS = 2
"""Each question is put twice, the letters the other way round: so a liking for a place is told from one for an answer."""

_SHARED = ("fence", "instructions", "question", "reference", "first", "second")
_NAMES = {Kind.PAIRWISE: _SHARED, Kind.PASS: (*_SHARED, "answer")}
_NEEDED = {Kind.PAIRWISE: ("first", "second"), Kind.PASS: ("answer", "first", "second")}
_MEANINGS = ("it passes", "it fails")
_FENCE_CHARACTERS = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about and what may decide it, as a rubric shows it.

    Attributes:
        instructions: the system message; empty without one.
        question: what was asked; of a longer chat all turns with their roles.
        reference: the example's own answer.
    """

    instructions: str
    question: str
    reference: str

    @classmethod
    def of(cls, row: EvalRow) -> "Question":
        """Returns the question of an example."""
        turns = row.messages[:-1] if row.messages else []
        asked = [message for message in turns if message["role"] != "system"]
        instructions = "\n\n".join(message["content"] or "" for message in turns if message["role"] == "system")
        text = _said(asked) if len(asked) > 1 else (asked[0]["content"] or "") if asked else row.prompt or ""
        return cls(instructions, text, row.reference)


@dataclass(frozen=True, slots=True)
class Rubric:
    """A loaded rubric.

    Attributes:
        kind: what it judges.
        location: its file, for messages.
        sha256: of its text.
        template: what is rendered.
    """

    kind: Kind
    location: str
    sha256: str
    template: Template

    @classmethod
    def load(cls, kind: Kind, path: Path | None = None) -> "Rubric":
        """Loads and checks a rubric.

        Args:
            kind: what it is to judge.
            path: the user's own; default: the package's.

        Raises:
            UserError: it is not there, is no Jinja, uses a name that there is not, or does not show the answers.
        """
        own = path or Path(__file__).with_name(f"{kind}.jinja")
        location = str(path) if path is not None else own.name
        source = read_text(own, "rubric").replace("\r\n", "\n")
        environment = Sandbox([])
        fresh_budget()  # constants are folded while compiling
        try:
            tree = environment.parse(source)
            used = meta.find_undeclared_variables(tree) - set(environment.globals)
            template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise UserError(f"the rubric does not parse: {error.message}", f"{location}:{error.lineno}", "Mend that line.") from error
        except (TemplateError, RecursionError) as error:
            raise UserError(f"the rubric does not compile: {error}", location, "Mend that expression.") from error
        if unknown := sorted(used - set(_NAMES[kind])):
            raise UserError(f"the rubric uses '{unknown[0]}', which there is not", location, did_you_mean(unknown[0], list(_NAMES[kind])))
        if missing := [name for name in _NEEDED[kind] if name not in used]:
            shown = " and ".join(f"{{{{ {name} }}}}" for name in _NEEDED[kind])
            raise UserError(f"the rubric does not show '{missing[0]}'", location, f"It has to show {shown}.")
        return cls(kind, location, hash_bytes(source.encode()), template)

    def render(self, question: Question, answers: tuple[str, ...], order: int) -> list[Message]:
        """Returns what a judge is asked about an example.

        Args:
            question: what was asked.
            answers: two, or one, by the kind.
            order: 1 turns the letters round.

        Raises:
            UserError: the rubric fails on it.
        """
        texts = (question.instructions, question.question, question.reference, *answers)
        choices = answers if self.kind is Kind.PAIRWISE else _MEANINGS
        first, second = choices if order == 0 else choices[::-1]
        values: Mapping[str, str] = {
            "fence": _fence(texts),
            "instructions": question.instructions,
            "question": question.question,
            "reference": question.reference,
            "first": first,
            "second": second,
            "answer": answers[0],
        }
        fresh_budget()
        try:
            text = self.template.render(values)
        except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, RuntimeError, AttributeError) as error:
            raise UserError(f"the rubric fails: {error}", self.location, "Mend it, or leave --rubric out.") from error
        return [{"role": "user", "content": text}]

    def outcome(self, letter: str, order: int) -> str:
        """Returns what a letter stands for."""
        return self.kind.outcomes[(letter == "B") != (order == 1)]


def _fence(texts: tuple[str, ...]) -> str:
    """Returns a word that stands in none of the texts, so that none of them can close what it stands in.

    It is made of the texts, so that the same question is the same request when it is asked again; and whoever writes an answer cannot
    write its fence into it, which would then be another.
    """
    number = 0
    while True:
        word = f"text-{hash_text(str(number), *texts)[:_FENCE_CHARACTERS]}"
        if not any(word in text for text in texts):
            return word
        number += 1


def _said(messages: list[Message]) -> str:
    return "\n\n".join(f"{message['role']}: {message['content'] or ''}" for message in messages)
