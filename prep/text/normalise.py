"""When two texts count as the same (NFKC, case folded, white space collapsed), and the hashes of whole columns.

The build (splits, deduplication) and lint (duplicates, conflicts, leaks) share this one answer, as a column expression and as
its plain-Python twin.
"""

import unicodedata

import polars as pl

# What `str.split()` takes for white space within ASCII. Rust's `\s` leaves U+001C to U+001F out.
_ASCII_SPACE = r"[\x09-\x0d\x1c-\x20]+"
_ODD_SPACE = r"[\x09-\x0d\x1c-\x1f]|  "


def normalise(text: str) -> str:
    """Returns the text's key: NFKC, case folded, white space collapsed to single spaces and stripped."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def normalise_expr(expr: pl.Expr) -> pl.Expr:
    """Returns the expression of `normalise` over a string column; null stays null."""
    return expr.map_batches(_normalise_series, return_dtype=pl.String, is_elementwise=True)


def _normalise_series(texts: pl.Series) -> pl.Series:
    keys = texts.str.to_lowercase()
    # A regular expression that replaces costs ten times one that looks, and most texts have nothing to replace.
    spaced = keys.str.contains(_ODD_SPACE).fill_null(False)
    if spaced.any():
        rows = spaced.arg_true()
        keys = keys.scatter(rows, keys.gather(rows).str.replace_all(_ASCII_SPACE, " "))
    keys = keys.str.strip_chars(" ")
    # Outside ASCII, Polars' lower case is not Python's case folding (sharp s, final sigma, Unicode versions): those rows go through
    # the twin itself, so that the two cannot drift apart.
    beyond_ascii = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False)
    if not beyond_ascii.any():
        return keys
    rows = beyond_ascii.arg_true()
    return keys.scatter(rows, [normalise(text) for text in texts.gather(rows)])


def hash_input(*parts: pl.Expr) -> pl.Expr:
    """Returns the text that `loopwright.hashing.hash_text` hashes for some parts, each with its length before it; a null part gives none.

    Hash the result of several by concatenating it.
    """
    lengthened = (pl.concat_str(part.str.len_bytes().cast(pl.String), pl.lit(":"), part).fill_null("") for part in parts)
    return pl.concat_str(*lengthened) if parts else pl.lit("")


def hash_column(text: pl.Expr) -> pl.Expr:
    """Returns the 128-bit xxh3 of each value, as 32 hex digits; of `hash_input` of some parts it is their `hash_text`."""
    return text.cast(pl.Binary).map_batches(_hex_digests, return_dtype=pl.String, is_elementwise=True)


def number_column(text: pl.Expr, seed: int) -> pl.Expr:
    """Returns the 64-bit xxh3 of each value as an unsigned number: evenly spread, so that shares are cut by it."""
    return text.cast(pl.Binary).map_batches(lambda values: _numbers(values, seed), return_dtype=pl.UInt64, is_elementwise=True)


def _hex_digests(values: pl.Series) -> pl.Series:
    from xxhash import xxh3_128_hexdigest

    return pl.Series(values.name, list(map(xxh3_128_hexdigest, values.to_list())), pl.String)


def _numbers(values: pl.Series, seed: int) -> pl.Series:
    from xxhash import xxh3_64_intdigest

    seed %= 1 << 64  # a seed may be negative, as people write it
    digests = [None if value is None else xxh3_64_intdigest(value, seed) for value in values.to_list()]
    return pl.Series(values.name, digests, pl.UInt64)
