"""Text for messages: identifiers masked, then cut to a length."""

from prep.pii import mask, mask_around

# An identifier is found by the words around it and may itself be long (a private key, an address with a password): it is masked in this
# much text around what is shown, before that is cut.
MASKED_CHARACTERS = 3_000


def mask_near(text: str, span: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Returns a span's surroundings, masked, and where the span lies in them; a text of megabytes is not masked for a few words of it."""
    start, end = span
    low = max(start - MASKED_CHARACTERS, 0)
    return mask_around(text[low : end + MASKED_CHARACTERS], (start - low, end - low))


def shorten(text: str | None, limit: int = 40, *, span: tuple[int, int] | None = None) -> str:
    """Returns a text, or a span of it, for a message: on one line, its identifiers masked, cut to a length.

    Half an identifier is none to a pattern, and one without the words before it is a number like others: what is given here is the
    whole text, which is masked before it is cut.

    Args:
        text: the whole text.
        limit: how many characters are shown.
        span: `[start, end)` of what is shown; None for all of it.
    """
    text = text or ""
    start, end = span or (0, len(text))
    stop = min(end, start + MASKED_CHARACTERS)
    masked, (first, last) = mask_near(text, (start, stop))
    line = " ".join(masked[first:last].split())
    return line if len(line) <= limit and stop == end else line[: limit - 3].rstrip() + "..."


def shorten_end(text: str, limit: int = 40) -> str:
    """Returns the end of a text for a message, as `shorten` returns a beginning."""
    line = " ".join(mask(text[-MASKED_CHARACTERS:]).split())
    return line if len(line) <= limit and len(text) <= MASKED_CHARACTERS else "..." + line[3 - limit :].lstrip()
