"""Line ends within a text."""

import re

LINE_END = "\r\n?"
"""A line end that is not `\\n`, as a pattern."""


def normalise_newlines(text: str) -> str:
    r"""Returns a text with `\n` for each `\r\n` and `\r`."""
    return re.sub(LINE_END, "\n", text)
