"""What general ability training cost: base and tuned on the same probe sets."""

from dataclasses import dataclass

from evals.data.contract import GateReport
from evals.data.memory import AnswerChange, ForgettingReport, SystemForgetting, TextChange
from evals.forgetting.asked import asked_model
from evals.forgetting.change import answer_change, chance_of, text_change
from evals.forgetting.plan import TunedModel
from evals.forgetting.probes import ChoiceProbe, NumberProbe, Probes
from evals.forgetting.questions import Answered, choose_answers, drawn_questions, write_answers
from evals.forgetting.text_loss import TextLoss, text_losses
from evals.systems.base import EvalContext
from loopwright.progress import Progress

GATE = "forgetting: max_rise"
"""What the gate on general text is called."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one model said to all probe sets, by their names."""

    texts: dict[str, list[TextLoss]]
    answers: dict[str, Answered]


def measure_forgetting(probes: Probes, tuned: list[TunedModel], context: EvalContext, progress: Progress) -> ForgettingReport:
    """Compares each tuned model with its base on each probe set.

    Args:
        probes: what is asked.
        tuned: the tuned systems.
        context: the loaded model and the options.
        progress: told what is going on.
    """
    config = context.config
    options = config.forgetting
    asked = Probes(
        probes.texts,
        [ChoiceProbe(one.name, drawn_questions(one.questions, options.questions)) for one in probes.choices],
        [NumberProbe(one.name, drawn_questions(one.questions, options.written)) for one in probes.numbers] if options.written else [],
        probes.sha256,
    )
    chances = {one.name: chance_of(one) for one in asked.choices}
    base = _ask(asked, "base", None, context, progress)
    systems = []
    for one in tuned:
        said = _ask(asked, one.system, one.adapter, context, progress)
        texts = [
            text_change(name, losses, said.texts[name], max_rise=options.max_rise, confidence=config.confidence)
            for name, losses in base.texts.items()
        ]
        answers = [
            answer_change(name, chances.get(name), answered, said.answers[name], confidence=config.confidence)
            for name, answered in base.answers.items()
        ]
        passed = all(text.passed for text in texts) if texts else None
        systems.append(SystemForgetting(system=one.system, seed=one.seed, texts=texts, answers=answers, passed=passed))
    return ForgettingReport(
        probes=str(config.probes),
        probes_sha256=probes.sha256,
        max_rise=options.max_rise,
        confidence=config.confidence,
        systems=systems,
    )


def gates_of(report: ForgettingReport) -> list[GateReport]:
    """Returns the gate on each set of general text; where there are several systems or sets, its name says of which."""
    all_texts = [(one.system, text) for one in report.systems for text in one.texts]
    return [
        GateReport(
            name=GATE if len(all_texts) == 1 else f"{GATE} ({system}, {text.probe})",
            passed=text.passed,
            value=text.upper,
            limit=report.max_rise,
        )
        for system, text in all_texts
    ]


def in_words(report: ForgettingReport, unasked: list[str]) -> tuple[list[str], list[str]]:
    """Returns what was found in words, and what of it is a warning.

    Args:
        report: what was found.
        unasked: sets of questions that the options leave out.
    """
    notes = [f"forgetting: the questions of {name} are not asked (evals: forgetting: written: 0)" for name in unasked]
    warnings: list[str] = []
    for one in report.systems:
        for text in one.texts:
            (notes if text.passed else warnings).append(f"forgetting: {one.system} on {_text_words(text, report)}")
        notes += [f"forgetting: {one.system} on {_answer_words(answers)}" for answers in one.answers]
        notes += [
            f"forgetting: {answers.num_cut} questions of {answers.probe} are longer than the model's context: their beginning is left out"
            for answers in one.answers[: 1 if one is report.systems[0] else 0]
            if answers.num_cut
        ]
    if not any(one.texts for one in report.systems):
        notes.append("forgetting: there is no general text among the probe sets, and so no gate: add a *.txt of documents")
    return notes, warnings


def _text_words(text: TextChange, report: ForgettingReport) -> str:
    if text.not_measurable is not None:
        return f"{text.probe}: not measurable, so the gate is not passed: {text.not_measurable}"
    assert text.rise is not None and text.upper is not None
    verdict = "passes" if text.passed else "does not pass"
    return (
        f"{text.probe}: {text.rise:+.4f} nats a token, at most {text.upper:+.4f} with {report.confidence:.0%} confidence "
        f"({text.num_documents} documents): {verdict} the gate of {report.max_rise:g}"
    )


def _answer_words(one: AnswerChange) -> str:
    kept = one.retention
    if kept is None:
        told = f"retention is not measurable: {one.not_measurable}"
    else:
        told = f"retention over chance {kept.value:.2f} [{kept.low:.2f}, {kept.high:.2f}]"
    return (
        f"{one.probe}: accuracy {one.base.value:.3f} -> {one.tuned.value:.3f}, {one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}] on "
        f"{one.num_questions} questions; {told}"
    )


def _ask(probes: Probes, system: str, adapter: str | None, context: EvalContext, progress: Progress) -> _Said:
    """Puts all probe sets to one model."""
    options = context.config.forgetting
    texts: dict[str, list[TextLoss]] = {}
    answers: dict[str, Answered] = {}
    with asked_model(context, adapter) as asked:
        for text in probes.texts:
            texts[text.name] = text_losses(asked, text.documents, progress.start(f"{system}: {text.name}", len(text.documents)))
        for choice in probes.choices:
            advance = progress.start(f"{system}: {choice.name}", len(choice.questions))
            answers[choice.name] = choose_answers(asked, choice.questions, advance)
        for number in probes.numbers:
            advance = progress.start(f"{system}: {number.name}", len(number.questions))
            answers[number.name] = write_answers(asked, number.questions, options.max_new_tokens, advance)
    return _Said(texts, answers)
