"""The longest row that is trained whole."""

from prep.lint.base.context import Context, Threshold

MAX_TOKENS = Threshold("max_tokens", 0, "0 means the model's own limit; set the length that you train with")
"""Of LEN601: what a config sets this limit by."""


def row_limit(context: Context) -> int | None:
    """Returns the longest row, in tokens: LEN601's threshold where it is given, else the model's limit."""
    return int(context.value("LEN601", MAX_TOKENS)) or context.token_limit
