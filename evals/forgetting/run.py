"""Measures what tuned systems forgot and what they keep, beside the split's examples: base and tuned on one load of the model."""

from dataclasses import dataclass, field

from evals.data.contract import GateReport
from evals.data.memory import CanariesReport, ForgettingReport, MemorisedReport
from evals.forgetting import exposure, general, memorised
from evals.forgetting.asked import asked_model
from evals.forgetting.plan import MemoryPlan
from evals.systems.base import EvalContext
from loopwright.progress import Progress
from templates.chat import EncodeError


@dataclass(slots=True)
class MemoryReports:
    """What was found beside the split's examples.

    Attributes:
        forgetting: what general ability training cost; None where there are no probes.
        canaries: what is known of planted secrets; None where there are none.
        memorised: rows that are gone on with word for word; None where nobody asked.
        gates: the gate on general text, one a tuned system and set.
        notes: all of it in words.
        warnings: what is doubtful about it, and gates that were not passed.
    """

    forgetting: ForgettingReport | None = None
    canaries: CanariesReport | None = None
    memorised: MemorisedReport | None = None
    gates: list[GateReport] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def measure_memory(plan: MemoryPlan | None, context: EvalContext, progress: Progress) -> MemoryReports:
    """Measures all that a plan asks for.

    Args:
        plan: what is asked for; None: nothing.
        context: the loaded model and the options.
        progress: told what is going on.
    """
    found = MemoryReports()
    if plan is None:
        return found
    found.notes += [
        f"{one.system}: its seed {one.seed}, the one of the median loss, stands for all in what it forgets and keeps"
        for one in plan.tuned
        if one.seed is not None
    ]
    if plan.probes is not None:
        unasked = [] if context.config.forgetting.written else [one.name for one in plan.probes.numbers]
        found.forgetting = general.measure_forgetting(plan.probes, plan.tuned, context, progress)
        found.gates += general.gates_of(found.forgetting)
        notes, warnings = general.in_words(found.forgetting, unasked)
        found.notes += notes
        found.warnings += warnings
    if plan.has_canaries:
        _canaries(plan, context, progress, found)
    if context.config.memorised:
        _memorised(plan, context, progress, found)
    return found


def _canaries(plan: MemoryPlan, context: EvalContext, progress: Progress, found: MemoryReports) -> None:
    """Measures the exposure of the canaries for base and tuned, in the form in which the first of these was trained."""
    info, confidence = plan.dataset.manifest.canaries, context.config.confidence
    planted = exposure.planted_canaries(plan.dataset, plan.trained_form)
    if info is None or planted is None:
        found.notes.append(f"canaries: the dataset has none in the form that was trained ({plan.trained_form}), so nothing is measured")
        return
    systems = []
    base = None
    for system, adapter, seed in plan.asked():
        try:
            with asked_model(context, adapter) as asked:
                scores = exposure.score_canaries(asked, planted, progress.start(f"{system}: canaries", len(planted.rows)))
        except EncodeError as error:
            found.warnings.append(f"canaries: they cannot be put to {system}: {error.cause}")
            return
        exposures = [exposure.exposure_of(row.row_id, one, info, confidence) for row, one in zip(planted.rows, scores, strict=True)]
        systems.append(exposure.system_canaries(system, seed, exposures, base, confidence))
        base = base or exposures
    found.canaries = exposure.canaries_report(info, systems, confidence)
    found.notes += exposure.in_words(found.canaries)


def _memorised(plan: MemoryPlan, context: EvalContext, progress: Progress, found: MemoryReports) -> None:
    """Measures how many train rows base and tuned go on with word for word."""
    config, form = context.config, plan.trained_form
    records = memorised.drawn_records(plan.dataset, form, config.memorised, config.seed)
    first = plan.tuned[0]
    loaded = context.require_model()
    drawn = memorised.draw_rows(loaded.tokenizer_of(first.adapter), records, form, loaded.max_length)
    systems = []
    base = None
    for system, adapter, seed in plan.asked() if drawn.rows else ():
        with asked_model(context, adapter) as asked:
            verbatim = memorised.are_verbatim(asked, drawn.rows, progress.start(f"{system}: train rows", len(drawn.rows)))
        systems.append(memorised.system_memorised(system, seed, verbatim, base, config.confidence))
        base = base or verbatim
    found.memorised = memorised.memorised_report(drawn, systems, config.confidence)
    found.notes += memorised.in_words(found.memorised)
