"""Which answers fail, and which free texts are merely weak."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from evals.compare.structured import is_structured, wrong_calls, wrong_json
from evals.data.judgement import Judgement, Outcome, Reason
from evals.data.prediction import Prediction
from evals.data.references import ReferenceKinds
from evals.data.rows import EvalRow, Task
from evals.metrics.base import METRICS
from evals.metrics.facts.wanted import wanted_facts
from evals.metrics.formats.format_valid import FormatValid
from evals.metrics.formats.shape import shape_of
from prep.text.facts import FactIndex

# Of free text, which no reference proves wrong, the share that is shown as weak.
WEAK_SHARE = 0.1
_NEARLY_ALL = 0.9
_LIST_NUMBER = re.compile(r"^[ \t]*\d{1,2}[.)](?=\s)", re.MULTILINE)

Scores = Mapping[str, float]
"""Metric -> score of one example."""


@dataclass(frozen=True, slots=True)
class Standards:
    """What answers are held to.

    Attributes:
        kinds: what the written answers of each template are.
        keep: template -> the kinds of fact that its answers must keep.
        metrics: template -> its metric ids; the first with a score of its own tells what is weak.
        fail_below: metric id -> the score under which an answer fails (over which, where less is better).
        formed: templates of which nearly all answers are JSON, lists or labelled lines, so that another form is wrong.
    """

    kinds: ReferenceKinds
    keep: Mapping[str, Collection[str]] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fail_below: Mapping[str, float] = field(default_factory=dict)
    formed: Collection[str] = ()


def formed_templates(rows: Sequence[EvalRow]) -> frozenset[str]:
    """Returns the templates of which nearly all written answers have a form."""
    written = [row for row in rows if row.task is Task.GENERATION]
    total = Counter(row.template for row in written)
    formed = Counter(row.template for row in written if shape_of(row.reference) is not None)
    return frozenset(template for template, count in formed.items() if count >= _NEARLY_ALL * total[template])


def judge_answers(
    rows: Sequence[EvalRow], predictions: Mapping[str, Prediction], scores: Sequence[Scores], standards: Standards
) -> dict[str, Judgement]:
    """Judges one system's answers, by example id.

    An answer fails that has no score; that is another choice, call or value than the right one, or puts the other answer of a pair first;
    that is not the expected label, code or few words; that has not the form which its template's answers have; whose score is beyond a
    threshold that the config names; that loses a fact which its template keeps and its source holds; or that holds a fact of neither source
    nor reference. Other free text does not fail: the weakest tenth of a template's is `weak`.

    Args:
        rows: the examples.
        predictions: by example id; examples without one are left out.
        scores: of each row.
        standards: what the answers are held to.
    """
    judged: dict[str, Judgement] = {}
    free: dict[str, list[tuple[float, str]]] = {}
    for row, of_row in zip(rows, scores, strict=True):
        if row.id not in predictions:
            continue
        reasons = _reasons(row, predictions[row.id], of_row, standards)
        judged[row.id] = Judgement(Outcome.FAILED if reasons else Outcome.PASSED, tuple(reasons))
        if not reasons and _is_free(row, standards) and (rank := _rank(row, of_row, standards)) is not None:
            free.setdefault(row.template, []).append((rank, row.id))
    for ranked in free.values():
        for _, id_ in sorted(ranked)[: int(WEAK_SHARE * len(ranked))]:
            judged[id_] = Judgement(Outcome.WEAK)
    return judged


def _reasons(row: EvalRow, prediction: Prediction, scores: Scores, standards: Standards) -> list[tuple[Reason, str]]:
    if not prediction.state.is_scored:
        return [(Reason.NO_ANSWER, prediction.detail or prediction.state.meaning)]
    found = _content_reasons(row, prediction, standards)
    for metric, limit in standards.fail_below.items():
        if metric in scores and _is_beyond(metric, scores[metric], limit):
            found.append((Reason.LOW_SCORE, f"{metric} {scores[metric]:.3f}, and {limit:g} is asked for"))
    return found


def _content_reasons(row: EvalRow, prediction: Prediction, standards: Standards) -> list[tuple[Reason, str]]:
    """Returns what is wrong with what an answer says, whatever its scores are."""
    calls = wrong_calls(row, prediction)
    found = [calls] if calls is not None else []
    if row.task is Task.CLASSIFICATION:
        return found + ([(Reason.WRONG_CHOICE, "")] if prediction.text != row.reference else [])
    if row.task is Task.PREFERENCE:
        is_other = prediction.text is not None and prediction.text != row.reference
        return [(Reason.WRONG_CHOICE, "the other answer of the pair is ahead")] if is_other else []
    if row.task is not Task.GENERATION:  # a document, or an answer that is judged by itself: what is read is not right or wrong
        return []
    if is_structured(row, standards.kinds):
        json = None if row.calls else wrong_json(row, prediction, standards.kinds)
        return found + ([json] if json is not None else [])
    if not _is_free(row, standards):
        return found + ([(Reason.NOT_EXACT, "")] if prediction.text != row.reference else [])
    if row.template in standards.formed and FormatValid().score(row, prediction) == 0.0:
        found.append((Reason.INVALID_FORMAT, "not in the form of its reference"))
    return found + _fact_reasons(row, prediction.answer, standards.keep.get(row.template, ()))


def _fact_reasons(row: EvalRow, answer: str, keep: Collection[str]) -> list[tuple[Reason, str]]:
    """Returns the facts that an answer loses or makes up."""
    source, reference, said = FactIndex(row.input_text), FactIndex(row.reference), FactIndex(answer)
    lost = [fact for fact in wanted_facts(row.reference) if fact.kind in keep and source.holds(fact) and not said.holds(fact)]
    # The number that a list counts its lines with is no fact.
    told = _LIST_NUMBER.sub("", answer)
    made_up = [fact for fact in wanted_facts(told) if not source.holds(fact) and not reference.holds(fact)]
    found = []
    if lost:
        found.append((Reason.LOST_FACT, ", ".join(fact.value for fact in lost)))
    if made_up:
        found.append((Reason.UNSUPPORTED_FACT, ", ".join(fact.value for fact in made_up)))
    return found


def _is_free(row: EvalRow, standards: Standards) -> bool:
    return row.task is Task.GENERATION and row.template not in standards.kinds.exact and not is_structured(row, standards.kinds)


def _rank(row: EvalRow, scores: Scores, standards: Standards) -> float | None:
    """Returns a text's score by the first metric of its template that has one a row and says what is better, less being weaker."""
    for name in standards.metrics.get(row.template, ()):
        if name in scores and METRICS.get(name).higher_is_better is not None:
            return scores[name] if METRICS.get(name).higher_is_better else -scores[name]
    return None


def _is_beyond(metric: str, score: float, limit: float) -> bool:
    return score > limit if METRICS.get(metric).higher_is_better is False else score < limit
