"""What an evaluation will do: everything that can be checked before a model is loaded or a file is written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.compare.gates import PRIMARY
from evals.compare.judgements import Standards, formed_templates
from evals.compare.measure import number_clusters
from evals.compare.needed import power_note
from evals.config import EvalsConfig, scored_form
from evals.data.references import ReferenceKinds
from evals.data.role import Role
from evals.data.rows import ASKED, RANKED, EvalRow, Task, choose_form, limit_rows, load_rows
from evals.forgetting.plan import MemoryPlan, canary_notes, plan_memory
from evals.metrics.base import (
    ANSWER_METRICS,
    CALL_METRICS,
    DEFAULT_METRICS,
    JSON_METRICS,
    LABEL_METRICS,
    METRICS,
    REWARD_METRICS,
)
from evals.predict.server import require_prices
from evals.systems.adapter import is_reward
from evals.systems.base import System, make_systems
from evals.systems.passages import KIND, read_corpus
from loopwright.console import notice
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from templates.chat import ChatTemplateConfig, load_tokenizer
from templates.chat_options import asks_clock, dated_notice
from templates.form import Form
from train.methods.base import METHODS
from train.models.config_checks import require_embeddings
from train.models.load import model_folder
from train.runs.folder import weights_dir
from train.runs.record import RunRecord

_OTHER_ROWS = (
    "Take a dataset of chats that end on an answer, of prompts with choices, of plain texts, or of answers that people have judged."
)
_READ_FORMS = {Task.TEXT: Form.COMPLETION, Task.PREFERENCE: Form.PREFERENCE, Task.UNPAIRED: Form.UNPAIRED}


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """A checked evaluation.

    Attributes:
        dataset: the opened dataset.
        rows: the examples to answer.
        train_rows: those of the train split.
        systems: what is compared, in the order of the report.
        runs: what is known of each run, by its folder as given.
        model: the base model's name; None where no system needs one.
        form: in which classification is scored.
        metrics: template -> metric ids.
        primary: the metric that decides the verdict.
        notes: what was left out, and why.
        warnings: what makes the result doubtful.
        standards: what the answers are held to.
        power: what these examples can show, before any is answered.
        memory: what is measured of forgetting and memory; None: nothing.
    """

    dataset: Dataset
    rows: list[EvalRow]
    train_rows: list[EvalRow]
    systems: list[System]
    runs: dict[str, RunRecord]
    model: str | None
    form: Form
    metrics: dict[str, tuple[str, ...]]
    primary: str
    notes: list[str]
    warnings: list[str]
    standards: Standards
    power: str
    memory: MemoryPlan | None = None

    @property
    def tuned(self) -> System | None:
        """The first tuned system, which the verdict is about."""
        return next((system for system in self.systems if system.role is Role.TUNED), None)


def make_plan(dataset_path: Path, config: EvalsConfig) -> EvalPlan:
    """Checks an evaluation.

    Raises:
        UserError: the dataset, a run or the model is not there, the split is empty, or two of them do not go together.
    """
    dataset = Dataset.open(dataset_path)
    notes: list[str] = []
    warnings: list[str] = []
    rows = _rows(dataset, config, notes)
    systems = make_systems(config.systems, config.adapter)
    runs = {system.run: _open_run(system.run, rows) for system in systems if system.run is not None}
    form = _form(rows, runs, config)
    if any(part.kind == KIND for system in systems for part in (system.spec, *system.spec.added)):
        read_corpus(config.corpus)
    if any(system.spec.kind == "endpoint" for system in systems):
        require_prices(config.endpoint)
    train_rows = load_rows(dataset, "train")[0]
    kinds = ReferenceKinds.of(rows, train_rows)
    systems = _applicable(systems, rows, kinds, notes)
    model = _model(systems, runs, config)
    if model is not None:
        notes += _dated_notes(model, rows, form, _chat_templates(dataset, runs))
    metrics = _metrics(dataset, rows, kinds, config)
    if any(map(is_reward, runs.values())) and not config.metrics:
        metrics = _with_rewards(metrics, rows)
    for given, run in runs.items():
        if not run.was_trained_on(dataset.manifest.key):
            warnings.append(f"{given} was trained on another build of the data: rows of this split may have been in its train split")
        if run.leaks:
            warnings.append(f"{given} was trained on {len(run.leaks)} rows that are also in validation or test: {_few(run.leaks)}")
        if run.seeds is not None:
            seeds = ", ".join(map(str, run.seeds))
            notes.append(f"{given}: metrics are the means of its seeds {seeds}; each is a system of its own as adapter:{given}/seed-N")
    if config.split == "train":
        warnings.append("these are the examples that the adapter was trained on: the scores say what it remembers, not what it has learnt")
    notes += canary_notes(runs)
    primary = _primary(rows, metrics)
    standards = _standards(dataset, rows, kinds, metrics, config)
    power = power_note(primary, int(number_clusters(rows).max()) + 1, config.minimum_effect, config.confidence)
    memory = plan_memory(dataset, systems, runs, model, config)
    return EvalPlan(dataset, rows, train_rows, systems, runs, model, form, metrics, primary, notes, warnings, standards, power, memory)


def _few(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")


@dataclass(frozen=True, slots=True)
class Scoring:
    """What saved predictions are scored by.

    Attributes:
        rows: the examples of the split.
        train_rows: those of the train split.
        metrics: template -> metric ids.
        primary: the metric that decides.
        standards: what the answers are held to.
    """

    rows: list[EvalRow]
    train_rows: list[EvalRow]
    metrics: dict[str, tuple[str, ...]]
    primary: str
    standards: Standards

    @classmethod
    def of(cls, dataset: Dataset, config: EvalsConfig) -> "Scoring":
        """Reads it of a dataset.

        Raises:
            UserError: the split is empty, or a metric is not known.
        """
        rows, train_rows = _rows(dataset, config, []), load_rows(dataset, "train")[0]
        kinds = ReferenceKinds.of(rows, train_rows)
        metrics = _metrics(dataset, rows, kinds, config)
        return cls(rows, train_rows, metrics, _primary(rows, metrics), _standards(dataset, rows, kinds, metrics, config))


def _standards(
    dataset: Dataset, rows: Sequence[EvalRow], kinds: ReferenceKinds, metrics: dict[str, tuple[str, ...]], config: EvalsConfig
) -> Standards:
    keep = {template.name: template.keep for template in dataset.manifest.templates}
    return Standards(kinds, keep, metrics, config.fail_below, formed_templates(rows))


def _rows(dataset: Dataset, config: EvalsConfig, notes: list[str]) -> list[EvalRow]:
    rows, num_other = load_rows(dataset, config.split)
    if not rows:
        splits = ", ".join(f"{name} ({count})" for name, count in dataset.manifest.splits.items() if count) or "none"
        cause = "has no example with an answer to compare with" if num_other else "is empty"
        remedy = _OTHER_ROWS if num_other else f"Splits with examples: {splits}. Choose one with --split."
        raise UserError(f"the {config.split} split {cause}", str(dataset.path), remedy)
    if num_other:
        other = "chats without an answer, or with a call that cannot be read, or prompts without choices"
        notes.append(f"{num_other} examples are {other}, and are not evaluated")
    limited = limit_rows(rows, config.limit)
    if len(limited) < len(rows):
        notes.append(f"{len(limited)} of {len(rows)} examples, drawn by a stable hash of their ids")
    return limited


def _open_run(given: str, rows: Sequence[EvalRow]) -> RunRecord:
    folder = Path(given)
    record = RunRecord.load(folder)
    if not any(row.task in RANKED for row in rows):
        record.require_answers(folder)
    METHODS.get(record.method).require_saved(weights_dir(folder))
    return record


def _form(rows: Sequence[EvalRow], runs: dict[str, RunRecord], config: EvalsConfig) -> Form:
    """Returns the form: that of the runs, which every system compared is scored in, else what is asked for or there.

    Where nothing is asked, it is that of what is read, which all read alike.
    """
    if not any(row.task in ASKED for row in rows):
        return _READ_FORMS[rows[0].task]
    forms = {given: scored_form(run.form) for given, run in runs.items() if not is_reward(run)}
    if len(set(forms.values())) > 1:
        raise UserError("the adapters were trained in two forms", ", ".join(forms), "Evaluate them apart: their scores cannot be compared.")
    trained = next(iter(forms.values()), None)
    if trained and config.form and trained != config.form:
        raise UserError(
            f"the adapter was trained in {trained} form, and --form asks for {config.form}", next(iter(forms)), "Leave --form out."
        )
    form = trained or choose_form(list(rows), config.form)
    choosing = [row for row in rows if row.task is Task.CLASSIFICATION]
    if choosing and not any(row.messages if form == Form.CHAT else row.prompt is not None for row in choosing):
        raise UserError(f"no example of the {config.split} split has the {form} form", "--form", "Choose the other form.")
    return form


def _metrics(dataset: Dataset, rows: Sequence[EvalRow], kinds: ReferenceKinds, config: EvalsConfig) -> dict[str, tuple[str, ...]]:
    """Returns each template's metrics: those of the config, else of the template, else of its task; of chats that of all answers, too."""
    found: dict[str, tuple[str, ...]] = {}
    tasks: dict[str, set[Task]] = {}
    for row in rows:
        tasks.setdefault(row.template, set()).add(row.task)
    for template, template_tasks in tasks.items():
        named = config.metrics or tuple(dataset.manifest.template(template).metrics)
        usable = tuple(name for name in named if METRICS.get(name).tasks & template_tasks)
        # A template of a task that the named metrics say nothing about is measured all the same.
        defaults = DEFAULT_METRICS | {Task.GENERATION: _written_metrics(dataset, template, kinds)}
        found[template] = usable or tuple(name for task in Task if task in template_tasks for name in defaults[task])
        if template in kinds.calls and not config.metrics:
            found[template] = _with_call_metrics(found[template], template, kinds)
        if Task.GENERATION in template_tasks and not config.metrics:
            found[template] = tuple(dict.fromkeys((*found[template], *ANSWER_METRICS)))
    for name in {name for names in found.values() for name in names}:
        METRICS.get(name).require_ready()
    for name in (*config.fail_below, *config.minimum_effect, *(name for name in config.gates if name != PRIMARY)):
        METRICS.get(name)
    return found


