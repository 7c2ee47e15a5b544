"""Learning from answers that are judged one by one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from loopwright.hashing import hash_text
from prep.dataset.messages import messages_of
from templates.form import Form
from train.objectives.answers import encode_answer
from train.objectives.base import Objective, TokenScores, TokenSequence

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

_OTHER_ANSWER = "other answer"


class Unpaired(Objective):
    """Wanted answers become likelier and unwanted ones less likely, each by itself: KTO (Ethayarajh et al., 2024, equation 8).

    The loss of an answer is `weight * (1 - sigmoid(beta * (r - z)))` where it is wanted and `weight * (1 - sigmoid(beta * (z - r)))` where
    it is not; r is log p(answer) - log p_reference(answer), by the model that the run began with.

    The reference point z is the mean of r over prompts with the answer of another row, and at least 0: how far the model has moved by now,
    as the paper estimates it. Each row is given the answer of one other row for the whole run, the next one with another prompt in an order
    that the rows' ids decide. Before each step the model says r of those of the whole step, without a gradient and without dropout. So z is
    the same however the step is divided, and costs one more forward pass of as many sequences.

    ## What it trains
    The answer that ends `messages`, behind the messages before it, in the model's own chat template, with its end-of-turn token. Earlier
    answers are read and not scored. An answer counts as one, however long it is.

    ## When to use it
    Where people said of single answers whether they are good, such as thumbs up and down. Of pairs `preference` makes more.

    ## Learning rate
    A tenth of that of `chat`, as of `preference` and for the same reason.
    """

    name = "unpaired"
    form = Form.UNPAIRED
    losses = ("kto",)
    needs_reference = True
    has_baseline = True
    learning_rate_factor = 0.1

    @override
    def complete(self, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Gives each example the answer of another one, with another prompt; none where all have the same prompt."""
        found = [messages_of(example) for example in examples]
        prompts = [hash_text(str(one.said()[:-1])) for one in found]
        order = sorted(range(len(examples)), key=lambda place: hash_text(examples[place]["id"]))
        others: dict[int, int] = {}
        for step in reversed(range(2 * len(order))):  # twice round, so that the last rows find the first ones
            here, after = order[step % len(order)], order[(step + 1) % len(order)]
            other = after if prompts[after] != prompts[here] else others.get(after)
            if other is not None:
                others[here] = other
        answers = [found[others[place]].said()[-1:] if place in others else None for place in range(len(examples))]
        return [{**example, _OTHER_ANSWER: answer} for example, answer in zip(examples, answers, strict=True)]

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes the answer behind the messages before it."""
        found = messages_of(example)
        *asked, answer = found.said()
        encoded = encode_answer(tokenizer, asked, [answer], found.tools)
        return (TokenSequence.causal(encoded, "wanted" if found.wanted else "unwanted", 1 if found.wanted else -1),)

    @override
    def encode_baseline(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes the answer of another example behind this one's messages."""
        if example.get(_OTHER_ANSWER) is None:
            return ()
        found = messages_of(example)
        return (TokenSequence.causal(encode_answer(tokenizer, found.said()[:-1], example[_OTHER_ANSWER], found.tools), _OTHER_ANSWER),)

    @override
    def baseline_values(self, scores: TokenScores) -> "torch.Tensor":
        """Returns by how much likelier each other answer is than in the beginning, in nats."""
        return scores.by_row(_ratios(scores))

    @override
    def normalizer(self, sequences: Sequence[TokenSequence]) -> float:
        """Counts each answer once."""
        return 1.0

    @override
    def row_losses(self, scores: TokenScores) -> "torch.Tensor":
        """Returns the loss of each answer."""
        import torch

        options = self.config.kto
        weights = scores.by_row(torch.where(scores.signs > 0, options.wanted_weight, options.unwanted_weight).to(scores.logprobs.dtype))
        return weights * (1 - torch.sigmoid(options.beta * self.margins(scores)[0]))

    @override
    def margins(self, scores: TokenScores) -> "tuple[torch.Tensor, torch.Tensor]":
        """Returns by how much each answer is on its side of the reference point, in nats."""
        assert scores.baseline is not None, "the reference point is measured before each step"
        leads = scores.by_row(scores.signs * (_ratios(scores) - scores.baseline.clamp(min=0)))
        return leads, leads


def _ratios(scores: TokenScores) -> "torch.Tensor":
    assert scores.reference is not None, "the loss needs the reference's log-probabilities"
    return scores.sequence_logprobs() - scores.reference
