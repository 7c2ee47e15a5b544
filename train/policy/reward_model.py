"""What a run of the objective `reward` says of answers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.errors import UserError
from loopwright.progress import Advance
from templates.chat import Encoded, EncodeError, Message, load_tokenizer
from train.data.examples import TrainingExample
from train.inference.language_model import context_length
from train.methods.base import method_of, value_head
from train.models.heads import into_head
from train.models.load import Dtype, Model, load_model, model_folder, unwrapped
from train.objectives.answers import encode_answer
from train.objectives.base import TokenSequence
from train.runs.folder import weights_dir
from train.runs.record import SEQUENCE_CLASSIFIER, RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


_NAME = "default"


def open_reward(run: str) -> RunRecord:
    """Returns the record of a run that trained a reward model.

    Raises:
        UserError: it is not finished, or trained something else.
    """
    record = RunRecord.load(Path(run))
    if record.auto_class != SEQUENCE_CLASSIFIER:
        cause = f"the run trained no reward model, but the objective '{record.objective}'"
        raise UserError(cause, run, "Train one: train run PAIRS --objective reward --out RUN")
    return record


@dataclass(slots=True)
class RewardModel:
    """A reward model, loaded.

    Attributes:
        model: with its head of one output.
        tokenizer: with the chat template as the run used it.
        num_refused: answers so far that the chat template could not be proven to hold, and have no reward.
        switched: keeps on what the run trained: of a method that trains the model's own weights they stand in the base's place.
    """

    model: Model
    tokenizer: "PreTrainedTokenizerBase"
    num_refused: int = 0
    switched: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def load(cls, run: Path, *, model: str | None = None, dtype: Dtype = "auto") -> "RewardModel":
        """Loads what a run saved.

        Args:
            run: its folder.
            model: the base model, where it is no longer where `run.json` says.
            dtype: precision of weights and computation; `auto` is that of the run.

        Raises:
            UserError: the model or what the run saved cannot be loaded.
        """
        record = RunRecord.load(run)
        name = model or record.base_model
        record.require_base(name, model_folder(name))
        trained: Dtype = "bfloat16" if record.dtype == "bfloat16" else "float32"
        method, switched = method_of(run), ExitStack()
        loaded = method.load(load_model(name, trained if dtype == "auto" else dtype, record.auto_class), weights_dir(run), _NAME)
        loaded = switched.enter_context(method.using(loaded, _NAME))
        value_head(loaded).float()  # as it was trained
        return cls(loaded, load_tokenizer(name, record.chat_template.on_a_day()), switched=switched)

    @property
    def max_length(self) -> int:
        """The model's context in tokens."""
        return context_length(unwrapped(self.model).config, self.tokenizer)

    def rewards(self, rows: Sequence[Sequence[list[int]]], max_batch_tokens: int, advance: Advance) -> list[tuple[float, ...]]:
        """Returns the reward of each conversation of each row, given as token ids, read at its last token as in training.

        Args:
            rows: conversations that may begin alike, each within the model's context.
            max_batch_tokens: tokens of a batch, padding included.
            advance: told how many rows are done.
        """
        import torch

        from train.data.packing import collate
        from train.engine.values import ValueScorer

        scorer = ValueScorer.for_model(self.model)
        found: list[tuple[float, ...]] = [()] * len(rows)
        try:
            for batch in _batches(rows, max_batch_tokens):
                examples = [_as_example(rows[place]) for place in batch]
                with torch.no_grad():
                    values = scorer.score(collate(examples, scorer.device, packed=scorer.packed)).values
                assert values is not None, "a head of one output gives a value of each conversation"
                given = iter(values.tolist())
                for place in batch:
                    found[place] = tuple(next(given) for _ in rows[place])
                advance(len(batch))
        finally:
            scorer.restore_attention()
        return found

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float | None]:
        """Returns the reward of each answer to its prompt, read at the last token as in training; None where it cannot be encoded."""
        return [self._score(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _score(self, prompt: Sequence[Message], answer: str) -> float | None:
        """Scores one conversation by itself: no padding, which models read in ways of their own."""
        import torch

        try:
            encoded = encode_answer(self.tokenizer, prompt, [{"role": "assistant", "content": answer}])
        except EncodeError:
            self.num_refused += 1
            return None
        inner = unwrapped(self.model)
        with torch.no_grad():
            hidden = into_head(inner, input_ids=torch.tensor([encoded.input_ids], device=inner.device))
            return float(value_head(self.model)(hidden[:, -1].float()))


def _as_example(conversations: Sequence[list[int]]) -> TrainingExample:
    """Returns conversations as what a micro-batch is made of."""
    sequences = tuple(TokenSequence.whole(Encoded("", ids, [0.0] * len(ids), [], [])) for ids in conversations)
    return TrainingExample("", "", "", sequences, 1.0)


def _batches(rows: Sequence[Sequence[list[int]]], max_batch_tokens: int) -> Iterator[list[int]]:
    """Yields rows of like length that fit into a batch, the longest first, or one that does not."""
    longest = [max(map(len, row)) for row in rows]
    batch: list[int] = []
    num_conversations = 0
    for place in sorted(range(len(rows)), key=longest.__getitem__, reverse=True):
        if batch and longest[batch[0]] * (num_conversations + len(rows[place])) > max_batch_tokens:
            yield batch
            batch, num_conversations = [], 0
        batch.append(place)
        num_conversations += len(rows[place])
    if batch:
        yield batch
