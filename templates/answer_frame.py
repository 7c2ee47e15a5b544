"""What a model writes around an answer, and the answer without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from templates.conversation import decode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """What a model writes around an answer that is no part of it.

    Attributes:
        lead: before the answer, as it is trained: the close of a thought, or the header of an answer.
        wrapping: what the chat template writes before and behind an answer, which is not trained, and which other models may write.
        closing: what ends a thought, such as `</think>`; empty where the chat template knows none.
        end_ids: tokens at which an answer ends: the one that is trained to close it, and those at which the model stops by its settings.
            They differ in some models (`<|eot_id|>` and `<|end_of_text|>`); stopping at the second alone would run on into the next turn.
    """

    lead: str
    wrapping: tuple[str, str]
    closing: str
    end_ids: frozenset[int]

    def num_tokens(self, tokenizer: "PreTrainedTokenizerBase") -> int:
        """Returns how many tokens a model writes before and behind an answer, about."""
        parts = (max(self.lead, self.wrapping[0], key=len), self.wrapping[1])
        return sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in parts if text)

    def answer(self, tokenizer: "PreTrainedTokenizerBase", token_ids: Sequence[int], *, with_special: bool = False) -> str:
        """Returns the answer that a model wrote, without the frame where it wrote that, and without special tokens.

        Args:
            tokenizer: the model's.
            token_ids: what was written, up to the end token.
            with_special: keep the special tokens of the answer as text: some chat templates write the calls of tools with them.
        """
        ids = list(token_ids)
        text = decode(tokenizer, ids)
        rest = ""
        lead = next((one for one in (self.lead, self.wrapping[0]) if one and text.startswith(one)), self._thought(text))
        if lead:
            # Whole tokens first, so that special tokens of the frame are told from text that spells the same.
            framed = max(count for count in range(len(ids) + 1) if lead.startswith(decode(tokenizer, ids[:count])))
            rest = lead.removeprefix(decode(tokenizer, ids[:framed]))
            ids = ids[framed:]
        return decode(tokenizer, ids, skip_special_tokens=not with_special).removeprefix(rest).removesuffix(self.wrapping[1])

    def _thought(self, text: str) -> str:
        """Returns the thought that a text begins with, up to the answer behind it; nothing where it holds none."""
        thought, found, answer = text.partition(self.closing) if self.closing else ("", "", "")
        return thought + found + answer[: len(answer) - len(answer.lstrip())] if found else ""
