"""What a policy is asked: the prompts of a dataset's chats and pairs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from loopwright.errors import UserError
from prep.dataset.canaries import is_canary
from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from templates.chat import EncodeError, Message, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts of a split.

    Attributes:
        messages: of each prompt; what a pair's answers follow, or what comes before a chat's last answer. No prompt stands there twice.
        num_left_out: prompts that are too long or that the chat template cannot hold.
    """

    messages: list[list[Message]]
    num_left_out: int


def read_prompts(dataset: Dataset, split: str, tokenizer: "PreTrainedTokenizerBase", longest: int) -> Prompts:
    """Reads the prompts of a split that are no longer than so many tokens.

    Raises:
        UserError: the dataset is damaged.
    """
    rows = dataset.examples(split).filter(~is_canary()).select(pl.exclude("position", "template", "fields")).collect().to_dicts()
    found: dict[tuple[int, ...], list[Message]] = {}
    num_left_out = 0
    for row in rows:
        example = messages_of(row)
        asked = example.said()[: len(example.asked)] if example.chosen is None else example.said()[: len(example.messages)]
        if example.tools or not asked:
            num_left_out += 1
            continue
        try:
            ids = encode_prompt(tokenizer, asked)
        except EncodeError:
            ids = []
        if ids and len(ids) <= longest:
            found[tuple(ids)] = asked
        else:
            num_left_out += 1
    return Prompts(list(found.values()), num_left_out)


def require_prompts(dataset: Dataset, split: str, prompts: Prompts, batch_size: int) -> None:
    """Makes sure that there is enough to ask for a step.

    Raises:
        UserError: there is not.
    """
    found = len(prompts.messages)
    if not found:
        cause = f"the {split} split has no prompts to draw answers for ({prompts.num_left_out} rows are too long, or call tools)"
        raise UserError(cause, str(dataset.path), "Build the dataset with chats or pairs in that split, or raise max_length.")
    if found < batch_size:
        cause = f"a step takes {batch_size} different prompts, and the {split} split has {found}"
        raise UserError(cause, str(dataset.path), f"Give at most --batch-size {found}, or more rows.")
