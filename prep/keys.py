"""When two texts count as the same: NFKC, case folded, white space collapsed.

The build (splits, deduplication) and lint (duplicates, conflicts, leaks) share this one answer, as a column expression and as
its plain-Python twin.
"""

import unicodedata

import polars as pl

# What `str.split()` takes for white space within ASCII. Rust's `\s` leaves U+001C to U+001F out.
_ASCII_SPACE = r"[\x09-\x0d\x1c-\x20]+"


def normalise(text: str) -> str:
    """Returns the text's key: NFKC, case folded, white space collapsed to single spaces and stripped."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_expr(expr: pl.Expr) -> pl.Expr:
    """Returns the expression of `normalise` over a string column; null stays null."""
    return expr.map_batches(_normalise_series, return_dtype=pl.String, is_elementwise=True)


def _normalise_series(texts: pl.Series) -> pl.Series:
    keys = texts.str.to_lowercase().str.replace_all(_ASCII_SPACE, " ").str.strip_chars(" ")
    # Outside ASCII, Polars' lower case is not Python's case folding (sharp s, final sigma, Unicode versions): those rows go through
    # the twin itself, so that the two cannot drift apart.
    beyond_ascii = texts.str.contains(r"[^\x00-\x7f]").fill_null(False)
    if not beyond_ascii.any():
        return keys
    rows = beyond_ascii.arg_true()
    return keys.scatter(rows, [normalise(text) for text in texts.gather(rows)])
