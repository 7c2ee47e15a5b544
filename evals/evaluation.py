"""An evaluation that has been planned: systems answer, and the answers are measured, compared and explained."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import loopwright
from evals.causes.evidence import lint_evidence
from evals.causes.failures import Failure, find_failures
from evals.compare.measure import Measured, measure, number_clusters
from evals.compare.slices import confusions_of, measure_slices
from evals.compare.verdict import judge
from evals.config import EvalsConfig
from evals.data.contract import MetricValue, Report, SystemReport
from evals.data.judgement import Judgement
from evals.data.prediction import Prediction, PredictionState
from evals.data.role import Role
from evals.data.rows import EvalRow
from evals.plan import EvalPlan
from evals.systems.adapter import run_models
from evals.systems.asked import Asked
from evals.systems.base import EvalContext, System
from loopwright.errors import UserError
from loopwright.progress import Progress
from train.inference.language_model import LanguageModel

_PROMPT_CUT = "prompts were truncated to the model's context"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found, with the rows behind the numbers.

    Attributes:
        report: what `report.json` holds.
        rows: the examples.
        answers: system -> example id -> prediction.
        measured: per-row scores.
        failures: of the tuned system, else of the first.
        judgements: system -> example id -> what is thought of its answer.
        asked: system -> how it put its examples to a model, by which a prompt can be shown.
    """

    report: Report
    rows: list[EvalRow]
    answers: dict[str, dict[str, Prediction]]
    measured: Measured
    failures: list[Failure]
    judgements: dict[str, dict[str, Judgement]] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)


def evaluate(plan: EvalPlan, config: EvalsConfig, progress: Progress, split_key: str, looks: int | None) -> Evaluation:
    """Lets every system of a plan answer, and measures, compares and explains the answers.

    Args:
        plan: a checked evaluation.
        config: the options.
        progress: told what is going on.
        split_key: hash of the examples' ids.
        looks: which look at the test set this is; None for another split.

    Raises:
        UserError: the model or an adapter cannot be loaded, or cannot be asked a single example.
    """
    started = time.perf_counter()
    context = EvalContext(plan.rows, plan.train_rows, plan.form, config, chat_template=plan.dataset.manifest.chat_template)
    lint = lint_evidence(plan.dataset.path, [*plan.rows, *plan.train_rows], context.notes)
    _open_model(context, plan)
    answers: dict[str, dict[str, Prediction]] = {}
    seconds: dict[str, float] = {}
    asked: dict[str, Asked] = {}
    for system in plan.systems:
        context.asked = None
        made, took = _answer(system, context, progress)
        if _all_failed(system, made, context):
            continue
        answers[system.label], seconds[system.label] = made, took
        if context.asked is not None:
            asked[system.label] = context.asked
    if not answers:
        raise UserError("no system answered any example", str(plan.dataset.path), " ".join((*context.notes, "Give others with --systems.")))
    roles = {system.label: system.role for system in plan.systems if system.label in answers}
    measured = measure(plan.rows, plan.metrics, answers, roles, config)
    subject = _subject(roles)
    failures = find_failures(subject, context, answers[subject], measured, lint)
    verdict, detail = judge(roles, measured.pairs, plan.primary, config.confidence)
    report = Report(
        verdict=verdict,
        systems={
            label: _system_report(plan, role, answers[label], measured.values[label], seconds[label]).model_copy(
                update={"cost": context.costs.get(label)}
            )
            for label, role in roles.items()
        },
        pairs=measured.pairs,
        verdict_detail=detail,
        dataset=str(plan.dataset.path),
        dataset_name=plan.dataset.manifest.name,
        dataset_key=plan.dataset.manifest.key,
        split=config.split,
        split_key=split_key,
        num_examples=len(plan.rows),
        num_clusters=int(number_clusters(plan.rows).max()) + 1,
        model=plan.model,
        model_sha256=next((run.model_sha256 for run in plan.runs.values()), None),
        adapter=plan.tuned.run if plan.tuned is not None else None,
        form=plan.form,
        dtype=context.model.dtype if context.model is not None else None,
        seconds=round(time.perf_counter() - started, 3),
        settings={**config.model_dump(mode="json"), "max_new_tokens": context.max_new_tokens or None},
        test_looks=looks,
        warnings=[*plan.warnings, *_warnings(plan, answers, roles, looks, context.max_new_tokens)],
        notes=[*plan.notes, *_notes(context)],
        slices=measure_slices(plan.rows, measured, config.confidence),
        confusions=[confusion for label in answers for confusion in confusions_of(label, plan.rows, answers[label])],
        loopwright_version=loopwright.__version__,
    )
    return Evaluation(report, plan.rows, answers, measured, failures, asked=asked)


