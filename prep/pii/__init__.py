"""Personal identifiers and secrets in text: found by pattern and, where there is one, by checksum.

Whole columns are first sifted by `may_hold_pii` and `may_hold_secret`, expressions for Polars' linear-time regex engine; spans are then
found exactly, by bounded patterns, in the few rows that remain.
"""

import polars as pl

from prep.pii import addresses, numbers, phones
from prep.pii.reserved import without_surrogates
from prep.pii.secrets import SecretSpan, find_secrets, may_hold_secret
from prep.pii.spans import Finder, PiiKind, PiiSpan, settle
from prep.text.prefilter import sieve

__all__ = [
    "PiiKind",
    "PiiSpan",
    "SecretSpan",
    "find_pii",
    "find_secrets",
    "hidden_spans",
    "mask",
    "mask_around",
    "may_hold_pii",
    "may_hold_secret",
]

# In order: what an earlier finder takes, a later one cannot.
_FINDERS: tuple[Finder, ...] = (
    addresses.find_credentials,
    addresses.find_emails,
    addresses.find_urls,
    numbers.find_ibans,
    numbers.find_cards,
    numbers.find_ssns,
    addresses.find_ips,
    numbers.find_records,
    phones.find_phones,
)
_SIEVE = sieve(*addresses.SIEVES, *numbers.SIEVES)


def find_pii(text: str, *, surrogates: bool = False) -> list[PiiSpan]:
    """Returns the identifiers in a text, in order of appearance; no two overlap.

    Surrogates of `prep.pii.surrogates` are left out unless asked for.
    """
    spans = settle(text, _FINDERS)
    return spans if surrogates else without_surrogates(text, spans)


def mask(text: str) -> str:
    """Returns the text with each identifier and secret replaced by its kind in brackets.

    Plain web addresses stay: they say where a text is from.
    """
    return mask_around(text, (0, len(text)))[0]


def mask_around(text: str, span: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Returns the masked text, and where a span of the text lies in it, widened to each identifier that it touches."""
    start, end = span
    low, high = start, end
    parts = []
    position = added = 0
    for hidden_start, hidden_end, kind in hidden_spans(text):
        shown = f"[{kind}]"
        parts += [text[position:hidden_start], shown]
        position, place = hidden_end, hidden_start + added
        added += len(shown) - (hidden_end - hidden_start)
        if hidden_end <= start:
            low = start + added
        elif hidden_start < start:
            low = place
        if hidden_end <= end:
            high = end + added
        elif hidden_start < end:
            high = place + len(shown)
    return "".join(parts) + text[position:], (low, max(low, high))


def hidden_spans(text: str) -> list[tuple[int, int, str]]:
    """Returns what is masked, in order: start, end and kind."""
    found = [(span.start, span.end, "SECRET") for span in find_secrets(text)]
    taken = bytearray(len(text))
    for start, end, _ in found:
        taken[start:end] = b"\1" * (end - start)
    found += [
        (span.start, span.end, span.kind) for span in find_pii(text) if span.kind != "URL" and taken.find(1, span.start, span.end) < 0
    ]
    return sorted(found)


def may_hold_pii(expr: pl.Expr) -> pl.Expr:
    """Returns a boolean expression that is true wherever `find_pii` could find something; null gives null."""
    return expr.str.contains(_SIEVE)
