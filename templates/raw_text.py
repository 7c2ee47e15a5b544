"""Raw text -> token ids and loss weights: a prompt with its target, a document, a text with a blank to fill.

Beside `templates.chat`, which does the same for chats. What is evaluated as raw text is encoded by the same functions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from templates.chat import Encoded, EncodeError, encode_continuation
from templates.cloze import mask_position
from templates.conversation import Span
from templates.turns import special_pattern

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def require_label(choices: Sequence[str], label: int | None, target: str) -> None:
    """Makes sure that an example's label is one of its choices, and its target ends on the word for it.

    Raises:
        EncodeError: it is not, or does not.
    """
    known = ", ".join(repr(choice) for choice in choices[:8]) + (", ..." if len(choices) > 8 else "")
    if label is None or not 0 <= label < len(choices):
        what = "there is none" if label is None else f"it is {label}"
        cause = f"the label is outside the verbalizer: {what}, and the choices are {known}"
        raise EncodeError(cause, remedy="Give the row a label that the template's verbalizer has, or leave the row out.")
    if not target.endswith(choices[label]):
        cause = f"the target {target!r} does not end on its choice {choices[label]!r}"
        raise EncodeError(cause, remedy="End the template's target on {{ label | verbalize }}.")


def targets_of(choices: Sequence[str], label: int | None, target: str) -> list[str]:
    """Returns an example's target once for each of its choices, with that choice in the place of the right one.

    Raises:
        EncodeError: the label is outside the verbalizer, or the target does not end on its word.
    """
    require_label(choices, label, target)
    assert label is not None
    before = target.removesuffix(choices[label])
    return [before + choice for choice in choices]


def encode_target(tokenizer: "PreTrainedTokenizerBase", prompt: str, target: str) -> Encoded:
    """Encodes a prompt and what follows it, by `encode_continuation`, with weight 1 on what follows. No end token is added.

    Raises:
        EncodeError: the target has no token at all.
    """
    found = encode_continuation(tokenizer, prompt, target)
    text, join = prompt + target, len(prompt.rstrip())
    num_context = len(found.context_ids)
    if join == 0:  # an empty prompt is a beginning token that the text does not have
        offsets = [(0, 0), *_spans(tokenizer, text, 0, special_tokens=False)]
    else:
        bos = tokenizer.bos_token
        start = len(bos) if isinstance(bos, str) and text[:join].startswith(bos) else 0
        written = [(0, start)] if start else []
        before = [*written, *_spans(tokenizer, text[:join], start, special_tokens=not start)][:num_context]
        if found.split_apart:
            offsets = before + _spans(tokenizer, text, join, special_tokens=False)
        else:
            offsets = before + [*written, *_spans(tokenizer, text, start, special_tokens=not start)][num_context:]
    input_ids = found.context_ids + found.continuation_ids
    offsets = offsets[: len(input_ids)]  # without the end token that a tokenizer may close every text with
    assert len(offsets) == len(input_ids), "a raw text is tokenised otherwise the second time"
    weights = [0.0] * num_context + [1.0] * len(found.continuation_ids)
    return Encoded(text, input_ids, weights, offsets, [(join, len(text))])


def encode_document(tokenizer: "PreTrainedTokenizerBase", text: str) -> Encoded:
    """Encodes a document as a whole, with weight 1 on all of its tokens and on the end token, which stands at its end alone.

    What the tokenizer puts before a text (a beginning token, say) stands before it and is not trained. Special tokens that the text
    spells are text: a corpus cannot end a document.

    Raises:
        EncodeError: the text is empty, or the tokenizer has no end token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise EncodeError(
            "the tokenizer has no end token, so that no document can end", remedy="Set eos_token in its tokenizer_config.json."
        )
    encoding = _tokenize(tokenizer, text, special_tokens=True)
    framing = encoding["special_tokens_mask"]  # 1 for what the tokenizer adds of itself: what the text spells was split
    num_tokens = max((place + 1 for place, added in enumerate(framing) if not added), default=0)
    if num_tokens == 0:
        raise EncodeError("the text has no token", remedy="Leave the row out.")
    offsets = [tuple(span) for span in encoding["offset_mapping"][:num_tokens]]
    weights = [0.0 if added else 1.0 for added in framing[:num_tokens]]
    whole = text + str(tokenizer.eos_token)
    offsets.append((len(text), len(whole)))
    return Encoded(whole, [*encoding["input_ids"][:num_tokens], end], [*weights, 1.0], offsets, [(0, len(whole))])


@dataclass(frozen=True, slots=True)
class Blank:
    """A text with a blank of m mask tokens, and the word that belongs there.

    Attributes:
        encoded: the text as a masked language model reads it, with weight 1 on the blank's tokens.
        positions: of the blank's tokens, in rising order, length m.
        word_ids: the word's tokens, length m: what is to be predicted at them.
    """

    encoded: Encoded
    positions: list[int]
    word_ids: list[int]


