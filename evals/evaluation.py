"""An evaluation that has been planned: systems answer, and the answers are measured, compared and explained."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import loopwright
from evals.causes.evidence import lint_evidence
from evals.causes.failures import Failure, find_failures
from evals.compare.compared import Compared, subject_of
from evals.compare.found_slices import find_slices
from evals.compare.gates import check_gates
from evals.compare.headline import make_headline
from evals.compare.judgements import judge_answers
from evals.compare.measure import Column, Measured, measure, number_clusters
from evals.compare.slices import confusions_of, measure_slices
from evals.compare.states import json_states, notes_of, tool_states, warnings_of
from evals.compare.statistics import spread_of_seeds
from evals.compare.turns import measure_turns
from evals.compare.verdict import comparison_of, judge
from evals.config import EvalsConfig
from evals.data.contract import BaselineComparison, MetricValue, Report, SeedsReport, SystemReport
from evals.data.judgement import Judgement
from evals.data.prediction import Prediction, PredictionState, num_seeds
from evals.data.role import Role
from evals.data.rows import RANKED, EvalRow
from evals.forgetting.run import measure_memory
from evals.plan import EvalPlan
from evals.predict.parts import Windows
from evals.systems.adapter import is_reward, run_models
from evals.systems.asked import Asked
from evals.systems.base import EvalContext, System
from evals.systems.judged import reference_folders
from loopwright.errors import UserError
from loopwright.progress import Progress
from train.inference.language_model import LanguageModel
from train.runs.record import RunRecord

_NOW = "this round"
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


@dataclass(frozen=True, slots=True)
class EarlierAnswers:
    """What another model answered before, such as that of the round before.

    Attributes:
        name: what it is called in reports.
        predictions: by example id.
    """

    name: str
    predictions: dict[str, Prediction]


def evaluate(
    plan: EvalPlan,
    config: EvalsConfig,
    progress: Progress,
    *,
    split_key: str,
    looks: int | None,
    last_round: EarlierAnswers | None = None,
) -> Evaluation:
    """Lets every system of a plan answer, and measures, compares and explains the answers.

    Args:
        plan: a checked evaluation.
        config: the options.
        progress: told what is going on.
        split_key: hash of the examples' ids.
        looks: which look at the test set this is; None for another split.
        last_round: what the tuned system of the round before answered.

    Raises:
        UserError: the model or an adapter cannot be loaded, or cannot be asked a single example.
    """
    started = time.perf_counter()
    context = EvalContext(
        plan.rows, plan.train_rows, plan.form, config, chat_template=plan.dataset.manifest.chat_template, metrics=plan.metrics
    )
    lint = lint_evidence(plan.dataset.path, [*plan.rows, *plan.train_rows], context.notes)
    _open_model(context, plan)
    asked = _ask_all(plan, context, progress)
    answers, roles = asked.answers, asked.roles
    memory = measure_memory(plan.memory, context, progress)
    measured = measure(plan.rows, plan.metrics, answers, roles, config, train_rows=plan.train_rows)
    subject = subject_of(roles)
    judgements = {
        label: judge_answers(plan.rows, made, measured.scores_of_rows(label, len(plan.rows)), plan.standards)
        for label, made in answers.items()
    }
    failures = find_failures(subject, context, answers[subject], measured, judgements=judgements[subject], lint=lint)
    before = {} if last_round is None else _against_last_round(plan, answers[subject], last_round, config)
    seeds = _seeds(measured.columns[subject].get(plan.primary), roles[subject], config.confidence)
    verdict, detail = judge(
        roles,
        measured.pairs,
        plan.primary,
        config.confidence,
        minimum_effect=config.minimum_effect.get(plan.primary),
        num_seeds=num_seeds(answers[subject]) if roles[subject] is Role.TUNED else None,
        last_round=before.get(plan.primary),
    )
    patterns = {name: re.compile(pattern) for name, pattern in config.slices.items()}
    found, said = find_slices(plan.rows, judgements[subject], subject, patterns, config.confidence)
    told = [said] if said is not None else []
    values = measured.values
    compared = Compared(plan.rows, roles, values, measured.pairs, judgements, plan.primary, config.confidence, before)
    calls, jsons = tool_states(plan.rows, answers), json_states(plan.rows, answers)
    report = Report(
        verdict=verdict,
        systems={label: _system_report(plan, asked, label, values[label], context.costs.get(label)) for label in roles},
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
        warnings=[*plan.warnings, *_warnings(plan, answers, roles, looks, context.max_new_tokens), *warnings_of(calls), *memory.warnings],
        notes=[*plan.notes, *_notes(context), *notes_of(jsons), *_metric_notes(plan, measured), *memory.notes, *told],
        slices=[
            *measure_slices(plan.rows, measured, config.confidence, patterns),
            *measure_turns(plan.rows, plan.metrics, answers, config.confidence),
            *found,
        ],
        confusions=[confusion for label in answers for confusion in confusions_of(label, plan.rows, answers[label])],
        loopwright_version=loopwright.__version__,
        headline=make_headline(compared),
        gates=[*check_gates(config.gates, compared), *memory.gates],
        seeds=seeds,
        tool_states=calls,
        json_states=jsons,
        forgetting=memory.forgetting,
        canaries=memory.canaries,
        memorised=memory.memorised,
    )
    return Evaluation(report, plan.rows, answers, measured, failures, judgements, asked.how)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all systems answered.

    Attributes:
        answers: system -> example id -> prediction.
        roles: what each of them is compared as, in the order asked for.
        seconds: what each took.
        how: how each put its examples to a model.
    """

    answers: dict[str, dict[str, Prediction]]
    roles: dict[str, Role]
    seconds: dict[str, float]
    how: dict[str, Asked]


