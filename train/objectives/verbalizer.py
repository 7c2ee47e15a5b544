"""Classification by the words for the labels, as a causal language model reads them."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.form import Form
from templates.raw_text import encode_target
from train.objectives.base import TokenSequence
from train.objectives.choosing import Choosing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Verbalizer(Choosing):
    """The right word after a prompt: the softmax over the whole choices' log-probabilities, or the right one's likelihood alone.

    ## What it trains
    Of each row with a prompt and choices, every choice as raw text after the prompt, encoded and scored as `evals` does in verbalizer
    form: s(c) = sum over the choice's tokens of log p(token | prompt, tokens before), with no end token and no division by the length. The
    loss is that of the decision, -log softmax(s)[label], so that the right choice's probability grows at the cost of the others alone.
    With `verbalizer_loss: target` the right choice's own tokens are trained, each by its negative log-likelihood: K times cheaper for K
    choices. Rows without choices train their target in this way whatever the option. Where a template has several words for a label, the
    first is trained. A cloze, a prompt with a mask in it, belongs to the objective `cloze` and is left out.

    ## When to use it
    To sort texts into a closed set of labels with a causal model, above all a base model without a chat template, or where labels are
    several tokens long. To train free text after a prompt, take it too, or `completion`.
    """

    name = "verbalizer"
    form = Form.VERBALIZER

    @override
    def trains(self, example: dict[str, Any]) -> bool:
        """Takes rows with a prompt that is no cloze."""
        return super().trains(example) and example["mask"] is None

    @property
    @override
    def trained_rows(self) -> str:
        return "the verbalizer form without a mask (a cloze belongs to the objective 'cloze')"

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes the prompt with each choice, in the order of the choices; or with the target alone."""
        return tuple(
            TokenSequence.causal(encode_target(tokenizer, example["prompt"], text), name, sign)
            for name, text, sign in self.texts_to_score(example)
        )
