"""What a system under test is, and what it is given."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from evals.config import EvalsConfig
from evals.data.prediction import PartScore, Prediction
from evals.data.references import ReferenceKinds
from evals.data.role import Role
from evals.data.rows import ASKED, EvalRow, Task
from evals.metrics.base import METRICS
from evals.predict.calls import num_call_tokens
from evals.predict.parts import Windows
from evals.systems.asked import Asked
from evals.systems.spec import FORMS, SystemForm, SystemSpec
from loopwright.errors import UserError
from loopwright.progress import Advance
from loopwright.registry import Registry
from templates.chat import ChatTemplateConfig
from templates.form import Form
from train.inference.generation import DEFAULT_NEW_TOKENS, answer_limit
from train.inference.language_model import LanguageModel
from train.inference.requests import ChoiceRequest

_MEASURED_CALLS = 8
"""Of so many of the longest calls of the train split the tokens are counted."""


@dataclass(slots=True)
class EvalContext:
    """Everything that systems share in one evaluation.

    Attributes:
        rows: the examples to answer.
        train_rows: the examples of the train split, for the baselines.
        form: in which classification is scored, for every system.
        config: the options.
        model: the loaded model, where a system asks for one.
        encoded: how the chat template is used (None: it is not) -> encoded choices by example id, or why they cannot be encoded; filled
            by the first system that needs them.
        chat_template: how the chat template is used where no run says it.
        max_new_tokens: longest answer to write, in tokens; 0 where nothing is written.
        num_split_apart: choices that were encoded apart from their context.
        notes: what a person should know of how the answers were made.
        passages: what was looked up for each example, by its id; None where nothing is looked up.
        asked: how the system that answered last asked the model; None where it asked none.
        costs: system -> what its answers cost, by the config's prices.
        kinds: what the written answers of each template are.
        metrics: template -> metric ids; what none of them reads need not be worked out. None: all may be read.
        windows: how plain texts are read; None: as a run reads them by default.
        read: what was read of examples that several systems ask for: by the adapter (None: the base), how the chat template is used, and
            the example's id.
    """

    rows: list[EvalRow]
    train_rows: list[EvalRow]
    form: Form
    config: EvalsConfig
    model: LanguageModel | None = None
    encoded: dict[ChatTemplateConfig | None, dict[str, ChoiceRequest | str]] = field(default_factory=dict)
    chat_template: ChatTemplateConfig = field(default_factory=ChatTemplateConfig)
    max_new_tokens: int = 0
    num_split_apart: int = 0
    notes: list[str] = field(default_factory=list)
    passages: dict[str, tuple[str, ...]] | None = None
    asked: Asked | None = None
    costs: dict[str, float] = field(default_factory=dict)
    kinds: ReferenceKinds = field(init=False)
    metrics: Mapping[str, Sequence[str]] | None = None
    windows: Windows | None = None
    read: dict[tuple[str | None, ChatTemplateConfig], dict[str, "tuple[PartScore, ...] | Prediction"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = ReferenceKinds.of(self.rows, self.train_rows)

    def limit_answers(self) -> None:
        """Sets the limit of new tokens: as asked for, else a quarter more than the longest train answer.

        The evaluated answers are not looked at.
        """
        answers = [row.reference for row in self.train_rows if row.task is Task.GENERATION]
        if self.config.max_new_tokens or not self.rows_of(Task.GENERATION):
            self.max_new_tokens = self.config.max_new_tokens or 0
        elif not answers:
            self.max_new_tokens = DEFAULT_NEW_TOKENS
        else:
            tokenizer = self.require_model().tokenizer
            longest = max(map(len, tokenizer(answers, add_special_tokens=False)["input_ids"]))
            # The chat template's notation of calls is longer than that of a reference, or shorter.
            calling = sorted((row for row in self.train_rows if row.calls), key=lambda row: len(row.reference), reverse=True)
            self.max_new_tokens = answer_limit(max([longest, *(num_call_tokens(tokenizer, row) for row in calling[:_MEASURED_CALLS])]))

    def require_model(self) -> LanguageModel:
        """Returns the loaded model; a system that needs one says so, so that it is there."""
        assert self.model is not None, "a system that does not need a model asked for it"
        return self.model

    def rows_of(self, task: Task) -> list[EvalRow]:
        """Returns the examples of one task."""
        return [row for row in self.rows if row.task is task]

    def rows_for(self, system: "System") -> list[EvalRow]:
        """Returns the examples that a system can answer."""
        return [row for row in self.rows if system.takes(row, self.kinds)]

    def reads(self, path: str, row: EvalRow) -> bool:
        """Says whether a metric of an example's template reads something of it, such as `prediction.parts`."""
        if self.metrics is None:
            return True
        named = (METRICS.get(name) for name in self.metrics[row.template])
        return any(path in metric.reads and row.task in metric.tasks for metric in named)

    def train_rows_of(self, template: str, task: Task = Task.CLASSIFICATION) -> list[EvalRow]:
        """Returns the train examples of one template and task whose answer is known."""
        rows = (row for row in self.train_rows if row.template == template and row.task is task)
        return [row for row in rows if task is Task.GENERATION or row.label is not None]


