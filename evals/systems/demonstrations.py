"""Demonstrations: train examples with their answers, put before what is asked."""

from dataclasses import dataclass, field, replace
from itertools import zip_longest

from evals.data.rows import EvalRow, Task
from evals.systems.base import EvalContext
from loopwright.hashing import hash_text
from prep.text.shingles import jaccard, shingles
from templates.chat import Message
from templates.cloze import fill

KIND = "fewshot"
"""What a part of a system's name is called that adds them."""

# From this share of word pairs on two questions are near-duplicates, as in lint: such a demonstration would be the answer.
_NEAR = 0.7
# Between two demonstrations in raw text, as lm-evaluation-harness has it.
_DELIMITER = "\n\n"


@dataclass(slots=True)
class Demonstrations:
    """Train examples in the order in which they are taken as demonstrations, the same for all rows of a template.

    So most rows begin alike, and what they begin with is computed once.

    Attributes:
        number: how many a row gets.
        candidates: (template, task) -> examples.
    """

    number: int
    candidates: dict[tuple[str, Task], list[EvalRow]]
    _shown: dict[str, list[EvalRow]] = field(default_factory=dict)
    _shingles: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, context: EvalContext, number: int) -> "Demonstrations":
        """Orders the train split: drawn by a hash of the evaluation's seed, and where answers are labels, one label after the other."""
        candidates = {}
        for key in dict.fromkeys((row.template, row.task) for row in context.rows):
            rows = sorted(context.train_rows_of(*key), key=lambda row: hash_text(str(context.config.seed), row.id))
            balances = key[1] is Task.CLASSIFICATION or key[0] in context.kinds.labels
            candidates[key] = _in_turns(rows) if balances else rows
        return cls(number, candidates)

    def before(self, row: EvalRow) -> list[EvalRow]:
        """Returns the demonstrations of a row: never itself, another rendering of it, one of its group, or a near-duplicate."""
        if row.id not in self._shown:
            self._shown[row.id] = self._choose(row)
        return self._shown[row.id]

    def _choose(self, row: EvalRow) -> list[EvalRow]:
        found: list[EvalRow] = []
        for candidate in self.candidates[row.template, row.task]:
            if len(found) == self.number:
                break
            if candidate.cluster != row.cluster and candidate.row_id != row.row_id and not self._is_near(candidate, row):
                found.append(candidate)
        return found

    def put(self, row: EvalRow) -> EvalRow:
        """Returns the row, asked behind its demonstrations."""
        shown = self.before(row)
        messages, prompt, num_shown = row.messages, row.prompt, row.num_shown
        if messages is not None:
            turns = [message for one in shown for message in one.messages or [] if message["role"] != "system"]
            messages = [*_system(messages), *turns, *messages[len(_system(messages)) :]]
            num_shown += len(turns)
        if prompt is not None:
            texts = ["".join(fill(one.prompt, one.mask, one.target)) for one in shown if one.prompt is not None and one.target is not None]
            prompt = _DELIMITER.join([*texts, prompt])
        return replace(row, messages=messages, prompt=prompt, num_shown=num_shown)

    def told(self, rows: list[EvalRow]) -> str | None:
        """Returns what a person should know: that there are too few for some of the rows."""
        fewest = min((len(self.before(row)) for row in rows), default=self.number)
        if fewest == self.number:
            return None
        return f"{KIND}:{self.number}: the train split has {fewest} fit demonstrations for some examples"

    def _is_near(self, one: EvalRow, other: EvalRow) -> bool:
        return jaccard(self._shingles_of(one), self._shingles_of(other)) >= _NEAR

    def _shingles_of(self, row: EvalRow) -> frozenset[str]:
        if row.id not in self._shingles:
            self._shingles[row.id] = shingles(row.question)
        return self._shingles[row.id]


def _in_turns(rows: list[EvalRow]) -> list[EvalRow]:
    """Returns examples one answer after the other, so that the first K have as many different ones as there are."""
    by_answer: dict[str, list[EvalRow]] = {}
    for row in rows:
        by_answer.setdefault(row.reference, []).append(row)
    return [row for turn in zip_longest(*by_answer.values()) for row in turn if row is not None]


def _system(messages: list[Message]) -> list[Message]:
    return messages[:1] if messages[0]["role"] == "system" else []
