"""Asking base and runs the same questions, in conversations: one base in memory, each run's change switched on and off."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import is_utf8
from templates.chat import AnswerFrame, EncodeError, Message, encode_prompt, frame_answer
from templates.conversation import decode
from train.inference.generation import all_end_ids, generate
from train.inference.language_model import LanguageModel
from train.methods.base import METHODS
from train.models.config_checks import model_config, position_limit, require_embeddings, says_masked
from train.models.load import model_folder
from train.runs.folder import weights_dir
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BASE = "base"
"""What the base is called among those that answer."""
TUNED = "tuned"
"""What a run is called that is alone."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one model is given.

    Attributes:
        input_ids: its tokens, the generation prompt included.
        text: what they say, special tokens included.
        frame: what the chat template writes around the answer.
    """

    input_ids: list[int]
    text: str
    frame: AnswerFrame


@dataclass(frozen=True, slots=True)
class Answers:
    """What base and runs answered to the same question, each in its own conversation.

    Attributes:
        question: the user's turn.
        system: the system message that the base had.
        base: the base's answer.
        answers: each run's answer, by what the run is called.
        prompts: what each was given, `base` first.
    """

    question: str
    system: str | None
    base: str
    answers: dict[str, str]
    prompts: dict[str, Prompt]

    @property
    def tuned(self) -> str:
        """The answer of the first run."""
        return next(iter(self.answers.values()))

    def to_json(self, *, with_prompts: bool = False) -> dict[str, Any]:
        """Returns the answers as one JSON object; `answers` has those of several runs."""
        return {
            "question": self.question,
            "system": self.system,
            BASE: self.base,
            TUNED: self.tuned,
            **({"answers": self.answers} if len(self.answers) > 1 else {}),
            **({"prompts": {name: prompt.text for name, prompt in self.prompts.items()}} if with_prompts else {}),
        }


@dataclass(slots=True)
class Comparison:
    """A base and runs on it, ready to be asked.

    Attributes:
        model: the base with what the runs trained.
        names: what the runs are called.
        systems: the system message of the base and of each run; None for none.
        max_new_tokens: the longest answer, in tokens.
        keeps_history: a question is asked behind the questions before it, and each model's own answers to them.
        histories: the conversations so far, without their system messages.
    """

    model: LanguageModel
    names: tuple[str, ...]
    systems: dict[str, str | None]
    max_new_tokens: int
    keeps_history: bool = False
    histories: dict[str, list[Message]] = field(default_factory=dict)

    @classmethod
    def load(
        cls, run_dirs: Path | Sequence[Path], model: str | None = None, system: str | None = None, max_new_tokens: int = 256
    ) -> "Comparison":
        """Loads the base of some runs, and what each of them trained.

        Args:
            run_dirs: finished runs on one base; a seed of a run is a run.
            model: the base model, where it is no longer where `run.json` says.
            system: the system message; default: the one that all of a run's training examples have, if they do. Empty means none.
            max_new_tokens: the longest answer, in tokens.

        Raises:
            UserError: a run is not finished or writes no answers, the runs are of several bases, or the model is not theirs.
        """
        folders = _named([run_dirs] if isinstance(run_dirs, Path) else run_dirs)
        records = {name: RunRecord.load(folder) for name, folder in folders.items()}
        for name, record in records.items():
            record.require_answers(folders[name])
            METHODS.get(record.method).require_saved(weights_dir(folders[name]))
        _require_one_base(records)
        first = next(iter(records.values()))
        base = model or first.base_model
        folder = model_folder(base)
        first.require_base(base, folder)
        if says_masked(model_config(folder)):
            one = next(iter(folders.values()))
            cause = "the run's model is a masked one, which fills blanks and writes nothing"
            raise UserError(cause, str(one), f"Evaluate it instead: evals run DATASET --adapter {one}")
        systems = _systems(records, system)
        loaded = LanguageModel(base, "auto", folders)
        require_embeddings(base, folder, loaded.tokenizer)
        return cls(loaded, tuple(folders), systems, max_new_tokens)

    def start_over(self, history: Iterable[Message] = ()) -> None:
        """Forgets the conversations; all of them go on from the same messages, where some are given."""
        given = list(history)
        self.histories = {name: list(given) for name in (BASE, *self.names)}

    def use_system(self, system: str | None) -> None:
        """Gives all models another system message, and starts over."""
        self.systems = dict.fromkeys((BASE, *self.names), system or None)
        self.start_over()

    def ask(self, question: str) -> Answers:
        """Answers a question greedily, by the base and by each run.

        Raises:
            UserError: the question is empty or no text, a conversation is longer than the model can take, or the chat template refuses it;
                the conversations are then as they were.
        """
        prompts = self.prompts(question)
        said = {name: self._generate(name, prompt) for name, prompt in prompts.items()}
        if self.keeps_history:
            for name, answer in said.items():
                turns: list[Message] = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                self.histories.setdefault(name, []).extend(turns)
        return Answers(question, self.systems[BASE], said.pop(BASE), said, prompts)

    def prompts(self, question: str) -> dict[str, Prompt]:
        """Returns what each model is given, were it asked this; raises what `ask` does."""
        if not question.strip():
            raise UserError("the question is empty", remedy='Ask something: --ask "..."')
        if not is_utf8(question):
            raise UserError("the question is not UTF-8", remedy="Type it in a terminal that is set to UTF-8.")
        return {name: self._prompt(name, question) for name in (BASE, *self.names)}

    def _prompt(self, name: str, question: str) -> Prompt:
        tokenizer, system = self._tokenizer(name), self.systems[name]
        turns: list[Message] = [*self.histories.get(name, []), {"role": "user", "content": question}]
        messages: list[Message] = [{"role": "system", "content": system}, *turns] if system else turns
        try:
            input_ids, frame = encode_prompt(tokenizer, messages), frame_answer(tokenizer, messages)
        except EncodeError as error:
            raise _without_system(tokenizer, turns, error) if system else error from error
        limit = position_limit(self.model.model.config.get_text_config())
        if limit is not None and len(input_ids) >= limit:
            what, remedy = "question", "Ask a shorter one."
            if len(turns) > 1:
                what, remedy = "conversation", "Start over with /reset, ask something shorter, or shorten the messages that it began with."
            raise UserError(f"the {what} has {len(input_ids):,} tokens, and the model takes {limit:,}", remedy=remedy)
        return Prompt(input_ids, decode(tokenizer, input_ids), frame)

    def _generate(self, name: str, prompt: Prompt) -> str:
        tokenizer, limit = self._tokenizer(name), position_limit(self.model.model.config.get_text_config())
        with self.model.with_adapter(None if name == BASE else name) as model:
            [written] = generate(
                model,
                tokenizer,
                [prompt.input_ids],
                end_ids=all_end_ids(model, prompt.frame),
                max_new_tokens=self.max_new_tokens,
                max_length=limit,
                own_settings=True,
            )
        # An end token that is no special token is shown.
        return prompt.frame.answer(tokenizer, written.token_ids).strip()

    def _tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        return self.model.tokenizer_of(None if name == BASE else name)


def _named(run_dirs: Sequence[Path]) -> dict[str, Path]:
    """Returns one run as `tuned`; several by their folders' names, or by their paths where two have one name, or the base's.

    Raises:
        UserError: there is none, or one is named twice.
    """
    if not run_dirs:
        raise UserError("no run is named", "--adapter", "Name the folder of a finished run.")
    if len(run_dirs) == 1:
        return {TUNED: run_dirs[0]}
    resolved = [folder.resolve() for folder in run_dirs]
    twice = next((folder for folder, real in zip(run_dirs, resolved, strict=True) if resolved.count(real) > 1), None)
    if twice is not None:
        raise UserError("the run is named twice", str(twice), "Name each run once.")
    short = [f"{real.parent.name}/{real.name}" if real.name.startswith("seed-") else real.name for real in resolved]
    is_plain = len({*short, BASE}) == len(short) + 1
    return dict(zip(short if is_plain else map(str, run_dirs), run_dirs, strict=True))


def _require_one_base(records: dict[str, RunRecord]) -> None:
    """Makes sure that runs share a base.

    Raises:
        UserError: they do not.
    """
    (one, first), *others = records.items()
    for other, record in others:
        if record.model_sha256 != first.model_sha256:
            cause = f"the runs are of two bases: '{one}' was trained on '{first.model}', '{other}' on '{record.model}' with other weights"
            raise UserError(cause, "--adapter", "Name runs on one base, or ask each of them by itself.")


def _systems(records: dict[str, RunRecord], system: str | None) -> dict[str, str | None]:
    """Returns the system message of the base and of each run, and says where it comes from the training data."""
    if system is not None:
        return dict.fromkeys((BASE, *records), system or None)
    own = {name: record.system_prompt or None for name, record in records.items()}
    told = {text for text in own.values() if text}
    first = next((text for text in own.values() if text), None)
    if len(set(own.values())) > 1:
        notice("Each run is asked with the system message of its training data, and the base with the first (--system gives one to all):")
        for name, text in own.items():
            notice(f"  {name}: {text or 'none'}")
    elif told:
        notice(f"System message, as in the training data (--system changes it): {first}")
    return {BASE: first, **own}


def _without_system(tokenizer: "PreTrainedTokenizerBase", turns: list[Message], error: EncodeError) -> UserError:
    """Returns what to say of messages that cannot be encoded: the system message, where it is that alone which does not fit."""
    try:
        encode_prompt(tokenizer, turns)
    except EncodeError:
        return error
    cause = f"the chat template takes no system message here: {error.cause}"
    return UserError(cause, remedy="Ask without one (--system '', or /system by itself), and say it in the question.")