def _ask_all(plan: EvalPlan, context: EvalContext, progress: Progress) -> _Asked:
    """Lets each system answer; a baseline that can answer nothing is left out, with a note.

    Raises:
        UserError: no system answered any example.
    """
    asked = _Asked({}, {}, {}, {})
    for system in plan.systems:
        context.asked = None
        made, took = _answer(system, context, progress)
        if _all_failed(system, made, context):
            continue
        label = system.label
        asked.answers[label], asked.roles[label], asked.seconds[label] = made, system.role, took
        if context.asked is not None:
            asked.how[label] = context.asked
    if not asked.answers:
        raise UserError("no system answered any example", str(plan.dataset.path), " ".join((*context.notes, "Give others with --systems.")))
    return asked


def _open_model(context: EvalContext, plan: EvalPlan) -> None:
    """Loads the model that systems share, with what they switch on; a reward model is loaded by itself."""
    runs = {run: record for run, record in plan.runs.items() if not is_reward(record)}
    sharing = [system for system in plan.systems if system.shares_model and (system.run is None or system.run in runs)]
    if plan.model is None or not sharing:
        return
    config = context.config
    folders = {name: folder for run, record in runs.items() for name, folder in run_models(run, record).items()}
    if any(row.task in RANKED for row in plan.rows):
        folders |= reference_folders({name: RunRecord.load(folder) for name, folder in folders.items()})
    context.model = LanguageModel(plan.model, config.dtype, folders, plan.dataset.manifest.chat_template)
    context.windows = Windows.of(runs.values())
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


def _against_last_round(
    plan: EvalPlan, answers: Mapping[str, Prediction], last_round: EarlierAnswers, config: EvalsConfig
) -> dict[str, BaselineComparison]:
    """Compares with the round before on the examples that both have, by each metric; returns nothing where there are none."""
    rows = [row for row in plan.rows if row.id in answers and row.id in last_round.predictions]
    if not rows:
        return {}
    both = {_NOW: answers, last_round.name: last_round.predictions}
    pairs = measure(rows, plan.metrics, both, dict.fromkeys(both, Role.TUNED), config, train_rows=plan.train_rows).pairs
    return {pair.metric: comparison_of(pair, 1 - config.confidence) for pair in pairs}


def _seeds(column: Column | None, role: Role, confidence: float) -> SeedsReport | None:
    """Returns how much the deciding metric depends on the seed, where the tuned system has several."""
    if role is not Role.TUNED or column is None or len(column.by_seed) < 2:
        return None
    values = [float(one.metric.value(one.sums.sum(axis=0))) for one in column.by_seed]
    spread, low, high = spread_of_seeds(values, confidence)
    return SeedsReport(n=len(values), sd=spread, low=low, high=high)


def _all_failed(system: System, predictions: Mapping[str, Prediction], context: EvalContext) -> bool:
    """Says whether a baseline could answer nothing, and notes why.

    Raises:
        UserError: a model could not be asked a single example: a report of that would be empty.
    """
    if any(prediction.state is not PredictionState.ERROR for prediction in predictions.values()):
        return False
    reasons = sorted({prediction.detail or "" for prediction in predictions.values()})
    if system.needs_model:
        where = system.other_model or (context.model.name if context.model is not None else system.run)
        raise UserError(f"no example can be put to {system.label}: {_first(reasons)}", where)
    context.notes.append(f"{system.label} is left out: {_first(reasons)}")
    return True


def _system_report(plan: EvalPlan, asked: _Asked, label: str, metrics: dict[str, MetricValue], cost: float | None) -> SystemReport:
    states, seconds = [prediction.state for prediction in asked.answers[label].values()], asked.seconds[label]
    return SystemReport(
        role=asked.roles[label],
        n_total=len(plan.rows),
        n_scored=sum(state.is_scored for state in states),
        metrics=metrics,
        states={state.value: states.count(state) for state in PredictionState if state in states},
        seconds=round(seconds, 3),
        examples_per_second=round(len(states) / max(seconds, 1e-9), 3),
        cost=cost,
    )


def _notes(context: EvalContext) -> list[str]:
    apart = [f"{context.num_split_apart} choices are encoded apart from their prompt, as a token spans the join"]
    return context.notes + (apart if context.num_split_apart else [])


def _metric_notes(plan: EvalPlan, measured: Measured) -> list[str]:
    """Returns what is to be known of the metrics to read their values."""
    metrics = {name: column.metric for columns in measured.columns.values() for name, column in columns.items()}
    asked = {
        name: [row for row in plan.rows if row.task in metric.tasks and name in plan.metrics[row.template]]
        for name, metric in metrics.items()
    }
    return [said for name, metric in metrics.items() if (said := metric.note(asked[name])) is not None]


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
    return all(key in b and _said(a[key]) == _said(b[key]) for key in a)


def _said(prediction: Prediction) -> tuple[object, ...]:
    """Returns what a model says, without what is made of it: a run that has no effect ranks by a ratio that is 0."""
    parts = None if prediction.parts is None else [(part.name, part.loglikelihood) for part in prediction.parts]
    return None if parts else prediction.text, prediction.loglikelihoods, parts


def _first(reasons: Sequence[str]) -> str:
    return reasons[0] + (f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else "")
