"""Greedy generation in batches, padded on the left: what `train chat` prints and `evals` scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from templates.chat import AnswerFrame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


DEFAULT_NEW_TOKENS = 256
"""The limit of an answer where no answer is known."""
_FEWEST_NEW_TOKENS, _MOST_NEW_TOKENS = 16, 1024


def answer_limit(longest: int) -> int:
    """Returns how many new tokens an answer may have where nobody says it: a quarter more than the longest of the train split.

    Args:
        longest: the tokens of that answer, without what the chat template writes around it.
    """
    return min(max(longest + longest // 4, _FEWEST_NEW_TOKENS), _MOST_NEW_TOKENS)


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer.

    Attributes:
        token_ids: what was written, the end token included where one came.
        text: what was written before the end token, nothing stripped.
        is_finished: an end token came; False where the limit of new tokens cut the answer.
    """

    token_ids: list[int]
    text: str
    is_finished: bool

    @property
    def said_ids(self) -> list[int]:
        """What was written before the end token."""
        return self.token_ids[:-1] if self.is_finished else self.token_ids


def all_end_ids(model: Any, frame: AnswerFrame) -> set[int]:
    """Returns the tokens at which an answer ends: the chat template's and the tokenizer's, and what the model's own settings name."""
    named = model.generation_config.eos_token_id
    return {*frame.end_ids, *(named if isinstance(named, list) else [] if named is None else [named])}


def generate(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[list[int]],
    *,
    end_ids: set[int],
    max_new_tokens: int,
    max_length: int | None = None,
    max_batch_tokens: int = 4096,
    own_settings: bool = False,
    enough: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Generated]:
    """Answers each prompt greedily.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: the model's.
        prompts: token ids, each shorter than `max_length`.
        end_ids: tokens that end an answer.
        max_new_tokens: longest answer.
        max_length: the model's context in tokens; an answer ends where it is full. None: whatever the model takes.
        max_batch_tokens: tokens of a batch, padding and new tokens included.
        own_settings: what the model's own generation_config says beside its sampling, such as a repetition penalty, stays in force.
            Left out, it would make two models' answers incomparable.
        enough: a batch is left as it is once so many of its answers have ended; None: it goes on until all have.
        advance: told how many prompts are done.

    Returns:
        One answer a prompt, in their order.
    """
    if not own_settings and prompts:
        written = _generate_fast(model, prompts, end_ids, max_new_tokens, max_length, max_batch_tokens, enough, advance)
        if written is not None:
            return [_cut(tokenizer, ids, end_ids) for ids in written]
    answers: list[Generated | None] = [None] * len(prompts)
    # Longest first: prompts of like length share a batch, and one too large for memory fails at once.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]), reverse=True)
    while order:
        longest = len(prompts[order[0]])
        new_tokens = max_new_tokens if max_length is None else min(max_new_tokens, max_length - longest)
        size = max(1, max_batch_tokens // (longest + new_tokens))
        if new_tokens < max_new_tokens:
            # The longest prompt of a batch must not shorten the answers of the others: prompts this long go alone.
            size = 1
        batch, order = order[:size], order[size:]
        written = _generate_batch(model, [prompts[index] for index in batch], end_ids, new_tokens, own_settings=own_settings, enough=enough)
        for index, ids in zip(batch, written, strict=True):
            answers[index] = _cut(tokenizer, ids, end_ids)
        if advance is not None:
            advance(len(batch))
    return [answer for answer in answers if answer is not None]


def _generate_fast(  # noqa: PLR0917 (as `generate` has them)
    model: Any,
    prompts: Sequence[list[int]],
    end_ids: set[int],
    max_new_tokens: int,
    max_length: int | None,
    max_batch_tokens: int,
    enough: int | None,
    advance: Callable[[int], None] | None,
) -> list[list[int]] | None:
    """Answers on the fast path; None where the model has none."""
    from train.fast.forward import FastForward
    from train.fast.generate import write_answers

    limits = [max_new_tokens if max_length is None else min(max_new_tokens, max_length - len(ids)) for ids in prompts]
    forward = FastForward.of(model)
    if isinstance(forward, str) or not forward.sees(max(len(ids) + limit for ids, limit in zip(prompts, limits, strict=True))):
        return None
    return write_answers(forward, prompts, limits, end_ids=end_ids, max_batch_tokens=max_batch_tokens, enough=enough, advance=advance)


def _generate_batch(
    model: Any, prompts: list[list[int]], end_ids: set[int], new_tokens: int, *, own_settings: bool, enough: int | None
) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    length = max(map(len, prompts))
    pad = min(end_ids, default=0)
    ids = torch.full((len(prompts), length), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt)
        mask[row, length - len(prompt) :] = 1
    # What is not said here is filled in from the model's own generation_config.
    plain: dict[str, Any] = {} if own_settings else {"num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    config = GenerationConfig(do_sample=False, max_new_tokens=new_tokens, eos_token_id=sorted(end_ids), pad_token_id=pad, **plain)

    def have_ended(written: torch.Tensor, _: Any, **__: Any) -> torch.Tensor:
        ended = torch.isin(written[:, length:], torch.tensor(sorted(end_ids), device=written.device)).any(1)
        return torch.full_like(ended, bool(enough is not None and ended.sum() >= enough))

    criteria = [] if enough is None else [have_ended]
    with torch.inference_mode():
        inputs = {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}
        output = model.generate(**inputs, generation_config=config, stopping_criteria=criteria)
    written: list[list[int]] = output[:, length:].tolist()
    return written


def _cut(tokenizer: "PreTrainedTokenizerBase", ids: list[int], end_ids: set[int]) -> Generated:
    end = next((index for index, token in enumerate(ids) if token in end_ids), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return Generated(ids if end is None else ids[: end + 1], text, is_finished=end is not None)
