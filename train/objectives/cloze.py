"""Classification by the word in a blank, as a masked language model fills it."""

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from templates.form import Form
from templates.raw_text import encode_blank
from train.models.config_checks import MASKED_CLASS
from train.objectives.base import TokenSequence
from train.objectives.choosing import Choosing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Cloze(Choosing):
    """The right word in a blank: the softmax over the words' log-probabilities at the mask, or the right one's likelihood alone.

    ## What it trains
    Of each cloze, every choice c at the mask. A word of m_c tokens gets a blank of m_c mask tokens, and its score is
    s(c) = sum over j = 1..m_c of log p(token j of c at mask j | the text with m_c masks), all from one forward pass a choice: the parallel
    product that PET with multiple masks is trained by (Schick and Schuetze, 2021, "It's Not Just Size That Matters"), with as many masks
    as the word itself has tokens. The loss is -log softmax(s)[label]; with `verbalizer_loss: target`, the negative log-likelihood of the
    right word's tokens alone. Where a template has several words for a label, the first is trained. Rows of the verbalizer form without a
    mask belong to the objective `verbalizer` and are left out.

    ## When to use it
    To sort texts with a masked language model (BERT, RoBERTa, DistilBERT and their like: whatever `AutoModelForMaskedLM` loads), which
    reads the text on both sides of the mask and cannot write. Templates with `{% cloze %}` make such rows. A causal model learns labels by
    templates for `chat` or `verbalizer` instead.
    """

    name = "cloze"
    form = Form.VERBALIZER
    auto_class = MASKED_CLASS

    @override
    def trains(self, example: dict[str, Any]) -> bool:
        """Takes rows with a mask in their prompt alone."""
        return super().trains(example) and example["mask"] is not None

    @property
    @override
    def trained_rows(self) -> str:
        return "a prompt with a mask, as a template's {% cloze %} makes it"

    @override
    def encode(self, tokenizer: "PreTrainedTokenizerBase", example: dict[str, Any]) -> tuple[TokenSequence, ...]:
        """Encodes the text with a blank for each choice, in the order of the choices; or for the target alone."""
        blanks = [
            (encode_blank(tokenizer, example["prompt"], example["mask"], text), name, sign)
            for name, text, sign in self.texts_to_score(example)
        ]
        return tuple(
            TokenSequence(blank.encoded, blank.positions, blank.word_ids, [1.0] * len(blank.word_ids), name, sign)
            for blank, name, sign in blanks
        )