class System(ABC):
    """Something that answers examples.

    A system is made for each spec that asks for it, `System(spec)`, by `make_systems`, before anything is loaded: what takes
    time belongs into `answer`.

    Attributes:
        name: the kind of its specs, and the key of the registry.
        forms: how it can be asked for. A form of the grammar comes from `evals.systems.spec.FORMS`; an own system brings its own.
        needs_model: it asks a model: the one that all share, which the context has, or one that it loads by itself.
        tasks: what it can answer; by default what is asked. Of the other examples it says something in `Prediction.parts`.
        adds: the kinds of parts that can be added to it, such as `fewshot`.
        writes_labels: it also answers examples that ask for text, where the train answers of their template are labels.
        spec: what it was asked for as.
    """

    name: ClassVar[str]
    forms: ClassVar[tuple[SystemForm, ...]]
    needs_model: ClassVar[bool] = False
    tasks: ClassVar[frozenset[Task]] = ASKED
    writes_labels: ClassVar[bool] = False
    adds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, spec: SystemSpec) -> None:
        form = self.form_of(spec)
        assert form is not None, f"{type(self).__name__} does not take {spec}"
        self.spec = spec
        self._form = form

    @classmethod
    def form_of(cls, spec: SystemSpec) -> SystemForm | None:
        """Returns the form that a spec of its kind has; None where there is no code for such a spec."""
        if any(part.kind not in cls.adds for part in spec.added):
            return None
        return next((form for form in cls.forms if form.takes(spec.argument)), None)

    def takes(self, row: EvalRow, kinds: ReferenceKinds) -> bool:
        """Says whether it can answer an example; what is added to a system is added to what is asked."""
        if self.spec.added and row.task not in ASKED:
            return False
        return row.task in self.tasks or (self.writes_labels and kinds.has_label(row))

    @property
    def label(self) -> str:
        """Its name in reports."""
        return str(self.spec)

    @property
    def role(self) -> Role:
        """What it is compared as."""
        return Role.OTHER if self.spec.added else self._form.role

    @property
    def run(self) -> str | None:
        """The run folder that it answers with, as given; None where it is no trained one."""
        return None

    @property
    def shares_model(self) -> bool:
        """Says whether it asks the context for the loaded model."""
        return self.needs_model and self.other_model is None

    @property
    def other_model(self) -> str | None:
        """The base model that it loads by itself; None where it uses the one that all share, or none."""
        return None

    @abstractmethod
    def answer(self, context: EvalContext, advance: Advance) -> list[Prediction]:
        """Returns one prediction for each example that it takes, `context.rows_for(self)`, in any order.

        Args:
            context: the examples and what systems share.
            advance: told how many examples are done.
        """


SYSTEMS: Registry[System] = Registry("evals.systems", System, key="name", kind="system", plugins=("systems",))


def known_forms() -> list[SystemForm]:
    """Returns every way to name a system: the grammar's, built or not, and those that own systems bring."""
    own = [form for system in SYSTEMS.entries.values() for form in system.forms if form.text not in FORMS]
    return [*FORMS.values(), *own]


def make_systems(names: Sequence[str], adapter: str | None) -> list[System]:
    """Makes the systems that are asked for, in their order, none twice.

    A bare `adapter` stands for the run of `--adapter`, and for nothing where there is none; a run given by `--adapter` is
    compared even where `names` does not list it.

    Raises:
        UserError: a name is none of the grammar, or nothing is built for it.
    """
    if adapter == "":
        raise UserError("no run folder is named", "--adapter", "Give a run folder of `train run`, or leave it out.")
    forms = known_forms()
    bare = SystemSpec(FORMS["adapter"].kind)
    specs = [SystemSpec.parse(name, forms) for name in names]
    if adapter is not None and not {bare, replace(bare, argument=adapter)} & set(specs):
        specs.append(bare)
    systems: dict[str, System] = {}
    for spec in specs:
        is_bare = (spec.kind, spec.argument) == (bare.kind, bare.argument)
        if is_bare and adapter is None:
            continue
        system = _make(replace(spec, argument=adapter) if is_bare and adapter is not None else spec)
        systems[system.label] = system
    return list(systems.values())


def _make(spec: SystemSpec) -> System:
    system = SYSTEMS.entries.get(spec.kind)
    if system is None or system.form_of(spec) is None:
        built = [form.text for built in SYSTEMS.entries.values() for form in built.forms]
        raise UserError(f"there is no code for the system '{spec}' yet", "systems", f"There is for: {', '.join(built)}.")
    return system(spec)
