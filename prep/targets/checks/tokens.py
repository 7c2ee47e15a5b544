"""Whether an example fits a model, told without the model's tokenizer: by bounds that hold for every byte-level tokenizer."""

from typing import Any

from loopwright.errors import UserError, did_you_mean
from prep.sources.json_paths import walk
from prep.sources.list_columns import OUTPUTS
from prep.targets.checks.limits import LONGEST_TOKEN, PIECES, TOKEN_LIMITS, TOKENS_PER_MESSAGE, TokenLimit
from prep.targets.checks.rules import Findings


def token_limit(model: str) -> TokenLimit:
    """Returns a model's limit.

    Raises:
        UserError: the table does not have the model.
    """
    try:
        return TOKEN_LIMITS[model]
    except KeyError:
        raise UserError(f"no token limit is known for the model '{model}'", remedy=did_you_mean(model, list(TOKEN_LIMITS))) from None


def check_tokens(row: dict[str, Any], limit: TokenLimit, found: Findings) -> None:
    """Reports a row that is certainly too long as an error, and one that may be as a warning.

    No token is shorter than a byte, crosses two pieces of the tokenizer's cut, or is longer than the longest of the vocabulary. Between the
    two bounds only the tokenizer itself can tell.
    """
    # Bytes of the longest chat of the row: in a preference row each output follows the input by itself.
    for field, values in _chats(row):
        texts = [text for value in values for text in _texts(value)]
        overhead = TOKENS_PER_MESSAGE * (sum(len(value) for value in values if isinstance(value, list)) + 1)
        declared = sum(len(text.encode("utf-8", "replace")) for text in _texts(row.get("tools")))
        most = overhead + declared + sum(len(text.encode("utf-8", "replace")) for text in texts)
        if most <= limit.max_tokens:
            continue
        least = overhead + sum(_least_tokens(text, limit.encoding) for text in texts)
        if least > limit.max_tokens:
            found.error(field, "tokens.too_many", f"at least {least:,} tokens; the model takes {limit.max_tokens:,}")
        else:
            found.warning(field, "tokens.uncertain", f"between {least:,} and {most:,} tokens; the model takes {limit.max_tokens:,}")


def _chats(row: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    if "input" not in row:
        return [("messages", [row.get("messages")])]
    given = row["input"].get("messages") if isinstance(row["input"], dict) else None
    return [(key, [given, row.get(key)]) for key in OUTPUTS]


def _texts(value: Any) -> list[str]:
    """Returns the texts that a model would read: contents, names, arguments. Roles and types are part of the overhead."""
    skipped = (".role", ".type", ".id", ".tool_call_id", ".url")
    return [one for path, one in walk(value) if isinstance(one, str) and not path.endswith(skipped)]


def _least_tokens(text: str, encoding: str) -> int:
    import polars as pl

    pieces = pl.Series([text.encode("utf-8", "replace").decode("utf-8")]).str.extract_all(PIECES[encoding]).explode()
    return int(((pieces.str.len_bytes() + (LONGEST_TOKEN - 1)) // LONGEST_TOKEN).sum())
