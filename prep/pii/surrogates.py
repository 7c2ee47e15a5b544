"""Surrogates: invented values in place of identifiers, of the same form, certain to be nobody's.

The same value has the same surrogate wherever it stands; which one follows from the seed and the value alone. Within a row two values never
share one: where they would, the later of the two in order of their text moves on to its next choice. Each surrogate carries the sign of
`prep.pii.reserved`, so that it is not taken for an identifier again and a second run changes nothing.

A seed that others know lets them test a guess of the value against its surrogate. Keep the seed of a dataset that was sensitive.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from prep.pii import find_pii, find_secrets
from prep.pii.hipaa import find_hipaa
from prep.pii.invent import MAKERS, SHAPERS, Dice, as_is, key_of, moved_date
from prep.pii.names import find_names
from prep.pii.reserved import NUMBER_KINDS, is_surrogate
from prep.text.edits import edit_texts

_MAX_TRIES = 400


def replace_fields(fields: Mapping[str, Any], *, seed: int, names: bool = False, medical: bool = False) -> dict[str, Any]:
    """Returns the fields of one row that hold identifiers or secrets, with surrogates in their place.

    Args:
        fields: the row's fields; texts within lists and objects are replaced too.
        seed: the dataset's.
        names: replace names and dates of birth too.
        medical: replace what only matters in medical data too.
    """
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    edit_texts(fields, note)
    surrogates = Surrogates(seed, texts, names=names, medical=medical)
    return edit_texts(fields, surrogates.replace)


class Surrogates:
    """The surrogates of the texts of one row, or of several rows that belong together.

    Args:
        seed: the dataset's.
        texts: all of them; their values never share a surrogate.
        names: names and dates of birth too.
        medical: what only matters in medical data too.
    """

    def __init__(self, seed: int, texts: Iterable[str], *, names: bool = False, medical: bool = False) -> None:
        self._seed = seed
        self._names = names or medical
        self._medical = medical
        values: set[tuple[str, str, str]] = set()
        given: set[tuple[str, str]] = set()  # what an earlier run has put into the row is not given out again
        for text in texts:
            for kind, start, end in self._find(text, surrogates=True):
                value = text[start:end]
                if is_surrogate(kind, value):
                    given |= {(kind, key_of(kind, part)) for part in _parts(kind, value)}
                else:
                    values |= {(kind, key_of(kind, part), part) for part in _parts(kind, value)}
        self._known: dict[tuple[str, str], str] = {}
        for kind, key, value in sorted(values):
            if (kind, key) not in self._known:
                self._known[kind, key] = _choose(seed, kind, key, value, given)

    def replace(self, text: str) -> str:
        """Returns the text with a surrogate in place of each identifier and secret."""
        parts = []
        position = 0
        for kind, start, end in self._find(text):
            value = text[start:end]
            for part in _parts(kind, value):
                if kind in {"DATE", "DATE_OF_BIRTH"}:
                    value = moved_date(value, self._seed)
                    continue
                shaped = SHAPERS.get(kind, as_is)(self._known[kind, key_of(kind, part)], part)
                value = re.sub(rf"\b{part}\b", shaped, value) if kind == "PERSON" else shaped
            parts += [text[position:start], value]
            position = end
        return "".join(parts) + text[position:]

    def _find(self, text: str, *, surrogates: bool = False) -> list[tuple[str, int, int]]:
        """Returns kind, start and end of what is to be replaced, in order; where two overlap the first named here counts."""
        spans = find_pii(text, surrogates=surrogates)
        found: list[tuple[str, int, int]] = [(span.kind, span.start, span.end) for span in spans if span.kind == "URL_CREDENTIALS"]
        found += [("SECRET", span.start, span.end) for span in find_secrets(text)]
        spans += find_names(text, surrogates=surrogates) if self._names else []
        spans += find_hipaa(text, surrogates=surrogates) if self._medical else []
        found += [(span.kind, span.start, span.end) for span in spans if span.kind not in {"URL", "URL_CREDENTIALS"}]
        taken = bytearray(len(text))
        kept = []
        for kind, start, end in found:
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                kept.append((kind, start, end))
        return sorted(kept, key=lambda one: one[1])


def _choose(seed: int, kind: str, key: str, value: str, given: set[tuple[str, str]]) -> str:
    """Returns the first choice for a value that no other value of the row has."""
    for attempt in range(_MAX_TRIES):
        # The later tries lengthen a number: a short one has few surrogates.
        longer = value + "0" * (attempt // 50) if kind in NUMBER_KINDS else value
        surrogate = MAKERS[kind](Dice(seed, kind, key, attempt), longer)
        # Ages over 89 are one category by law, and dates keep their distances.
        if (kind, key_of(kind, surrogate)) not in given or kind in {"AGE_OVER_89", "DATE", "DATE_OF_BIRTH"}:
            break
    given.add((kind, key_of(kind, surrogate)))
    return surrogate


def _parts(kind: str, value: str) -> list[str]:
    """Returns what has a surrogate of its own: each word of a name, so that "Jane Doe" and "Ms Doe" stay one person; else the value."""
    return sorted(set(re.findall(r"[^\W\d_]{2,}", value)), key=len, reverse=True) if kind == "PERSON" else [value]


__all__ = ["Surrogates", "is_surrogate", "replace_fields"]
