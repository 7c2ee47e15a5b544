"""What a run of the objective `reward` says of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.errors import UserError
from templates.chat import EncodeError, Message, load_tokenizer
from train.methods.base import method_of, value_head
from train.models.heads import into_head
from train.models.load import Model, load_model, model_folder, unwrapped
from train.objectives.answers import encode_answer
from train.runs.folder import weights_dir
from train.runs.record import SEQUENCE_CLASSIFIER, RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


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
    """

    model: Model
    tokenizer: "PreTrainedTokenizerBase"
    num_refused: int = 0

    @classmethod
    def load(cls, run: Path) -> "RewardModel":
        """Loads what a run saved.

        Raises:
            UserError: the model or what the run saved cannot be loaded.
        """
        record = RunRecord.load(run)
        record.require_base(record.base_model, model_folder(record.base_model))
        base = load_model(record.base_model, "bfloat16" if record.dtype == "bfloat16" else "float32", record.auto_class)
        model = method_of(run).load(base, weights_dir(run))
        value_head(model).float()  # as it was trained
        return cls(model, load_tokenizer(record.base_model, record.chat_template.on_a_day()))

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
