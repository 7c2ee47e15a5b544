"""The answers of an evaluation side by side, as the page's browser shows them: in an order that puts what changed first, and capped."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.causes.failures import Failure
from evals.compare.slices import slice_of
from evals.data.prediction import Prediction, PredictionState
from evals.data.rows import EvalRow, Task
from evals.metrics.facts.wanted import wanted_facts
from evals.reports.outcomes import Change, Outcomes
from evals.reports.pieces import MISSING, Pieces, ShownText
from evals.reports.prompts import PromptView, view_prompt
from loopwright.console import printable
from prep.pii import mask
from prep.text.facts import Fact, FactIndex

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

PER_PAGE = 20
_MAX_INPUT = 1_500
_MAX_ANSWER = 700
_MAX_NEAR = 300
_NUM_NEAR = 3
_SHORT = 40
# A list to choose from that is longer is no help: the search finds the label, too.
_MAX_OPTIONS = 200


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What one system said.

    Attributes:
        text: masked, with what differs from the reference marked.
        outcome: passed, weak or failed; empty where it is not judged.
        note: its probability, or the state that it ended in.
        reasons: why it failed, in words.
        missing: the facts of the reference that it does not have.
    """

    text: Pieces
    outcome: str
    note: str
    reasons: list[str]
    missing: list[str]

    def to_json(self) -> dict[str, Any]:
        """Returns it as the page's script reads it."""
        return {
            "text": [piece.to_json() for piece in self.text],
            "outcome": self.outcome,
            "note": self.note,
            "reasons": self.reasons,
            "missing": self.missing,
        }


@dataclass(frozen=True, slots=True)
class NearView:
    """One of the nearest training examples of a failure."""

    input: str
    answer: str
    similarity: str
    same_answer: bool


@dataclass(frozen=True, slots=True)
class RowView:
    """One example with all answers; every text is masked."""

    id: str
    place: str
    template: str
    label: str
    slices: list[str]
    change: Change
    input: Pieces
    reference: Pieces
    answers: list[AnswerView | None]
    causes: list[tuple[str, str, str]]
    near: list[NearView]
    prompt: PromptView | None

    @property
    def is_short(self) -> bool:
        """Whether its answers are labels or a few words, of which several stand in a line."""
        texts = [self.reference, *(answer.text for answer in self.answers if answer is not None)]
        said = [answer for answer in self.answers if answer is not None and (answer.missing or answer.reasons)]
        return not said and all(sum(len(piece.text) for piece in text) <= _SHORT for text in texts)

    def to_json(self) -> dict[str, Any]:
        """Returns it as the page's script reads it; the script works out by itself what changed."""
        return {
            "short": self.is_short,
            "id": self.id,
            "place": self.place,
            "template": self.template,
            "label": self.label,
            "slices": self.slices,
            "input": [piece.to_json() for piece in self.input],
            "reference": [piece.to_json() for piece in self.reference],
            "answers": [None if answer is None else answer.to_json() for answer in self.answers],
            "causes": self.causes,
            "near": [[one.input, one.answer, one.similarity, one.same_answer] for one in self.near],
            "prompt": None if self.prompt is None else self.prompt.to_json(),
        }


@dataclass(frozen=True, slots=True)
class AnswerBrowser:
    """The answers that are in the page, and what its filters offer.

    Attributes:
        rows: the examples, what changed first.
        systems: what each system is called.
        system: the place of the one that the report is about.
        against: the place of what it is held against; None where it is alone.
        counts: of all examples, how many there are of each change.
        left_out: likewise of those that are not in the page.
        templates: to choose from; empty where there is one.
        labels: to choose from.
        slices: to choose from.
        causes: to choose from.
    """

    rows: list[RowView]
    systems: list[str]
    system: int
    against: int | None
    counts: dict[str, int]
    left_out: dict[str, int]
    templates: list[str]
    labels: list[str]
    slices: list[str]
    causes: list[str]

    @property
    def num_left_out(self) -> int:
        """Examples that are not in the page."""
        return sum(self.left_out.values())

    def to_json(self) -> dict[str, Any]:
        """Returns what the page's script reads."""
        return {
            "systems": self.systems,
            "system": self.system,
            "against": self.against,
            "templates": len(self.templates),
            "perPage": PER_PAGE,
            "rows": [row.to_json() for row in self.rows],
        }


