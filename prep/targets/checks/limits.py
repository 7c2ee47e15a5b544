"""Limits as data: what changes when a provider publishes new ones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """How long an example may be for a model.

    Attributes:
        max_tokens: tokens an example.
        encoding: how the model's tokenizer cuts text before it merges bytes; a key of `PIECES`.
    """

    max_tokens: int
    encoding: str


# The provider truncates longer examples, or refuses them. Names as the provider writes them, for Azure without the points.
TOKEN_LIMITS = {
    "gpt-4o": TokenLimit(65_536, "o200k_base"),
    "gpt-4o-2024-08-06": TokenLimit(65_536, "o200k_base"),
    "gpt-4o-mini": TokenLimit(65_536, "o200k_base"),
    "gpt-4o-mini-2024-07-18": TokenLimit(65_536, "o200k_base"),
    "gpt-3.5-turbo-1106": TokenLimit(16_385, "cl100k_base"),
    "gpt-3.5-turbo-0125": TokenLimit(16_385, "cl100k_base"),
    "gpt-3.5-turbo-0613": TokenLimit(4_096, "cl100k_base"),
    "gpt-35-turbo-1106": TokenLimit(16_385, "cl100k_base"),
    "gpt-35-turbo-0125": TokenLimit(16_385, "cl100k_base"),
    "gpt-35-turbo-0613": TokenLimit(4_096, "cl100k_base"),
}

# The cut of a text into pieces that no token crosses: the tokenizers' own published patterns without what only divides white space and
# changes of case further, so that there are never more pieces than the tokenizer makes.
PIECES = {
    "cl100k_base": r"(?i:'(?:[sdmt]|ll|ve|re))|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+",
    "o200k_base": r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'(?:[sdmt]|ll|ve|re))?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+",
}
LONGEST_TOKEN = 128  # bytes, of both encodings
TOKENS_PER_MESSAGE = 3  # role and boundaries; the answer's own beginning takes as many again

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
MIN_ROWS = 10
MIN_ROWS_FIREWORKS = 3
