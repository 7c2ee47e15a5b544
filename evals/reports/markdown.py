"""`report.md`: an evaluation for a pull request, short enough to be read there, as GitHub renders it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from evals.data.contract import Report
from evals.data.rows import EvalRow
from evals.reports.headline import HeadlineRow, HeadlineView, view_headline
from evals.reports.outcomes import Change, Outcomes
from evals.reports.pieces import ShownText
from evals.reports.table import short_names
from loopwright.console import printable

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

_MAX_SYSTEMS = 8
_MAX_GATES = 8
_MAX_EXAMPLES = 3
_MAX_WARNINGS = 3
_MAX_INPUT, _MAX_ANSWER = 160, 90
# What GitHub would take for markup, a mention, an issue, a link or a formula. An entity is never more than its character.
_ENTITIES = {ord(character): f"&#{ord(character)};" for character in "&<>`*_[]|~@#!$:\\"}


def render_markdown(evaluation: "Evaluation") -> str:
    """Returns the Markdown: the sentence, the gates, the systems and a few examples that were fixed or broken; under 60 lines."""
    report = evaluation.report
    names, outcomes = short_names(report), Outcomes.of(evaluation)
    headline = view_headline(report, outcomes, names)
    lines = [f"## {_text(report.dataset_name)}, {report.split}: {_text(headline.outcome)}", ""]
    lines += [f"**{_text(headline.sentence)}**", ""] if headline.sentence else []
    lines += [_text(headline.verdict), ""]
    lines += _gates(report)
    lines += _systems(headline)
    if outcomes.against is not None:
        for change in (Change.BROKEN, Change.FIXED):
            lines += _examples(change, evaluation, outcomes, names)
    lines += _warnings(report)
    return "\n".join(lines).rstrip() + "\n"


def _gates(report: Report) -> list[str]:
    if not report.gates:
        return []
    ordered = sorted(report.gates, key=lambda gate: gate.passed)
    values = ["–" if gate.value is None else f"{gate.value:.4g}" for gate in ordered]
    rows = [
        f"| {'✅' if gate.passed else '❌'} | {_text(gate.name)} | {value} | {gate.limit:.4g} |"
        for gate, value in zip(ordered[:_MAX_GATES], values, strict=False)
    ]
    return ["| | gate | value | limit |", "|---|---|--:|--:|", *rows, *_left_out(len(ordered) - _MAX_GATES, "gates"), ""]


def _systems(headline: HeadlineView) -> list[str]:
    ordered = sorted(headline.rows, key=lambda row: not row.is_subject)
    head = ["system", _text(headline.metric), f"{_text(headline.subject)} minus it", "scored", *(["cost"] if headline.has_cost else [])]
    rows = [f"| {' | '.join(_cells(row, has_cost=headline.has_cost))} |" for row in ordered[:_MAX_SYSTEMS]]
    left_out = _left_out(len(ordered) - _MAX_SYSTEMS, "systems")
    return [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}", *rows, *left_out, ""]


def _cells(row: HeadlineRow, *, has_cost: bool) -> Iterator[str]:
    yield f"**{_text(row.name)}**" if row.is_subject else _text(row.name)
    yield row.value
    yield "" if row.is_subject else "–" if row.difference is None else row.difference.text
    yield f"{row.num_scored} / {row.num_total}"
    if has_cost:
        yield "–" if row.cost is None else f"{row.cost:.4f}"


def _examples(change: Change, evaluation: "Evaluation", outcomes: Outcomes, names: Mapping[str, str]) -> list[str]:
    rows = [row for row in evaluation.rows if outcomes.change(row) is change]
    if not rows:
        return []
    assert outcomes.against is not None
    shown = rows[:_MAX_EXAMPLES]
    systems = (outcomes.against, outcomes.system)
    return [
        f"<details><summary>{change.value.capitalize()}: {len(rows)}</summary>",
        "",
        f"| example | input | reference | {' | '.join(_text(names[system]) for system in systems)} |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(_example(row, evaluation, systems))} |" for row in shown),
        *_left_out(len(rows) - len(shown), "examples"),
        "",
        "</details>",
        "",
    ]


def _example(row: EvalRow, evaluation: "Evaluation", systems: tuple[str, str]) -> Iterator[str]:
    yield _shown(row.id, _MAX_ANSWER)
    yield _shown(row.question, _MAX_INPUT)
    yield _shown(row.reference, _MAX_ANSWER)
    for system in systems:
        prediction = evaluation.answers[system].get(row.id)
        yield "–" if prediction is None or prediction.text is None else _shown(prediction.text, _MAX_ANSWER)


def _warnings(report: Report) -> list[str]:
    said = [f"> - {_shown(text, 400)}" for text in report.warnings[:_MAX_WARNINGS]]
    return ["> [!WARNING]", *said, *_left_out(len(report.warnings) - len(said), "warnings", "> - ")] if said else []


def _left_out(count: int, what: str, before: str = "| … | ") -> list[str]:
    return [f"{before}{count} more {what}{' |' if before.startswith('|') else ''}"] if count > 0 else []


def _shown(text: str, limit: int) -> str:
    """Returns a text of the corpus on one line, masked, in a way that GitHub takes for nothing but text."""
    shown = "".join(piece.text for piece in ShownText(text, limit).plain())
    return f"<code>{_text(' '.join(shown.split()))}</code>"


def _text(text: str) -> str:
    return printable(" ".join(text.split())).translate(_ENTITIES).replace("www.", "www&#46;")
