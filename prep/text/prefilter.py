"""Patterns by which Polars sifts whole columns, before the rows that are left are looked at exactly."""


def sieve(*patterns: str) -> str:
    r"""Returns a pattern that is true wherever one of the patterns is, with each `\b` told by ASCII letters alone.

    At a `\b` between letters of every script Polars' engine leaves its automaton as soon as it meets a character beyond ASCII, and takes
    30 to 100 times as long. A `\b` beside an ASCII letter or digit, which is all that a sieve needs, is true of ASCII letters wherever it
    is true of all letters.
    """
    return "|".join(patterns).replace(r"\b", r"(?-u:\b)")
