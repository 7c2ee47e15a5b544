"""Greedy generation in batches, padded on the left."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.prediction import Advance

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer.

    Attributes:
        text: what was written before the end token, nothing stripped.
        is_finished: an end token came; False where the limit of new tokens cut the answer.
    """

    text: str
    is_finished: bool


def generate(
    model: Any,
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[list[int]],
    *,
    end_ids: set[int],
    max_length: int,
    max_new_tokens: int,
    max_batch_tokens: int,
    advance: Advance,
) -> list[Generated]:
    """Answers each prompt greedily.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: the model's.
        prompts: token ids, each shorter than `max_length`.
        end_ids: tokens that end an answer; they are cut off.
        max_length: the model's context in tokens; an answer ends where it is full.
        max_new_tokens: longest answer.
        max_batch_tokens: tokens of a batch, padding and new tokens included.
        advance: told how many prompts are done.

    Returns:
        One answer a prompt, in their order.
    """
    answers: list[Generated | None] = [None] * len(prompts)
    # Longest first: prompts of like length share a batch, and one too large for memory fails at once.
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]), reverse=True)
    while order:
        longest = len(prompts[order[0]])
        new_tokens = min(max_new_tokens, max_length - longest)
        size = max(1, max_batch_tokens // (longest + new_tokens))
        if new_tokens < max_new_tokens:
            # The longest prompt of a batch must not shorten the answers of the others: prompts this long go alone.
            size = 1
        batch, order = order[:size], order[size:]
        for index, ids in zip(batch, _generate_batch(model, [prompts[i] for i in batch], end_ids, new_tokens), strict=True):
            answers[index] = _cut(tokenizer, ids, end_ids)
        advance(len(batch))
    return [answer for answer in answers if answer is not None]


def _generate_batch(model: Any, prompts: list[list[int]], end_ids: set[int], new_tokens: int) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    length = max(map(len, prompts))
    pad = min(end_ids)
    ids = torch.full((len(prompts), length), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, length - len(prompt) :] = torch.tensor(prompt)
        mask[row, length - len(prompt) :] = 1
    # All of what a model's own generation_config could bring in is said here: its sampling or repetition penalty would make two
    # models' answers incomparable.
    config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=new_tokens,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=sorted(end_ids),
        pad_token_id=pad,
    )
    with torch.inference_mode():
        output = model.generate(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config)
    written: list[list[int]] = output[:, length:].tolist()
    return written


def _cut(tokenizer: "PreTrainedTokenizerBase", ids: list[int], end_ids: set[int]) -> Generated:
    end = next((index for index, token in enumerate(ids) if token in end_ids), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return Generated(text, is_finished=end is not None)