def browse_answers(
    evaluation: "Evaluation", outcomes: Outcomes, names: Mapping[str, str], *, max_rows: int, max_failures: int
) -> AnswerBrowser:
    """Returns the browser of an evaluation's answers.

    Args:
        evaluation: what was found.
        outcomes: how its answers are judged.
        names: what each system is called.
        max_rows: examples in the page; those that broke, were fixed or failed go before the others.
        max_failures: failures that are shown with their causes and neighbours, the most confident mistakes first.
    """
    changes = {row.id: outcomes.change(row) for row in evaluation.rows}
    order = list(Change)
    ranks = {row.id: _severity(evaluation, outcomes.system, index, row) for index, row in enumerate(evaluation.rows)}
    ordered = sorted(evaluation.rows, key=lambda row: (order.index(changes[row.id]), ranks[row.id]))
    explained = {failure.row.id: failure for failure in sorted(evaluation.failures, key=severity)[:max_failures]}
    systems = list(evaluation.answers)
    viewer = _Viewer(evaluation, outcomes, explained)
    rows = [viewer.view(row, changes[row.id]) for row in ordered[:max_rows]]
    templates = list(dict.fromkeys(row.template for row in rows))
    return AnswerBrowser(
        rows=rows,
        systems=[printable(names[system]) for system in systems],
        system=systems.index(outcomes.system),
        against=None if outcomes.against is None else systems.index(outcomes.against),
        counts=_count(changes[row.id] for row in ordered),
        left_out=_count(changes[row.id] for row in ordered[max_rows:]),
        templates=sorted(templates) if len(templates) > 1 else [],
        labels=_options({row.label for row in rows if row.label}),
        slices=_options({one for row in rows for one in row.slices}),
        causes=_options({name for row in rows for name, _, _ in row.causes}),
    )


def severity(failure: Failure) -> tuple[float, str]:
    """The most confident mistakes and the poorest answers first; examples without an answer before them."""
    return _rank(failure.row, failure.prediction, failure.scores)


def _severity(evaluation: "Evaluation", system: str, index: int, row: EvalRow) -> tuple[float, str]:
    prediction = evaluation.answers[system].get(row.id)
    return (-1.0, row.id) if prediction is None else _rank(row, prediction, evaluation.measured.scores_of(system, index))


def _rank(row: EvalRow, prediction: Prediction, scores: Mapping[str, float]) -> tuple[float, str]:
    if prediction.loglikelihoods and row.choices and row.label is not None:
        return share(prediction.loglikelihoods, row.label), row.id
    return (sum(scores.values()) / len(scores) if scores else -1.0), row.id


def share(loglikelihoods: tuple[float, ...], index: int) -> float:
    """Returns the probability of a choice among the choices."""
    highest = max(loglikelihoods)
    weights = [math.exp(value - highest) for value in loglikelihoods]
    return weights[index] / sum(weights)


def _count(changes: Iterator[Change]) -> dict[str, int]:
    counted = Counter(changes)
    return {change.value: counted[change] for change in Change if counted[change]}


def _options(values: set[str]) -> list[str]:
    return sorted(values) if len(values) <= _MAX_OPTIONS else []


