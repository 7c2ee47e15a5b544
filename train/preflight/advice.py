"""What to think about before a run, a sentence each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from train.config import LAST, LOSS, TrainConfig
from train.data.leaks import CODES
from train.data.order import RunPlan
from train.engine.free_memory import available_bytes
from train.preflight.result import Estimate
from train.prepare import Prepared, length_limit

# What a language model's parameter can hold of random text (Morris et al., "How much do language models memorize?", 2025).
_BITS_A_PARAMETER = 3.6
# What a trained token tells at the least: nats of a usual loss on answers, in bits. Above, the tokens hold more than the adapter can.
_BITS_A_TOKEN = 1.0
# An adapter that could hold all answers so many times over, each token at the most that a vocabulary can say, learns them by heart.
_TIMES_BY_HEART = 100
_MUCH_PADDING, _MANY_TRUNCATED, _NEAR_LIMIT = 0.3, 0.05, 0.85
_FEW_STEPS = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a run before it is begun.

    Attributes:
        prepared: the checked run, with rows over the limit left out.
        config: the run's options as they were given.
        padding_share: share of positions that are padding.
        adapter_parameters: number of trained parameters.
        vocabulary: tokens that the model knows.
        gigabytes: what memory it takes.
        ran_out: memory ran out while micro-batches were timed.
    """

    prepared: Prepared
    config: TrainConfig
    padding_share: float
    adapter_parameters: int
    vocabulary: int
    gigabytes: Estimate
    ran_out: bool

    def warnings(self) -> list[str]:
        """Returns the sentences, what stops a run first."""
        return [*self._stops(), *self._memory(), *self._rows(), *self._steps(), *self._rank(), *self._not_predicted()]

    def _stops(self) -> Iterator[str]:
        data, leaks = self.prepared.data, self.prepared.leaks
        if data.too_long and self.config.truncation == "raise":
            limit = length_limit(self.prepared.model_folder, self.config)
            yield (
                f"The run would stop at {_count(len(data.too_long))} of more than {limit:,} tokens. Raise max_length as far as the model "
                "allows, or leave them out with truncation: drop; the rest of this plan is for that."
            )
        if leaks.unasked and self.config.leaks == "refuse":
            rows = _count(len(leaks.unasked), "train row")
            yield (
                f"The run would stop at {rows} that also appear in validation or test, or nearly so. See them: "
                f"prep lint {self.prepared.dataset.path} --select {','.join(CODES)}; leaks: allow trains all the same."
            )

    def _memory(self) -> Iterator[str]:
        available = available_bytes() / 1e9
        remedy = "Lower micro_batch_tokens or max_length, or take a smaller model."
        if self.ran_out:
            yield f"Memory ran out while micro-batches were timed, and smaller ones were taken, as the run will do. {remedy}"
        if not available:
            return
        if self.gigabytes.value > available:
            yield f"The run takes some {self.gigabytes.value:.1f} GB of memory, and there are {available:.1f}. {remedy}"
        elif self.gigabytes.high > _NEAR_LIMIT * available:
            yield f"The run may take {self.gigabytes.high:.1f} GB of memory, and there are {available:.1f}. {remedy}"

    def _rows(self) -> Iterator[str]:
        data = self.prepared.data
        num_rows = len(data.train) + len(data.validation) + len(data.too_long)
        if data.too_long and self.config.truncation == "drop" and len(data.too_long) > _MANY_TRUNCATED * num_rows:
            yield f"{len(data.too_long):,} of {num_rows:,} rows are over the length limit, and left out. Raise max_length, or shorten them."
        if data.other_form:
            yield f"{_count(len(data.other_form))} left out, as they are not what the objective '{self.config.objective}' trains."
        if self.padding_share > _MUCH_PADDING:
            yield (
                f"{self.padding_share:.0%} of the positions are padding, as this architecture takes no packed examples. A smaller "
                "micro_batch_size puts rows of one length together."
            )

    def _steps(self) -> Iterator[str]:
        config, num_examples = self.config, len(self.prepared.data.train)
        plan = RunPlan.of(num_examples, config)
        if plan.num_steps < plan.steps_per_epoch:
            seen = plan.num_steps * config.batch_size
            yield f"max_steps: {config.max_steps} ends the run before its first epoch does: it trains on {seen:,} of {num_examples:,} rows."
        if num_examples < config.batch_size:
            yield f"A step is {config.batch_size} rows, and there are {num_examples} to train on: each epoch is one step. Lower batch_size."
        if plan.num_steps < _FEW_STEPS:
            yield f"The run has {plan.num_steps} steps, in which a model learns little. Raise epochs, or lower batch_size."

    def _rank(self) -> Iterator[str]:
        """Holds the adapter's size against what there is to learn, once: a second epoch brings nothing new."""
        num_targets = sum(len(sequence.targets) for one in self.prepared.data.train for sequence in one.sequences)
        if self.config.method != "lora" or not num_targets:
            return
        size, capacity = self.adapter_parameters, _BITS_A_PARAMETER * self.adapter_parameters
        if capacity > _TIMES_BY_HEART * num_targets * math.log2(self.vocabulary):
            times = capacity / (num_targets * math.log2(self.vocabulary))
            yield (
                f"There are {size / num_targets:,.0f} trained parameters for each trained token, room to learn the answers by heart "
                f"{times:,.0f} times over. Watch the validation loss; a lower lora.rank leaves less room."
            )
        elif num_targets * _BITS_A_TOKEN > capacity:
            yield (
                f"{num_targets:,} trained tokens hold more than {size:,} trained parameters can take up, at {_BITS_A_PARAMETER} bits "
                f"each: raise lora.rank above {self.config.lora.rank}, or train with method: full."
            )

    def _not_predicted(self) -> Iterator[str]:
        config = self.config
        if config.best not in {LOSS, LAST}:
            yield f"best: {config.best} has the model answer the validation split at each validation, which is not in the minutes."
        if config.influence is not None:
            yield "influence takes about as long as an epoch for each checkpoint that stays, which is not in the minutes."
        if config.early_stopping is not None:
            yield f"early_stopping: {config.early_stopping} may end the run sooner; the minutes are for all of its steps."


def _count(number: int, what: str = "row") -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