def _written_metrics(dataset: Dataset, template: str, kinds: ReferenceKinds) -> tuple[str, ...]:
    """Returns the metrics of a template's written answers, where it names none."""
    if template in kinds.json:
        return (*JSON_METRICS, "json_schema_valid") if dataset.manifest.template(template).answer_schema else JSON_METRICS
    return LABEL_METRICS if template in kinds.labels else DEFAULT_METRICS[Task.GENERATION]


def _with_call_metrics(metrics: tuple[str, ...], template: str, kinds: ReferenceKinds) -> tuple[str, ...]:
    """Adds the metrics of calls, of which no other metric says anything: first where at least half of the answers call a tool."""
    if any("row.calls" in METRICS.get(name).reads for name in metrics):
        return metrics
    return (*CALL_METRICS, *metrics) if template in kinds.mostly_calls else (*metrics, *CALL_METRICS)


def _with_rewards(metrics: dict[str, tuple[str, ...]], rows: Sequence[EvalRow]) -> dict[str, tuple[str, ...]]:
    """Returns each template's metrics where a reward model is evaluated: of pairs, how far it sets their answers apart."""
    ranked = {row.template for row in rows if row.task is Task.PREFERENCE}
    return {
        template: tuple(dict.fromkeys((*names, *REWARD_METRICS))) if template in ranked else names for template, names in metrics.items()
    }


