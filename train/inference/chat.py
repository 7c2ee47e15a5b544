"""Asking base and tuned the same question: one model in memory, its adapter on and off."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.console import notice
from loopwright.errors import UserError
from loopwright.files import is_utf8
from templates.chat import AnswerFrame, Message, encode_prompt, frame_answer, load_tokenizer
from train.inference.generation import all_end_ids, generate
from train.methods.base import METHODS, Method
from train.models.config_checks import model_config, require_embeddings, says_masked
from train.models.load import Model, model_folder
from train.models.quantize import load_base
from train.runs.folder import weights_dir
from train.runs.record import RunRecord

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Answers:
    """What base and tuned answered to the same messages."""

    question: str
    system: str | None
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model with a run's adapter, ready to be asked.

    Attributes:
        model: the base with what the run trained.
        method: switches between the two.
        tokenizer: the base model's.
        system: the system message before each question; None for none.
        max_new_tokens: the longest answer, in tokens.
    """

    model: Model
    method: type[Method]
    tokenizer: "PreTrainedTokenizerBase"
    system: str | None
    max_new_tokens: int

    @classmethod
    def load(cls, run_dir: Path, model: str | None = None, system: str | None = None, max_new_tokens: int = 256) -> "Comparison":
        """Loads a run's base model and adapter.

        Args:
            run_dir: a finished run.
            model: the base model, where it is no longer where `run.json` says.
            system: the system message; default: the one that all of the run's training examples have, if they do. Empty means none.
            max_new_tokens: the longest answer, in tokens.

        Raises:
            UserError: the run is not finished, or the model is not the one that it was trained on.
        """
        record = RunRecord.load(run_dir)
        record.require_answers(run_dir)
        name = model or record.base_model
        folder = model_folder(name)
        record.require_base(name, folder)
        if says_masked(model_config(folder)):
            cause = "the run's model is a masked one, which fills blanks and writes nothing"
            raise UserError(cause, str(run_dir), f"Evaluate it instead: evals run DATASET --adapter {run_dir}")
        if system is None and record.system_prompt is not None:
            system = record.system_prompt
            notice(f"System message, as in the training data (--system changes it): {system}")
        tokenizer = load_tokenizer(name, record.chat_template.on_a_day())
        require_embeddings(name, folder, tokenizer)
        method = METHODS.get(record.method)
        base = load_base(name, "auto", bool(record.config.get("quantize")))
        return cls(method.load(base, weights_dir(run_dir)), method, tokenizer, system or None, max_new_tokens)

    def ask(self, question: str) -> Answers:
        """Answers a question greedily, with the adapter off and on.

        Raises:
            UserError: the question is empty, no text or longer than the model can take, or the chat template refuses it.
        """
        if not question.strip():
            raise UserError("the question is empty", remedy='Ask something: --ask "..."')
        if not is_utf8(question):
            raise UserError("the question is not UTF-8", remedy="Type it in a terminal that is set to UTF-8.")
        messages: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": question})
        input_ids, frame = encode_prompt(self.tokenizer, messages), frame_answer(self.tokenizer, messages)
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit is not None and len(input_ids) >= limit:
            raise UserError(f"the question has {len(input_ids)} tokens, and the model takes {limit}", remedy="Ask a shorter one.")
        base, tuned = (self._generate(input_ids, frame, name) for name in (None, "default"))
        return Answers(question, self.system, base, tuned)

    def _generate(self, input_ids: list[int], frame: AnswerFrame, name: str | None) -> str:
        end_ids = all_end_ids(self.model, frame)
        with self.method.using(self.model, name) as model:
            [written] = generate(model, self.tokenizer, [input_ids], end_ids=end_ids, max_new_tokens=self.max_new_tokens, own_settings=True)
        # An end token that is no special token is shown.
        return frame.answer(self.tokenizer, written.token_ids).strip()
