"""Long texts -> pieces of so many tokens, cut where sentences end, each of which may repeat the end of the one before it."""

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from loopwright.errors import UserError, did_you_mean
from prep.build.eligibility import PART
from prep.config import ChunkConfig
from prep.text.sentences import Span, best_cut, sentence_spans
from templates.chat import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The texts that the tokenizer is given at once, in characters: its answer takes a hundred times their room.
_BATCH_CHARS = 1 << 18
# A sentence is counted with so many characters of the white space before it: within a text they cost tokens, too.
_GAP_CHARS = 8
# How much longer the window of a cut is than what is expected to fit, so that it seldom has to grow.
_WINDOW_MARGIN = 1.25
_NOT_SPACE = re.compile(r"\S")


class Chunker:
    """Cuts the long texts of a field.

    Args:
        config: the field and how long its pieces may be.
        model: the model whose tokens count. Its tokenizer is loaded when the first text comes.
    """

    def __init__(self, config: ChunkConfig, model: str) -> None:
        self._config = config
        self._tokens = _Tokens(model)

    def pieces(self, text: str) -> list[str]:
        """Returns the pieces of a text, in order; one that is short enough is its own piece, byte for byte.

        Each other piece is a part of the text without the white space at its ends, and of no more than `tokens` tokens when it is tokenised
        alone. Together they hold all of the text but white space between them; a text of nothing else gives one empty piece. A piece begins
        with the last whole sentences of the one before it, as many as fit `overlap` tokens and leave room for something new.

        Raises:
            UserError: the model has no tokenizer that can be used.
        """
        return [text[start:end] for start, end in self.spans(text)]

    def spans(self, text: str) -> list[Span]:
        """Returns where the pieces begin and end in the text, in characters.

        Raises:
            UserError: as `pieces`.
        """
        if self._may_fit(text) and self._tokens.count(text) <= self._config.tokens:
            return [(0, len(text))]
        return self._cut(text)

    def expand(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns a row for each piece of each row's field, in order, with the number of the piece in `#part` (0 for the first).

        A row without the field stays as it is, as its part 0.

        Raises:
            UserError: the frame does not have the field, or as `pieces`.
        """
        field = self._config.field
        if field not in frame.columns:
            remedy = did_you_mean(field, [name for name in frame.columns if not name.startswith("#")])
            raise UserError(f"the rows have no field '{field}' to cut", "chunk.field", remedy)
        texts: list[str | None] = frame[field].to_list()
        short = self._short(texts)
        rows: list[int] = []
        parts: list[int] = []
        pieces: list[str | None] = []
        for row, text in enumerate(texts):
            own = [text] if text is None or row in short else [text[start:end] for start, end in self._cut(text)]
            rows += [row] * len(own)
            parts += range(len(own))
            pieces += own
        expanded = frame if len(rows) == frame.height else frame[rows]
        return expanded.with_columns(pl.Series(field, pieces, pl.String), pl.Series(PART, parts, pl.Int64))

    def _short(self, texts: list[str | None]) -> set[int]:
        """Returns the places of the texts that are their own piece. They are tokenised many at once."""
        candidates = {place: text for place, text in enumerate(texts) if text is not None and self._may_fit(text)}
        counts = self._tokens.count_all(candidates.values())
        return {place for place, count in zip(candidates, counts, strict=True) if count <= self._config.tokens}

    def _may_fit(self, text: str) -> bool:
        return len(text) <= self._config.tokens * self._tokens.longest

    def _cut(self, text: str) -> list[Span]:
        return list(_Cutting(text, self._config, self._tokens).spans()) or [(0, 0)]


class _Tokens:
    """Counts a model's tokens, without those that it puts around a text. In a corpus the name of a special token is text."""

    def __init__(self, model: str) -> None:
        self._model = model

    def count(self, text: str) -> int:
        return self._count_batch([text])[0]

    def count_all(self, texts: Iterable[str]) -> Iterator[int]:
        """Yields the tokens of each text when it is tokenised alone."""
        batch: list[str] = []
        num_chars = 0
        for text in texts:
            batch.append(text)
            num_chars += len(text)
            if num_chars >= _BATCH_CHARS:
                yield from self._count_batch(batch)
                batch, num_chars = [], 0
        yield from self._count_batch(batch)

    def starts(self, text: str) -> list[int]:
        """Returns the character at which each token of a text begins."""
        encoded = self._tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        return [start for start, _ in encoded["offset_mapping"]]

    @cached_property
    def longest(self) -> int:
        """The characters of the longest token: texts of more for each token that they may have need not be tokenised."""
        return max(map(len, self._tokenizer.get_vocab()))

    def _count_batch(self, texts: list[str]) -> list[int]:
        if not texts:
            return []
        encoded = self._tokenizer(texts, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase":
        return load_tokenizer(self._model)


class _Cutting:
    """One text on its way to pieces.

    The tokens of its sentences, each counted once, say how many of them to try; the count of the piece itself decides.
    """

    def __init__(self, text: str, config: ChunkConfig, tokens: _Tokens) -> None:
        self._text = text
        self._limit = config.tokens
        self._overlap = config.overlap
        self._tokens = tokens
        # Whole sentences, but for one that was begun in the piece before: of that only what is left. `_counts` is about how long each is.
        self._sentences = sentence_spans(text)
        self._counts = self._estimate()
        self._first_whole = 0

    def spans(self) -> Iterator[Span]:
        """Yields where the pieces stand."""
        begin = new = 0  # a piece begins with sentences that the one before it has as well, up to `new`
        while new < len(self._sentences):
            first, end = self._take_whole(begin, new)
            if end > new:
                yield self._span(first, end)
            else:
                first, end = begin, new + 1
                start, cut = self._cut_sentence(begin, new)
                yield start, start + len(self._text[start:cut].rstrip())
                rest = _NOT_SPACE.search(self._text, cut, self._sentences[new][1])
                self._first_whole = new + 1
                if rest is not None:
                    self._sentences[new] = (rest.start(), self._sentences[new][1])
                    begin = new
                    continue
            begin, new = self._overlap_start(first, end), end

    def _estimate(self) -> list[int]:
        longest = self._limit * self._tokens.longest
        befores = [0, *(end for _, end in self._sentences)]
        with_gaps = [(max(before, start - _GAP_CHARS), end) for before, (start, end) in zip(befores, self._sentences, strict=False)]
        counted = self._tokens.count_all(self._text[start:end] for start, end in with_gaps if end - start <= longest)
        return [max(1, next(counted)) if end - start <= longest else end - start for start, end in with_gaps]

    def _span(self, begin: int, end: int) -> Span:
        return self._sentences[begin][0], self._sentences[end - 1][1]

    def _count(self, begin: int, end: int) -> int:
        start, stop = self._span(begin, end)
        return self._tokens.count(self._text[start:stop])

    def _take_whole(self, begin: int, new: int) -> tuple[int, int]:
        """Returns the sentences, from and up to, of the longest piece that ends with a sentence; up to `new` where not even one fits.

        It begins later than asked for where the first new sentence would have no room otherwise.
        """
        while True:
            total = sum(self._counts[begin : new + 1])
            while begin < new and total > self._limit:
                total -= self._counts[begin]
                begin += 1
            # One alone is tried even where the estimate is against it, as it would be cut for nothing.
            end = new + 1 if total <= (self._limit if begin < new else 2 * self._limit) else new
            while new < end < len(self._counts) and total + self._counts[end] <= self._limit:
                total += self._counts[end]
                end += 1
            while end > new:
                excess = self._count(begin, end) - self._limit
                if excess <= 0:
                    return begin, end
                while end > new and excess > 0:
                    end -= 1
                    excess -= max(1, self._counts[end])
            if begin == new:
                return begin, new
            begin = new

    def _cut_sentence(self, begin: int, new: int) -> Span:
        """Returns where a piece begins and ends that holds sentences before `new` and as much of that one as fits."""
        text = self._text
        low, high = self._sentences[new]
        start = self._sentences[begin][0]
        highest = self._fitting_end(start, low, high, new)
        while highest > low:
            cut = high if highest >= high else best_cut(text, low, highest)
            excess = self._tokens.count(text[start:cut].rstrip()) - self._limit
            # A single character of more tokens than may be can only be left whole.
            if excess <= 0 or (start == low and cut == low + 1):
                return start, cut
            highest = cut - excess if cut - excess > low else cut - 1
        return self._cut_sentence(new, new)  # what goes before it takes all the room

    def _fitting_end(self, start: int, low: int, high: int, new: int) -> int:
        """Returns about where the text from `start` on has as many tokens as may be, in (low, high] if `start` is `low`.

        Says as well how many tokens will about be left.
        """
        chars_a_token = (high - low) / self._counts[new]
        size = low - start + int(self._limit * chars_a_token * _WINDOW_MARGIN) + 1
        while True:
            stop = min(high, start + size)
            starts = self._tokens.starts(self._text[start:stop])
            if len(starts) > self._limit or stop == high:
                break
            size *= 2
        end = start + starts[self._limit] if len(starts) > self._limit else high
        self._counts[new] = max(1, (high - end) * len(starts) // (stop - start))
        return max(end, low + 1) if start == low else end

    def _overlap_start(self, begin: int, end: int) -> int:
        """Returns the first of the whole sentences, at the end of a piece, that the next one is to repeat; `end` where there is none."""
        first = max(begin + 1, self._first_whole)  # never the whole piece, which would then be there twice
        start = end
        total = 0
        while start > first and total + self._counts[start - 1] <= self._overlap:
            start -= 1
            total += self._counts[start]
        while start < end and self._count(start, end) > self._overlap:
            start += 1
        return start