class _Viewer:
    """Makes the views of examples; texts that many rows have, such as labels, are masked once."""

    def __init__(self, evaluation: "Evaluation", outcomes: Outcomes, explained: Mapping[str, Failure]) -> None:
        self._evaluation, self._outcomes, self._explained = evaluation, outcomes, explained
        self._short: dict[str, str] = {}
        self._patterns = {name: re.compile(pattern) for name, pattern in evaluation.report.settings.get("slices", {}).items()}
        sources = {row.source for row in evaluation.rows}
        # What has a filter of its own, or is the same for all.
        self._elsewhere = {"template", "label"} | ({"source"} if len(sources) == 1 else set())

    def view(self, row: EvalRow, change: Change) -> RowView:
        reference = ShownText(row.reference, _MAX_ANSWER)
        wanted = wanted_facts(row.reference) if self._is_text(row) else []
        answers = {system: made.get(row.id) for system, made in self._evaluation.answers.items()}
        lost = {system: _lost(wanted, prediction) for system, prediction in answers.items()}
        slices = {name: value for name, value in slice_of(row, self._patterns).items() if name not in self._elsewhere}
        failure = self._explained.get(row.id)
        asked = self._evaluation.asked.get(self._outcomes.system)
        return RowView(
            id=self._masked(row.id),
            place=self._masked(f"{row.source}:{row.line}"),
            template=printable(row.template),
            label=self._masked(row.reference) if row.task is Task.CLASSIFICATION else "",
            slices=[self._masked(f"{name}: {value}") for name, value in slices.items()],
            change=change,
            input=ShownText(row.question, _MAX_INPUT).plain(),
            reference=reference.marked([(fact.start, fact.end, MISSING) for fact in lost[self._outcomes.system]]),
            answers=[
                None if prediction is None else self._answer(system, row, prediction, reference, lost[system])
                for system, prediction in answers.items()
            ],
            causes=[] if failure is None else [(one.cause, f"{one.lift:.1f}", self._said(detail)) for one, detail in failure.causes],
            near=[] if failure is None else self._near(failure),
            prompt=None if asked is None else view_prompt(asked.prompt_of(row.id)),
        )

    def _is_text(self, row: EvalRow) -> bool:
        """Whether an answer is more than a word or two, which are right or wrong as a whole."""
        return row.task is Task.GENERATION and len(row.reference.split()) > 2

    def _answer(self, system: str, row: EvalRow, prediction: Prediction, reference: ShownText, lost: list[Fact]) -> AnswerView:
        judgement = self._outcomes.judgement(system, row)
        note = "" if prediction.state is PredictionState.OK else prediction.state.meaning
        if prediction.loglikelihoods and row.choices and prediction.text in row.choices:
            probability = f"p = {share(prediction.loglikelihoods, row.choices.index(prediction.text)):.2f}"
            note = f"{probability}, {note}" if note else probability
        said = ShownText("(no answer)" if prediction.text is None else prediction.text or "(empty)", _MAX_ANSWER)
        given = () if judgement is None else judgement.reasons
        reasons = [(reason.meaning, reference.hide_in(said.hide_in(mask(text)))) for reason, text in given]
        return AnswerView(
            text=said.against(reference) if row.task is Task.GENERATION and prediction.text else said.plain(),
            outcome="" if judgement is None else judgement.outcome.value,
            note=note,
            reasons=[printable(f"{meaning}: {text}" if text else meaning) for meaning, text in reasons],
            missing=[printable(text) for text in reference.words_of(lost)],
        )

    def _near(self, failure: Failure) -> list[NearView]:
        return [
            NearView(_excerpt(one.row.question), _excerpt(one.row.reference), f"{one.similarity:.2f}", one.same_answer)
            for one in failure.neighbours[:_NUM_NEAR]
        ]

    def _said(self, text: str) -> str:
        return printable(mask(text))

    def _masked(self, text: str) -> str:
        if text not in self._short:
            self._short[text] = _excerpt(text)
        return self._short[text]


def _lost(wanted: list[Fact], prediction: Prediction | None) -> list[Fact]:
    if not wanted or prediction is None or prediction.text is None:
        return []
    index = FactIndex(prediction.text)
    return sorted((fact for fact in wanted if not index.holds(fact)), key=lambda fact: fact.start)


def _excerpt(text: str) -> str:
    return "".join(piece.text for piece in ShownText(text, _MAX_NEAR).plain())
