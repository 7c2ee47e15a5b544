"""What a report's page shows of forgetting, canaries and memorised rows: `forgetting.html.jinja` draws it."""

from collections.abc import Mapping
from dataclasses import dataclass

from evals.data.contract import Report
from evals.data.memory import Estimate, ForgettingReport, SystemCanaries, SystemMemorised


@dataclass(frozen=True, slots=True)
class TextLine:
    """One set of general text of one system."""

    system: str
    probe: str
    documents: int
    base: str
    tuned: str
    rise: str
    upper: str
    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One set of questions of one system."""

    system: str
    probe: str
    questions: int
    chance: str
    base: str
    tuned: str
    difference: str
    retention: str
    why: str


@dataclass(frozen=True, slots=True)
class KeptLine:
    """What one system keeps word for word: of canaries, or of train rows."""

    system: str
    value: str
    over_base: str
    count: str


@dataclass(frozen=True, slots=True)
class MemoryView:
    """The section's numbers as texts; every name of a system is the report's short one.

    Attributes:
        texts: of each tuned system and set of general text.
        answers: of each tuned system and set of questions.
        canaries: of each system, where the dataset has canaries.
        memorised: of each system, where rows were drawn.
        max_rise: the gate.
        expected: exposure of a secret that a model does not know, in bits.
        ceiling: the most that so many controls can show, in bits.
        rows: how many train rows were drawn, and which of them could be measured.
    """

    texts: list[TextLine]
    answers: list[AnswerLine]
    canaries: list[KeptLine]
    memorised: list[KeptLine]
    max_rise: str
    expected: str
    ceiling: str
    rows: str

    @property
    def passed(self) -> bool:
        """Whether no gate on general text failed."""
        return all(line.passed for line in self.texts)


def memory_view(report: Report, names: Mapping[str, str]) -> MemoryView | None:
    """Returns what the section shows; None where nothing of it was measured.

    Args:
        report: the evaluation's.
        names: what each system is called on the page.
    """
    forgetting, canaries, memorised = report.forgetting, report.canaries, report.memorised
    if forgetting is None and canaries is None and memorised is None:
        return None
    total = "" if canaries is None else str(canaries.num_canaries)
    measured = 0 if memorised is None else memorised.num_measured
    return MemoryView(
        texts=[] if forgetting is None else _text_lines(forgetting, names),
        answers=[] if forgetting is None else _answer_lines(forgetting, names),
        canaries=[] if canaries is None else [_canary_line(one, total, names) for one in canaries.systems],
        memorised=[] if memorised is None else [_memorised_line(one, measured, names) for one in memorised.systems],
        max_rise="" if forgetting is None else f"{forgetting.max_rise:g}",
        expected="" if canaries is None else f"{canaries.expected:.1f}",
        ceiling="" if canaries is None else f"{canaries.ceiling:.1f}",
        rows="" if memorised is None else f"{measured} of {memorised.num_rows} train rows that were drawn are long enough to be measured",
    )


def _text_lines(report: ForgettingReport, names: Mapping[str, str]) -> list[TextLine]:
    return [
        TextLine(
            names.get(one.system, one.system),
            text.probe,
            text.num_documents,
            _number(text.base, "{:.3f}"),
            _number(text.tuned, "{:.3f}"),
            _signed(text.rise, text.low, text.high),
            _number(text.upper, "{:+.3f}"),
            text.passed,
            text.not_measurable or "",
        )
        for one in report.systems
        for text in one.texts
    ]


def _answer_lines(report: ForgettingReport, names: Mapping[str, str]) -> list[AnswerLine]:
    return [
        AnswerLine(
            names.get(one.system, one.system),
            answers.probe,
            answers.num_questions,
            f"{answers.chance:.3f}",
            _estimate(answers.base),
            _estimate(answers.tuned),
            _signed(answers.difference, answers.low, answers.high),
            "not measurable" if answers.retention is None else _estimate(answers.retention),
            answers.not_measurable or "",
        )
        for one in report.systems
        for answers in one.answers
    ]


def _canary_line(one: SystemCanaries, total: str, names: Mapping[str, str]) -> KeptLine:
    rise = "" if one.rise is None else _signed(one.rise.value, one.rise.low, one.rise.high, digits=1)
    value = "not a number" if one.exposure is None else _estimate(one.exposure, digits=1)
    return KeptLine(names.get(one.system, one.system), value, rise, f"{one.num_at_ceiling} of {total}")


def _memorised_line(one: SystemMemorised, total: int, names: Mapping[str, str]) -> KeptLine:
    over_base = _signed(one.difference, one.low, one.high)
    return KeptLine(names.get(one.system, one.system), _estimate(one.share), over_base, f"{one.num_verbatim} of {total}")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _estimate(one: Estimate, digits: int = 3) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:.{digits}f}, {one.high:.{digits}f}]"
    return f"{one.value:.{digits}f}{interval}"


def _signed(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    if value is None:
        return ""
    interval = "" if low is None or high is None else f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"{value:+.{digits}f}{interval}"
