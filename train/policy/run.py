"""A policy step, from prompts and two runs to a run folder: the work behind `train.rlhf`."""

import importlib.util
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from loopwright import __version__
from loopwright.console import notice
from loopwright.errors import UserError, missing_extra
from loopwright.files import require_writable, write_atomic
from loopwright.progress import ProgressCallback
from prep.dataset.manifest import Dataset
from prep.dataset.plugins import dataset_plugins
from templates.chat import Message, load_tokenizer
from train.config import TrainConfig, completed
from train.methods.base import METHODS, method_of, saved_names
from train.methods.started import Start, open_start, weights_hash
from train.models.load import load_model, model_folder
from train.policy.config import RlhfConfig
from train.policy.prompts import read_prompts, require_prompts
from train.policy.reward_model import RewardModel, open_reward
from train.runs.card import write_card
from train.runs.folder import METRICS_NAME, finished_run, remove_run, weights_dir
from train.runs.record import CAUSAL, RewardChange, RlhfRecord, RunRecord, Sample
from train.runs.tokenizer_files import save_tokenizer
from train.world import require_alone

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TRL, _EXTRA = "trl", "rlhf"
_KEPT = ("reward", "reward_std", "kl", "loss", "learning_rate", "grad_norm", "completions/mean_length")
"""What a line of metrics.jsonl says of a step, in TRL's names."""


def train_policy(
    dataset_dir: Path,
    run_dir: Path,
    config: RlhfConfig,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    config_path: Path | None = None,
) -> RunRecord:
    """Goes on from a run by what a reward model says of its answers, and writes the run folder, `run.json` last.

    Args:
        dataset_dir: a built dataset, whose chats and pairs give the prompts; their answers are not read.
        run_dir: the run's folder.
        config: the options.
        overwrite: remove the run that is in the folder.
        progress: called after each step.
        config_path: the config whose plug-ins are used; default: the one that lies beside the dataset.

    Raises:
        UserError: the dataset, one of the runs, an option or the folder is not fit; or TRL is not installed.
    """
    require_alone("train rlhf")
    with dataset_plugins(dataset_dir, config_path):
        step = _prepare(Dataset.open(dataset_dir), run_dir, config, overwrite=overwrite)
        if overwrite:
            remove_run(run_dir, saved_names())
        return _take(step, run_dir, progress)


@dataclass(frozen=True, slots=True)
class _Step:
    """A checked policy step: the prompts that are trained on come before those that are measured."""

    config: RlhfConfig
    dataset: Dataset
    reward_dir: Path
    start: Start
    policy: TrainConfig
    before: RunRecord
    tokenizer: "PreTrainedTokenizerBase"
    prompts: list[list[Message]]
    num_trained: int


def _prepare(dataset: Dataset, run_dir: Path, config: RlhfConfig, *, overwrite: bool) -> _Step:
    """Checks all that can be checked before a model is loaded.

    Raises:
        UserError: something is not fit.
    """
    if importlib.util.find_spec(_TRL) is None:
        raise missing_extra("train rlhf", _EXTRA)
    finished_run(run_dir, saved_names(), resume=False, overwrite=overwrite)
    require_writable(run_dir)
    if config.start is None or config.reward is None:
        missing = "start" if config.start is None else "reward"
        raise UserError(f"no run is named as '{missing}'", "rlhf", "Name both: train rlhf DATASET --start RUN --reward RUN --out RUN")
    open_reward(config.reward)
    before = RunRecord.load(weights_dir(Path(config.start)))
    if before.method != "lora" or before.auto_class != CAUSAL:
        cause = f"a policy is an adapter of a causal model, and the run trained {before.method} of {before.auto_class}"
        raise UserError(cause, f"start: {config.start}", "Start from a run of --method lora that writes answers.")
    named = {"model": before.base_model, "start": config.start, "seed": config.seed}
    policy = TrainConfig.model_validate({**completed({"method": before.method, **before.config}), **named})
    folder = model_folder(policy.model)
    start = open_start(policy, run_dir, folder, CAUSAL)
    assert start is not None, "it is named"
    tokenizer = load_tokenizer(policy.model, before.chat_template.on_a_day())
    longest = config.max_length - config.max_new_tokens
    trained, measured = (read_prompts(dataset, split, tokenizer, longest) for split in ("train", "validation"))
    require_prompts(dataset, "train", trained, config.batch_size)
    if left_out := trained.num_left_out + measured.num_left_out:
        notice(f"{left_out} rows are left out: their prompts are too long, call tools, or do not fit the chat template.")
    prompts = [*trained.messages, *measured.messages[: config.num_validation_prompts]]
    return _Step(config, dataset, weights_dir(Path(config.reward)), start, policy, before, tokenizer, prompts, len(trained.messages))