def _applicable(systems: list[System], rows: Sequence[EvalRow], kinds: ReferenceKinds, notes: list[str]) -> list[System]:
    """Leaves out the systems that can answer none of the examples, and says so."""
    kept = [system for system in systems if any(system.takes(row, kinds) for row in rows)]
    there = _meanings({row.task for row in rows})
    notes += [
        f"{system.label} is left out: it is for {_meanings(ASKED if system.spec.added else system.tasks)}, and these examples are {there}"
        for system in systems
        if system not in kept
    ]
    if not kept:
        raise UserError("none of the systems can answer these examples", "systems", "Add base or adapter:RUN.")
    return kept


def _meanings(tasks: Collection[Task]) -> str:
    return " and ".join(task.meaning for task in Task if task in tasks)


def _model(systems: Sequence[System], runs: dict[str, RunRecord], config: EvalsConfig) -> str | None:
    """Returns the base model's name, after proof that the adapters were trained on its weights."""
    for other in {system.other_model for system in systems} - {None}:
        assert other is not None
        require_embeddings(other, model_folder(other), load_tokenizer(other))
    if not any(system.shares_model for system in systems):
        return None
    model = config.model or next((run.base_model for run in runs.values()), None)
    if model is None:
        raise UserError("no model is named", "--model", "Give one: --model embedded, a folder, a hub name, or a run with --adapter.")
    folder = model_folder(model)
    for run in runs.values():
        run.require_base(model, folder)
    require_embeddings(model, folder, load_tokenizer(model))
    return model


def _chat_templates(dataset: Dataset, runs: dict[str, RunRecord]) -> list[ChatTemplateConfig]:
    """Returns how the chat template is used: as in the runs; without one as the dataset's config says."""
    return [run.chat_template for run in runs.values()] or [dataset.manifest.chat_template]


def _dated_notes(model: str, rows: Sequence[EvalRow], form: Form, options: Sequence[ChatTemplateConfig]) -> list[str]:
    """Returns what is to be said of prompts that depend on the clock, where any example is put to the model as a chat."""
    is_chat = any(row.task in {Task.GENERATION, *RANKED} or (form == Form.CHAT and row.messages) for row in rows)
    tokenizers = [load_tokenizer(model, option.on_a_day()) for option in options] if is_chat else []
    found = [dated_notice(tokenizer, "this evaluation") for tokenizer in tokenizers if asks_clock(tokenizer)]
    for said in dict.fromkeys(found):
        notice(said)
    return list(dict.fromkeys(found))


def _primary(rows: Sequence[EvalRow], metrics: dict[str, tuple[str, ...]]) -> str:
    """Returns the first metric of the template with most examples that says which answers are better, or else the first."""
    templates = [row.template for row in rows]
    named = metrics[max(metrics, key=templates.count)]
    return next((name for name in named if METRICS.get(name).higher_is_better is not None), named[0])
