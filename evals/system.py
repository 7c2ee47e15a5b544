"""What a system under test is, and what it is given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from evals.config import EvalsConfig, Form
from evals.language_model import LanguageModel
from evals.prediction import Advance, Prediction
from evals.requests import ChoiceRequest
from evals.rows import EvalRow, Task
from loopwright.errors import UserError
from loopwright.registry import Registry


@dataclass(slots=True)
class EvalContext:
    """Everything that systems share in one evaluation.

    Attributes:
        rows: the examples to answer.
        train_rows: the examples of the train split, for the baselines.
        form: in which classification is scored, for every system.
        config: the options.
        model: the loaded model, where a system asks for one.
        encoded: encoded choices by example id, or why they cannot be encoded; filled by the first system that needs them.
        max_new_tokens: longest answer to write, in tokens; 0 where nothing is written.
        num_split_apart: choices that were encoded apart from their context.
        notes: what a person should know of how the answers were made.
    """

    rows: list[EvalRow]
    train_rows: list[EvalRow]
    form: Form
    config: EvalsConfig
    model: LanguageModel | None = None
    encoded: dict[str, ChoiceRequest | str] = field(default_factory=dict)
    max_new_tokens: int = 0
    num_split_apart: int = 0
    notes: list[str] = field(default_factory=list)

    def require_model(self) -> LanguageModel:
        """Returns the loaded model; a system that needs one says so, so that it is there."""
        assert self.model is not None, "a system that does not need a model asked for it"
        return self.model

    def rows_of(self, task: Task) -> list[EvalRow]:
        """Returns the examples of one task."""
        return [row for row in self.rows if row.task is task]

    def train_rows_of(self, template: str) -> list[EvalRow]:
        """Returns the labelled train examples of one template."""
        return [row for row in self.train_rows if row.template == template and row.choices is not None and row.label is not None]


class System(ABC):
    """Something that answers examples. In reports it is called by its name, and `name:argument` where it takes one."""

    name: ClassVar[str]
    needs_model: ClassVar[bool] = False
    takes_argument: ClassVar[bool] = False
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    @abstractmethod
    def answer(self, context: EvalContext, argument: str, advance: Advance) -> list[Prediction]:
        """Returns one prediction for each example of the tasks it knows, in any order.

        Args:
            context: the examples and what systems share.
            argument: what stands after the colon of the system's name; empty where nothing does.
            advance: told how many examples are done.
        """


@dataclass(frozen=True, slots=True)
class Entry:
    """A system as asked for: `label` is its name in reports, exactly as given."""

    label: str
    system: System
    argument: str


SYSTEMS: Registry[System] = Registry("evals.systems", System, key="name", kind="system")


def parse_systems(names: tuple[str, ...], adapter: str | None) -> list[Entry]:
    """Turns the names of systems into systems, in their order, none twice.

    A bare `adapter` stands for the run of `--adapter`, and for nothing where there is none; a run given by `--adapter` is
    compared even where `names` does not list it.

    Raises:
        UserError: there is no such system, or an argument is missing or not wanted.
    """
    wanted = list(names)
    if adapter is not None and "adapter" not in wanted and f"adapter:{adapter}" not in wanted:
        wanted.append("adapter")
    entries: dict[str, Entry] = {}
    for name in wanted:
        kind, colon, argument = name.partition(":")
        if name == "adapter":
            if adapter is None:
                continue
            argument = adapter
        system = SYSTEMS.get(kind)()
        if system.takes_argument != bool(argument) or (colon and not argument):
            remedy = f"Write '{kind}:...'." if system.takes_argument else f"Write '{kind}'."
            raise UserError(f"'{name}' is not how the system '{kind}' is named", "systems", remedy)
        label = f"{kind}:{argument}" if argument else kind
        entries[label] = Entry(label, system, argument)
    return list(entries.values())