def _take(step: _Step, run_dir: Path, progress: ProgressCallback | None) -> RunRecord:
    """Trains and writes.

    Raises:
        UserError: a model cannot be loaded, or a file cannot be written.
    """
    from train.engine.passes import Passes
    from train.objectives.base import OBJECTIVES
    from train.policy.rollouts import Rollouts

    config, method = step.config, METHODS.get(step.policy.method)(step.policy)
    reward = RewardModel.load(step.reward_dir)
    base = load_model(step.policy.model, step.policy.dtype, CAUSAL)
    passes = Passes.begin(base, OBJECTIVES.get(step.policy.objective)(step.policy), method, step.start.weights)
    passes.scorer.restore_attention()  # TRL pads, and reads answers as transformers does
    lines: list[dict[str, float]] = []

    def watch(number: int, values: Mapping[str, float]) -> None:
        lines.append({"step": number, **{name.rpartition("/")[2]: values[name] for name in _KEPT if name in values}})
        if progress is not None:
            progress("training", number, config.max_steps)

    measured = range(step.num_trained, len(step.prompts))
    notice(
        f"RLOO by TRL: {config.max_steps} steps of {config.batch_size} prompts, {config.num_generations} answers each; "
        f"{step.num_trained:,} prompts to draw from, {len(measured)} to measure on."
    )
    with tempfile.TemporaryDirectory() as temporary:
        rollouts = Rollouts(
            passes.model, step.tokenizer, reward, step.prompts, config, num_trained=step.num_trained, folder=Path(temporary), watch=watch
        )
        first = rollouts.measure(measured) if measured else []
        began = time.perf_counter()
        rollouts.train()
        seconds = time.perf_counter() - began
        num_tokens = rollouts.num_tokens
        last = rollouts.measure(measured) if measured else []
    method.save(rollouts.policy(), run_dir)
    save_tokenizer(load_tokenizer(step.policy.model), run_dir)
    write_atomic(run_dir / METRICS_NAME, "".join(json.dumps(line) + "\n" for line in lines))
    record = _record(step, lines, _change(first, last), num_without=reward.num_refused, num_tokens=num_tokens, seconds=seconds)
    write_card(record, run_dir)
    record.save(run_dir)
    return record


def _change(before: Sequence[float | None], after: Sequence[float | None]) -> RewardChange | None:
    """Pairs the rewards of the same prompts; the interval is Student's, a prompt being one draw."""
    from scipy import stats

    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one is not None and other is not None]
    if not pairs:
        return None
    rises = [other - one for one, other in pairs]
    low = high = None
    if len(set(rises)) > 1:
        interval = stats.ttest_1samp(rises, 0).confidence_interval()
        low, high = float(interval.low), float(interval.high)
    return RewardChange(num_prompts=len(pairs), before=fmean(b for b, _ in pairs), after=fmean(a for _, a in pairs), low=low, high=high)


def _record(
    step: _Step, lines: list[dict[str, float]], change: RewardChange | None, *, num_without: int, num_tokens: int, seconds: float
) -> RunRecord:
    """Returns `run.json`: that of the start, in what the policy has in common with it, and what the step made of it."""
    config = step.config
    last = lines[-max(1, len(lines) // 10) :]
    kls = [line["kl"] for line in last if "kl" in line]
    rlhf = RlhfRecord(
        reward_run=str(step.reward_dir),
        reward_sha256=weights_hash(method_of(step.reward_dir), step.reward_dir),
        options=config.model_dump(mode="json"),
        validation=change,
        last_reward=fmean(line["reward"] for line in last),
        last_kl=fmean(kls) if kls else None,
        num_without_reward=num_without,
    )
    kept: dict[str, Any] = {name: getattr(step.before, name) for name in _OF_THE_START}
    return RunRecord(
        **kept,
        loopwright_version=__version__,
        start=step.start.record(),
        model=step.policy.model,
        dataset=str(step.dataset.path),
        dataset_key=step.dataset.manifest.key,
        final_train_loss=fmean(line["loss"] for line in last),
        validation_loss=None,
        validation_losses=[],
        num_examples=step.num_trained,
        num_validation_examples=len(step.prompts) - step.num_trained,
        num_steps=len(lines),
        num_tokens=num_tokens,
        num_trained_tokens=num_tokens,
        seconds=round(seconds, 3),
        tokens_per_second=round(num_tokens / seconds, 1),
        packed=False,
        seed=config.seed,
        dropped_too_long=[],
        dropped_other_form=[],
        config=step.policy.model_dump(mode="json"),
        rlhf=rlhf,
        sample=Sample(id="", spans=[]),
    )


_OF_THE_START = (
    *("objective", "method", "auto_class", "form", "model_path", "model_sha256", "dtype"),
    *("system_prompt", "chat_template", "chat_template_kwargs", "canaries"),
)