def _open_model(context: EvalContext, plan: EvalPlan) -> None:
    if plan.model is not None:
        config = context.config
        folders = {name: folder for run, record in plan.runs.items() for name, folder in run_models(run, record).items()}
        context.model = LanguageModel(plan.model, config.dtype, folders, plan.dataset.manifest.chat_template)
        context.limit_answers()


def _answer(system: System, context: EvalContext, progress: Progress) -> tuple[dict[str, Prediction], float]:
    """Lets one system answer; every example that it takes has exactly one prediction afterwards."""
    asked = context.rows_for(system)
    advance = progress.start(system.label, len(asked))
    started = time.perf_counter()
    predictions = system.answer(context, advance)
    seconds = time.perf_counter() - started
    by_id = {prediction.id: prediction for prediction in predictions}
    assert len(predictions) == len(by_id) == len(asked), f"{system.label} answered {len(by_id)} of {len(asked)} examples"
    return {row.id: by_id[row.id] for row in asked}, seconds


def _subject(roles: Mapping[str, Role]) -> str:
    """Returns the system whose mistakes are worth mending: the tuned one, else its base, else the first that answered."""
    return next((label for wanted in (Role.TUNED, Role.BASE) for label, role in roles.items() if role is wanted), next(iter(roles)))


def _all_failed(system: System, predictions: Mapping[str, Prediction], context: EvalContext) -> bool:
    """Says whether a baseline could answer nothing, and notes why.

    Raises:
        UserError: a model could not be asked a single example: a report of that would be empty.
    """
    if any(prediction.state is not PredictionState.ERROR for prediction in predictions.values()):
        return False
    reasons = sorted({prediction.detail or "" for prediction in predictions.values()})
    if system.needs_model:
        raise UserError(f"no example can be put to {system.label}: {_first(reasons)}", system.other_model or context.require_model().name)
    context.notes.append(f"{system.label} is left out: {_first(reasons)}")
    return True


def _system_report(
    plan: EvalPlan, role: Role, predictions: Mapping[str, Prediction], metrics: dict[str, MetricValue], seconds: float
) -> SystemReport:
    states = [prediction.state for prediction in predictions.values()]
    return SystemReport(
        role=role,
        n_total=len(plan.rows),
        n_scored=sum(state.is_scored for state in states),
        metrics=metrics,
        states={state.value: states.count(state) for state in PredictionState if state in states},
        seconds=round(seconds, 3),
        examples_per_second=round(len(states) / max(seconds, 1e-9), 3),
    )


def _notes(context: EvalContext) -> list[str]:
    apart = [f"{context.num_split_apart} choices are encoded apart from their prompt, as a token spans the join"]
    return context.notes + (apart if context.num_split_apart else [])


def _warnings(
    plan: EvalPlan, answers: Mapping[str, Mapping[str, Prediction]], roles: Mapping[str, Role], looks: int | None, limit: int
) -> list[str]:
    """Returns what makes the numbers doubtful: an adapter without effect, examples without a score, a test set looked at again."""
    warnings = []
    base = next((label for label, role in roles.items() if role is Role.BASE), None)
    for label, predictions in answers.items():
        if roles[label] is Role.TUNED and base is not None and _are_equal(predictions, answers[base]):
            warnings.append(f"{label} answers every example exactly as {base} does, to the last digit: the adapter has no effect")
        lost = [prediction for prediction in predictions.values() if not prediction.state.is_scored]
        if lost:
            reasons = sorted({prediction.detail or prediction.state.value for prediction in lost})
            warnings.append(f"{label} has no score for {len(lost)} of {len(plan.rows)} examples: {_first(reasons)}")
        states = [prediction.state for prediction in predictions.values()]
        ended = {PredictionState.UNFINISHED: f"answers hit the length limit ({limit:,} tokens)", PredictionState.PROMPT_CUT: _PROMPT_CUT}
        warnings += [f"{label}: {states.count(state)} of {len(states)} {words}" for state, words in ended.items() if state in states]
    if looks is not None and looks > 1:
        warnings.append(f"this is evaluation {looks} on this test set: choices made after an earlier one may overfit it")
    return warnings


def _are_equal(a: Mapping[str, Prediction], b: Mapping[str, Prediction]) -> bool:
    return all(a[key].text == b[key].text and a[key].loglikelihoods == b[key].loglikelihoods for key in a)


def _first(reasons: Sequence[str]) -> str:
    return reasons[0] + (f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else "")
