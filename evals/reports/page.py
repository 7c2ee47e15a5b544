"""`report.html`: one page that needs nothing but itself. Corpus text in it is escaped, and personal identifiers are masked."""

from pathlib import Path
from typing import TYPE_CHECKING

from evals.compare.verdict import format_p
from evals.config import EvalsConfig
from evals.metrics.base import METRICS
from evals.reports.answers import PER_PAGE, browse_answers
from evals.reports.causes import cause_rows, reason_rows
from evals.reports.confusion import confusion_views
from evals.reports.curves import confidence_plots, run_plots
from evals.reports.estimates import metric_plots, slice_plots, split_pairs
from evals.reports.forgetting import memory_view
from evals.reports.headline import view_headline
from evals.reports.outcomes import Outcomes
from evals.reports.table import short_names
from loopwright.page import make_page
from prep.pii import mask

if TYPE_CHECKING:
    from evals.evaluation import Evaluation

_TEMPLATE = Path(__file__).parent / "report.html.jinja"


def render_page(evaluation: "Evaluation", config: EvalsConfig) -> str:
    """Returns the page's HTML."""
    report = evaluation.report
    names, outcomes = short_names(report), Outcomes.of(evaluation)
    headline = view_headline(report, outcomes, names)
    deciding, others = split_pairs(report, names, outcomes.system, headline.metric)
    confusions = confusion_views(evaluation, names, outcomes.system)
    return make_page(
        _TEMPLATE,
        report=report,
        headline=headline,
        names=names,
        browser=browse_answers(evaluation, outcomes, names, max_rows=config.report_rows, max_failures=config.report_failures),
        per_page=PER_PAGE,
        metric_names=list(dict.fromkeys(name for system in report.systems.values() for name in system.metrics)),
        metric_help={name: (METRICS.get(name).__doc__ or "").splitlines()[0] for name in METRICS.entries},
        metric_plots=metric_plots(report, names, headline.metric),
        deciding=deciding,
        others=others,
        slice_plots=slice_plots(report, names, outcomes.system),
        confusions=[view for view in confusions if not view.is_folded],
        folded_confusions=[view for view in confusions if view.is_folded],
        memory=memory_view(report, names),
        confidence=confidence_plots(evaluation, names, outcomes.system),
        run_plots=run_plots(report.adapter),
        causes=cause_rows(evaluation),
        reasons=reason_rows(evaluation),
        num_failures=len(evaluation.failures),
        num_explained=min(len(evaluation.failures), config.report_failures),
        failing=names[evaluation.failures[0].system] if evaluation.failures else "",
        warnings=[mask(text) for text in report.warnings],
        notes=[mask(text) for text in report.notes],
        percent=f"{config.confidence * 100:g}",
        format_p=format_p,
        state_names=lambda states: list(dict.fromkeys(state for counts in states.values() for state in counts)),
    )
