"""The columns of token rules: each chat encoded once, by the function that training uses."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from loopwright.errors import UserError
from loopwright.models import resolve_model
from prep.dataset.messages import messages_of
from templates.chat import ChatTemplateConfig, EncodeError, encode_chat, load_tokenizer
from templates.form import Form

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_BATCH_ROWS = 5_000
# Tokenizers without a limit of their own report 10^30.
_NO_LIMIT = 10**7

TOKEN_SCHEMA = pl.Schema(
    {
        "id": pl.String(),
        "num_tokens": pl.Int64(),  # of its longest sequence, where a chat becomes several
        "num_trained_tokens": pl.Int64(),
        "last_trained": pl.Int64(),  # index of the last trained token, normally the end of turn; null where nothing is trained
        "encode_error": pl.String(),  # why the mask cannot be proven
    }
)


def token_limit(model: str) -> int | None:
    """Returns the longest sequence that a model takes, in tokens: its tokenizer's limit or its config's positions, the smaller.

    Raises:
        UserError: the model is not there.
    """
    limits = [load_tokenizer(model).model_max_length]
    config_path = Path(resolve_model(model)) / "config.json"
    if config_path.is_file():
        positions = json.loads(config_path.read_text(encoding="utf-8")).get("max_position_embeddings")
        if isinstance(positions, int):
            limits.append(positions)
    limits = [int(limit) for limit in limits if limit is not None and limit < _NO_LIMIT]
    return min(limits, default=None)


def with_tokens(frame: pl.LazyFrame, model: str, options: ChatTemplateConfig, path: Path) -> pl.LazyFrame:
    """Returns the chats of a lint frame with `TOKEN_SCHEMA`'s columns, kept in a parquet file at `path`.

    Args:
        frame: the lint frame.
        model: the model whose tokenizer encodes them.
        options: how its chat template is used.
        path: the file.

    Raises:
        UserError: the model is not there, or it has no chat template.
    """
    tokenizer = load_tokenizer(model, options.on_a_day())
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(f"the tokenizer of '{model}' has no chat template", remedy="Name an instruct model with --model.")
    chats = frame.filter(pl.col("messages").is_not_null() & (pl.col("form") != Form.PREFERENCE)).select(
        "id", "messages", "weights", "extras"
    )
    batches = [
        pl.DataFrame([_encode(tokenizer, row) for row in batch.iter_rows(named=True)], schema=TOKEN_SCHEMA)
        for batch in chats.collect_batches(chunk_size=_BATCH_ROWS)
    ]
    pl.concat([pl.DataFrame(schema=TOKEN_SCHEMA), *batches]).write_parquet(path)
    return frame.join(pl.scan_parquet(path, glob=False), on="id", how="inner")


def _encode(tokenizer: "PreTrainedTokenizerBase", row: dict[str, Any]) -> dict[str, Any]:
    found = messages_of(row)
    messages = found.said()
    for message, weight in zip(messages, row["weights"] or [], strict=False):
        if weight == "0":
            message["weight"] = 0
    try:
        encoded = encode_chat(tokenizer, messages, found.tools)
    except EncodeError as error:
        return {"id": row["id"], "encode_error": error.cause}
    longest = max(encoded, key=lambda one: len(one.input_ids))
    trained = [index for index, weight in enumerate(longest.loss_weights) if weight > 0]
    return {
        "id": row["id"],
        "num_tokens": len(longest.input_ids),
        "num_trained_tokens": sum(one.num_trained_tokens for one in encoded),
        "last_trained": trained[-1] if trained else None,
    }
