"""A judged evaluation in the terminal: the rates, and beside them how far the judge can be believed."""

from typing import TYPE_CHECKING

from evals.judge.contract import Agreement, JudgeReport, Kind
from evals.judge.report import interval, percent
from evals.reports.table import text_table

if TYPE_CHECKING:
    from rich.table import Table

Line = tuple[str, str, str]
"""What, its value with its interval, and what that rests on."""


def judge_lines(report: JudgeReport) -> list[Line]:
    """Returns what there is to say of a judge, one line a number."""
    rate, labels = report.rate, report.labels
    is_pair = report.kind is Kind.PAIRWISE
    what = f"{report.systems[0]} wins" if is_pair else f"{report.systems[0]} passes"
    counts = ", ".join(f"{number} {name}" for name, number in rate.counts.items())
    lines: list[Line] = [
        (f"{what}, by the judge", percent(rate.judge), counts),
        (f"{what}, corrected", percent(rate.corrected), f"weight of the judge {rate.power:.2f}"),
        (f"{what}, by people", percent(rate.people), f"{labels.used} labels of {labels.examples} examples"),
    ]
    for name, found in (
        ("judge and people", report.agreement_with_people),
        ("judge and itself, letters turned", report.agreement_between_orders),
        ("judge and itself, asked again", report.agreement_when_repeated),
        ("people and people", report.agreement_between_people),
    ):
        if found is not None:
            lines.append((f"kappa, {name}", interval(found.kappa), _observed(found)))
    lines.append(("verdicts for what stands first", percent(report.bias.first_position), "no bias: 50%"))
    if report.bias.longer_answer is not None and report.bias.longer_answer_people is not None:
        people = f"people: {percent(report.bias.longer_answer_people)}"
        lines.append(("the longer answer wins", percent(report.bias.longer_answer), people))
    return lines


def judge_table(report: JudgeReport) -> "Table":
    """Returns the table of a judged evaluation."""
    states = ", ".join(f"{number} {state}" for state, number in report.states.items())
    title = f"{report.endpoint} ({report.probe.method}): {report.num_examples} examples, {states}"
    return text_table(title, {"what": "left", "value": "right", "rests on": "left"}, judge_lines(report))


def effort_text(report: JudgeReport) -> str:
    """Returns what the judge took, in a line."""
    effort = report.effort
    said = f"{effort.requests:,} requests answered, {effort.known:,} of them known from before"
    if effort.latency_median is not None and effort.latency_95th is not None:
        said += f"; latency {effort.latency_median:.2f} s, 95th percentile {effort.latency_95th:.2f} s"
        said += f"; {effort.input_tokens:,} tokens read, {effort.output_tokens:,} written"
    return said + (f"; cost {effort.cost:.4f} by the config's prices" if effort.cost is not None else "")


def _observed(found: Agreement) -> str:
    base = "" if found.base_rate is None else f"; always the most frequent verdict: {100 * found.base_rate:.1f}%"
    return f"equal in {percent(found.observed)}{base}"
