"""A verbalizer's words under a tokenizer."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from templates.chat import EncodeError, encode_continuation
from templates.cloze import fill
from templates.rendered import Rendered
from templates.template import Template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A label whose words take this many tokens more than another's is scored over more steps: lawful, and worth knowing.
_UNEVEN = 3


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is scored: `tokens` are its own and, in a cloze, those of what follows the mask."""

    label: str
    word: str
    num_tokens: int
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the tokens show; a warning where it changes what is scored."""

    message: str
    is_warning: bool


@dataclass(frozen=True, slots=True)
class TokenReport:
    """The words of a verbalizer in their tokens, in the order of its keys, and what is to be said of them."""

    words: list[Word]
    findings: list[Finding]


def token_report(template: Template, rendered: Rendered | None, tokenizer: "PreTrainedTokenizerBase") -> TokenReport:
    """Looks at each word where it stands: after the example's prompt, or alone where a chat has it as its answer.

    Args:
        template: with a verbalizer.
        rendered: its example; None where there is none.
        tokenizer: the model's.
    """
    words: list[Word] = []
    findings: list[Finding] = []
    firsts: defaultdict[int, set[str]] = defaultdict(set)
    for label, listed in template.words.items():
        for word in listed:
            try:
                ids, merged = _ids(word, template, rendered, tokenizer)
            except EncodeError as error:
                findings.append(Finding(f"the word '{word}' of '{label}': {error.cause}", is_warning=True))
                continue
            words.append(Word(label, word, len(ids), [tokenizer.decode([one]) for one in ids]))
            firsts[ids[0]].add(label)
            if merged:
                said = (
                    f"the word '{word}' of '{label}' merges with the end of the prompt into other tokens: put a space or a line end between"
                )
                findings.append(Finding(said, is_warning=True))
    for first, labels in firsts.items():
        if len(labels) > 1:
            shown = ", ".join(f"'{label}'" for label in sorted(labels))
            said = f"{shown} begin with the same token {tokenizer.decode([first])!r}: only their whole sequences tell them apart"
            findings.append(Finding(said, is_warning=False))
    lengths = {word.label: word.num_tokens for word in reversed(words)}
    if lengths and max(lengths.values()) - min(lengths.values()) >= _UNEVEN:
        said = ", ".join(f"{label} {number}" for label, number in lengths.items())
        findings.append(Finding(f"the labels differ in tokens ({said}); longer ones are less likely by themselves", is_warning=False))
    return TokenReport(words, findings)


def _ids(word: str, template: Template, rendered: Rendered | None, tokenizer: "PreTrainedTokenizerBase") -> tuple[list[int], bool]:
    """Returns a word's ids, and whether it merges with the end of the prompt into tokens that neither has alone."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return ids

    prompt, target = (rendered.prompt, rendered.target) if rendered is not None else (None, None)
    trained = next((one for one in template.choices if target is not None and target.endswith(one)), None)
    if rendered is None or prompt is None or target is None or trained is None:
        return encode(word), False
    context, continuation = fill(prompt, rendered.mask, target.removesuffix(trained) + word)
    before = encode(context.rstrip())
    merged = encode(context + continuation)[: len(before)] != before
    return encode_continuation(tokenizer, context, continuation).continuation_ids, merged