def encode_blank(tokenizer: "PreTrainedTokenizerBase", prompt: str, mask: str, word: str) -> Blank:
    """Encodes a cloze for a masked language model: as many mask tokens as the word has, in the place of the prompt's mask.

    The word's tokens are those that it has within the text, where they can be told from their neighbours', else those that it has by
    itself. Special tokens that the text spells are text.

    Args:
        tokenizer: of a masked language model.
        prompt: the text, with its mask.
        mask: the mask's text, in `prompt` once.
        word: what belongs in its place.

    Raises:
        EncodeError: the tokenizer has no mask token, the mask is not in the prompt exactly once, or the word has no token.
    """
    if tokenizer.mask_token_id is None:
        raise EncodeError("the tokenizer has no mask token", remedy="Give the tokenizer of a masked language model, such as BERT.")
    try:
        start = mask_position(prompt, mask)
    except ValueError as error:
        raise EncodeError(str(error), remedy="Check the template's mask.") from error
    before, after = prompt[:start], prompt[start + len(mask) :]
    word_ids = _word_ids(tokenizer, before, word, after)
    input_ids, spans, positions = _with_masks(tokenizer, before.rstrip(), len(word_ids), after)
    blank = str(tokenizer.mask_token) * len(word_ids)
    join, gap = len(before.rstrip()), len(before) - len(before.rstrip())
    offsets = [(first + gap, last + gap) if first >= join else (first, last) for first, last in spans]
    weights = [0.0] * len(input_ids)
    for place in positions:
        weights[place] = 1.0
    trained = [(start, start + len(blank))]
    return Blank(Encoded(before + blank + after, input_ids, weights, offsets, trained), positions, word_ids)


def _word_ids(tokenizer: "PreTrainedTokenizerBase", before: str, word: str, after: str) -> list[int]:
    """Returns the tokens of a word within a text, or by itself where a token spans one of its ends."""
    if not word.strip():
        raise EncodeError("the word for the mask is empty", remedy="Give each choice at least one character.")
    text = before + word + after
    first, last = len(before.rstrip()), len(before) + len(word)  # white space before a word is part of its token in many vocabularies
    encoding = _tokenize(tokenizer, text, special_tokens=False)
    tokens = zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
    inside = [(token, start, stop) for token, (start, stop) in tokens if start < last and stop > first]
    if inside and all(first <= start and stop <= last for _, start, stop in inside):
        return [token for token, _, _ in inside]
    return list(_tokenize(tokenizer, text[first:last], special_tokens=False)["input_ids"])


def _with_masks(tokenizer: "PreTrainedTokenizerBase", before: str, num_masks: int, after: str) -> tuple[list[int], list[Span], list[int]]:
    """Tokenises a text with masks in it; returns the ids, their spans and the places of the masks.

    White space before the masks, which `before` comes without, is the word's.

    Raises:
        EncodeError: the tokenizer makes other tokens of the masks.
    """
    mask, special = str(tokenizer.mask_token), special_pattern(tokenizer)
    if special.search(before) or special.search(after):
        return _around(tokenizer, before, num_masks, after)
    encoding = tokenizer(before + mask * num_masks + after, return_offsets_mapping=True, verbose=False)
    input_ids, spans = list(encoding["input_ids"]), [tuple(span) for span in encoding["offset_mapping"]]
    positions = [place for place, token in enumerate(input_ids) if token == tokenizer.mask_token_id]
    if len(positions) != num_masks:
        raise EncodeError("the tokenizer does not keep mask tokens apart from the text", remedy="Check its mask_token.")
    return input_ids, spans, positions


def _around(tokenizer: "PreTrainedTokenizerBase", before: str, num_masks: int, after: str) -> tuple[list[int], list[Span], list[int]]:
    """Tokenises what stands before and behind the masks apart, so that special tokens which they spell are text."""
    mask = str(tokenizer.mask_token)
    left, right = (_tokenize(tokenizer, text, special_tokens=False) for text in (before, after))
    behind = len(before) + num_masks * len(mask)
    spans = [tuple(span) for span in left["offset_mapping"]]
    spans += [(start, start + len(mask)) for start in range(len(before), behind, len(mask))]
    spans += [(behind + start, behind + stop) for start, stop in right["offset_mapping"]]
    # What the tokenizer frames any text with, told by a text of one mask: [CLS] before and [SEP] behind, say.
    frame = tokenizer(mask, verbose=False)["input_ids"]
    place = frame.index(tokenizer.mask_token_id)
    lead, tail = frame[:place], frame[place + 1 :]
    input_ids = [*lead, *left["input_ids"], *([tokenizer.mask_token_id] * num_masks), *right["input_ids"], *tail]
    first = len(lead) + len(left["input_ids"])
    return input_ids, [(0, 0)] * len(lead) + spans + [(0, 0)] * len(tail), list(range(first, first + num_masks))


def _spans(tokenizer: "PreTrainedTokenizerBase", text: str, start: int, *, special_tokens: bool) -> list[Span]:
    """Returns where the tokens of `text[start:]` stand in `text`."""
    encoding = _tokenize(tokenizer, text[start:], special_tokens=special_tokens)
    return [(start + first, start + last) for first, last in encoding["offset_mapping"]]


def _tokenize(tokenizer: "PreTrainedTokenizerBase", text: str, *, special_tokens: bool) -> dict[str, Any]:
    return tokenizer(  # type: ignore[no-any-return]
        text,
        add_special_tokens=special_tokens,
        split_special_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
