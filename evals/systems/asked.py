"""How a system put its examples to a model, so that each prompt can be shown as the model saw it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from evals.data.rows import EvalRow, Task
from evals.predict.requests import encode_blanks, encode_choices, encode_question
from templates.chat import EncodeError
from templates.conversation import decode
from templates.form import Form

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A character of UTF-8 has at most four bytes, and a token at least one.
_MOST_TOKENS_OF_A_CHARACTER = 4
_UNFINISHED = "\ufffd"
_SPACE = "▁"
"""How SentencePiece writes a space, which it leaves out where it decodes one token alone."""


@dataclass(frozen=True, slots=True)
class PromptToken:
    """One token of a prompt, or the few that only together make a character.

    Attributes:
        text: what it says; all of them in a row are the prompt.
        is_special: it is one of the tokenizer's special tokens, such as the end of a turn.
        num_tokens: how many tokens it stands for.
    """

    text: str
    is_special: bool = False
    num_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """How one system asked.

    Attributes:
        tokenizer: with the chat template's options that it was asked with.
        rows: example id -> the example as it was put, behind its demonstrations and passages.
        form: in which choices were scored.
        fills_masks: the model is a masked one.
    """

    tokenizer: "PreTrainedTokenizerBase"
    rows: Mapping[str, EvalRow]
    form: Form
    fills_masks: bool = False
    _texts: dict[int, str] = field(default_factory=dict)

    def prompt_of(self, example_id: str) -> list[PromptToken]:
        """Returns the prompt of an example by the functions that made it for the model; empty where it was not asked or cannot be encoded.

        Of choices it is what all of them follow; of a masked model's the text with the masks of the right word.
        """
        row = self.rows.get(example_id)
        if row is None:
            return []
        try:
            ids = self._encode(row)
        except EncodeError:
            return []
        return self._tokens(ids)

    def _encode(self, row: EvalRow) -> list[int]:
        if row.task is Task.GENERATION or (self.form == Form.CHAT and not self.fills_masks):
            return encode_question(self.tokenizer, row)
        # What all choices follow does not depend on them: of 77 choices, one is enough.
        one = replace(row, choices=[row.reference], label=0, words=None) if row.label is not None else row
        return (
            encode_blanks(self.tokenizer, one).texts[0] if self.fills_masks else encode_choices(self.tokenizer, one, self.form).context_ids
        )

    def _tokens(self, ids: list[int]) -> list[PromptToken]:
        special = {*self.tokenizer.all_special_ids, *(id_ for id_, token in self.tokenizer.added_tokens_decoder.items() if token.special)}
        tokens: list[PromptToken] = []
        start = 0
        while start < len(ids):
            text, size = self._text(ids[start]), 1
            while text.endswith(_UNFINISHED) and size < _MOST_TOKENS_OF_A_CHARACTER and start + size < len(ids):
                size += 1
                text = decode(self.tokenizer, ids[start : start + size])
            tokens.append(PromptToken(text, ids[start] in special, size))
            start += size
        return tokens

    def _text(self, token_id: int) -> str:
        if token_id not in self._texts:
            text, written = decode(self.tokenizer, [token_id]), self.tokenizer.convert_ids_to_tokens(token_id)
            lost_space = isinstance(written, str) and written.startswith(_SPACE) and not text.startswith(" ")
            self._texts[token_id] = f" {text}" if lost_space else text
        return self._texts[token_id]
