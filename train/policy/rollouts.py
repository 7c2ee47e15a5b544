"""TRL's RLOO trainer on a policy, prompts and rewards that are ours: prompts are encoded as training and evaluation encode them."""

import contextlib
import copy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset as Table
from datasets.utils.logging import disable_progress_bar
from transformers import PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback

from templates.chat import Message, encode_prompt, frame_answer
from train.inference.generation import all_end_ids
from train.models.load import Model, compute_dtype
from train.policy.config import RlhfConfig
from train.policy.reward_model import RewardModel

Watch = Callable[[int, Mapping[str, float]], None]
"""Is told the number of a finished step, and its numbers: `reward`, `kl`, `grad_norm` and others of TRL's names."""

_REFERENCE = "ref"
"""What TRL calls its copy of the adapter that the policy begins with."""
# Answers that are drawn at a time when the reward is measured.
_ANSWERS_AT_A_TIME = 32


class Rollouts:
    """Draws answers from a policy, has them judged, and makes what is judged better likelier.

    RLOO (Ahmadian et al., "Back to Basics", 2024): a step's gradient is that of each answer's log-likelihood, times how much its reward,
    less `beta` nats of distance from the start, is above the mean of the prompt's other answers.

    Args:
        policy: with its adapter, prepared for training; it is changed in place.
        tokenizer: the policy's.
        reward: judges the answers.
        prompts: all that may be asked, by their numbers from 0 on.
        config: the options.
        num_trained: the first so many of them are trained on.
        folder: TRL may write into it.
        watch: is told of each step.
    """

    def __init__(
        self,
        policy: Model,
        tokenizer: PreTrainedTokenizerBase,
        reward: RewardModel,
        prompts: Sequence[list[Message]],
        config: RlhfConfig,
        *,
        num_trained: int,
        folder: Path,
        watch: Watch,
    ) -> None:
        from trl import RLOOTrainer

        self._policy: Any = policy
        self._config = config
        self._rewards: dict[int, list[float]] = {}
        ends = sorted(all_end_ids(policy, frame_answer(tokenizer, prompts[0])))
        policy.generation_config.eos_token_id = ends

        def judge(prompts: list[Any], completions: list[Any], **_: Any) -> list[float | None]:
            numbers = [_number(prompt) for prompt in prompts]
            found = reward.score([asked[number] for number in numbers], [answer[0]["content"] for answer in completions])
            for number, value in zip(numbers, found, strict=True):
                self._rewards.setdefault(number, []).extend([] if value is None else [value])
            return found

        asked = prompts

        class Trainer(RLOOTrainer):  # type: ignore[misc]
            def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
                return [encode_prompt(tokenizer, asked[_number(prompt)]) for prompt in prompts], None, {}

        disable_progress_bar()
        with _quietly():
            self._trainer = Trainer(
                model=policy,
                reward_funcs=[judge],
                args=_arguments(config, folder, compute_dtype(policy)),
                train_dataset=_table(range(num_trained)),
                processing_class=copy.deepcopy(tokenizer),  # TRL gives it a padding token, and encodes nothing with it
                callbacks=[_Watching(watch)],
            )
        self._trainer.remove_callback(PrinterCallback)

    def measure(self, numbers: Sequence[int]) -> list[float | None]:
        """Draws answers to some prompts, by the seed; returns the mean reward of each prompt's, None where the reward model took none."""
        self._rewards = {}
        torch.manual_seed(self._config.seed)
        with _quietly():
            self._trainer.evaluate(_table(numbers))
        return [fmean(found) if (found := self._rewards.get(number)) else None for number in numbers]

    def train(self) -> None:
        """Takes all steps."""
        torch.manual_seed(self._config.seed)
        with _quietly():
            self._trainer.train()

    @property
    def num_tokens(self) -> int:
        """Tokens of prompts and answers, all steps together."""
        return int(self._trainer.state.num_input_tokens_seen)

    def policy(self) -> Model:
        """Returns the policy as it is now, without TRL's copy of how it began."""
        if _REFERENCE in self._policy.peft_config:
            self._policy.delete_adapter(_REFERENCE)
        trained: Model = self._policy.eval()
        return trained


class _Watching(TrainerCallback):  # type: ignore[misc]
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:  # noqa: ARG002
        if logs and "reward" in logs:
            self._watch(state.global_step, {name: float(value) for name, value in logs.items() if isinstance(value, int | float)})


def _arguments(config: RlhfConfig, folder: Path, dtype: torch.dtype) -> Any:
    from trl import RLOOConfig

    return RLOOConfig(
        output_dir=str(folder),
        learning_rate=config.learning_rate,
        lr_scheduler_type="linear",
        max_steps=config.max_steps,
        max_grad_norm=config.max_grad_norm,
        per_device_train_batch_size=config.num_generations,
        gradient_accumulation_steps=config.batch_size,
        per_device_eval_batch_size=config.num_generations * max(1, _ANSWERS_AT_A_TIME // config.num_generations),
        num_generations=config.num_generations,
        max_completion_length=config.max_new_tokens,
        temperature=config.temperature,
        beta=config.beta,
        bf16=dtype == torch.bfloat16,
        gradient_checkpointing=False,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        logging_strategy="steps",
        disable_tqdm=True,
        seed=config.seed,
    )


def _table(numbers: Sequence[int]) -> Table:
    """Returns prompts for TRL, each by its number alone: what a message may hold beside its content does not fit a table."""
    return Table.from_list([{"prompt": [{"role": "user", "content": str(number)}]} for number in numbers])


def _number(prompt: Any) -> int:
    return int(prompt[-1]["content"])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps stdout, which has a command's result, and stderr, which has ours, free of what TRL and transformers tell their own authors."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
