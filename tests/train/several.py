"""Objectives whose examples are several sequences, and a dataset for them: what the contracts of training have to carry.

They are defined for tests alone, each as one would be in its own file. `register` makes them known; a subprocess calls it, too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase
from typing_extensions import override

from prep.dataset.messages import messages_of
from templates.chat import Message
from templates.form import Form
from tests.helpers import encode_one, write_dataset
from train.objectives.base import OBJECTIVES, Objective, TokenScores, TokenSequence
from train.objectives.chat import Chat

BETA = 0.5


class Pair(Objective):
    """Direct preference optimisation (Rafailov et al., 2023): two sequences, compared with the model that the run began with."""

    name = "pair"
    form = Form.PREFERENCE
    needs_reference = True

    @override
    def encode(self, tokenizer: PreTrainedTokenizerBase, example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        return tuple(
            TokenSequence.causal(encode_one(tokenizer, [*example["messages"], *example[name]]), name, sign)
            for name, sign in (("chosen", 1), ("rejected", -1))
        )

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        return 1.0

    @override
    def row_losses(self, scores: TokenScores) -> torch.Tensor:
        return -functional.logsigmoid(BETA * self._lead(scores))

    @override
    def margins(self, scores: TokenScores) -> tuple[torch.Tensor, torch.Tensor]:
        lead = self._lead(scores)
        return lead, lead

    def _lead(self, scores: TokenScores) -> torch.Tensor:
        assert scores.reference is not None
        return scores.by_row(scores.signs * (scores.sequence_logprobs() - scores.reference))


class Choice(Objective):
    """The likelihood of the right choice among the K choices of the example, each scored in full."""

    name = "choice"
    form = Form.VERBALIZER

    @override
    def encode(self, tokenizer: PreTrainedTokenizerBase, example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        asked: Message = {"role": "user", "content": example["prompt"]}
        return tuple(
            TokenSequence.causal(encode_one(tokenizer, [asked, answer(choice)]), choice, 1 if index == example["label"] else -1)
            for index, choice in enumerate(example["choices"])
        )

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        return 1.0

    @override
    def row_losses(self, scores: TokenScores) -> torch.Tensor:
        logprobs = scores.sequence_logprobs()
        best = _best_of_rows(scores, logprobs.detach())
        total = scores.by_row((logprobs - best[scores.rows]).exp()).log() + best
        return total - scores.by_row(torch.where(scores.signs > 0, logprobs, 0.0))

    @override
    def margins(self, scores: TokenScores) -> tuple[torch.Tensor, torch.Tensor]:
        logprobs = scores.sequence_logprobs()
        right, wrong = (_best_of_rows(scores, logprobs.where(scores.signs == sign, float("-inf"))) for sign in (1, -1))
        return right - wrong, right - wrong


class Turns(Chat):
    """Each answer of a chat as a sequence of its own, after all that comes before it: the same loss as that of the chat as a whole."""

    name = "turns"

    @override
    def encode(self, tokenizer: PreTrainedTokenizerBase, example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        found = messages_of(example)
        messages, tools = found.said(), found.tools
        sequences = []
        for index, message in enumerate(messages):
            if message["role"] == "assistant":
                before: list[Message] = [{**one, "weight": 0} if one["role"] == "assistant" else one for one in messages[:index]]
                sequences.append(TokenSequence.causal(encode_one(tokenizer, [*before, message], tools), f"turn {index}"))
        return tuple(sequences)


def register() -> None:
    """Makes the objectives known to this process."""
    OBJECTIVES.entries.update({objective.name: objective for objective in (Pair, Choice, Turns)})


def unregister() -> None:
    """Makes them unknown again."""
    for objective in (Pair, Choice, Turns):
        del OBJECTIVES.entries[objective.name]


def answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def rows(num_train: int = 11, num_validation: int = 3) -> list[dict[str, Any]]:
    """Rows with a pair of answers, and two to four choices of unlike lengths; a last step that is smaller than the others."""
    choices = ["positive", "negative", "neither good nor bad, all in all", "wrong order"]
    found = []
    for index in range(num_train + num_validation):
        text = f"The soup was {'great ' * (index % 5 + 1)}and the waiter was slow, order {index}."
        number = 2 + index % 3
        found.append(
            {
                "split": "train" if index < num_train else "validation",
                "kind": "preference+verbalizer",
                "messages": [{"role": "user", "content": text}],
                "chosen": [answer(f"A great soup{', and again' * (index % 3)}.")],
                "rejected": [answer(f"The bill was wrong{' and slow' * (index % 4)}.")],
                "prompt": text,
                "choices": choices[:number],
                "label": index % number,
                "target": choices[index % number],
            }
        )
    return found


def write_rows(folder: Path, more: Sequence[dict[str, Any]] = ()) -> Path:
    return write_dataset(folder, [*rows(), *more])


def _best_of_rows(scores: TokenScores, values: torch.Tensor) -> torch.Tensor:
    """The greatest of each row's values: [S] -> [R]."""
    return torch.full((scores.num_rows,), float("-inf")).scatter_reduce(0, scores.rows, values, "amax")
