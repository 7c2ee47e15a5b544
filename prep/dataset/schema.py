"""The columns of examples.parquet."""

import polars as pl

MESSAGES: pl.DataType = pl.List(pl.Struct({"role": pl.String(), "content": pl.String}))

EXAMPLE_SCHEMA = pl.Schema(
    {
        "id": pl.String(),  # row_id/template/part
        "row_id": pl.String(),
        "source": pl.String(),  # the file, relative to the config
        "line": pl.Int64(),  # 1-based line (or row, in a file without lines) where the raw record starts
        "group": pl.String(),
        "split": pl.String(),
        "position": pl.Int64(),  # 0-based, within the split
        "template": pl.String(),
        "forms": pl.List(pl.String()),  # the forms that the example has, in the order of `Form`
        "label": pl.Int64(),  # index into choices
        "fields": pl.String(),  # the mapped fields that were rendered, or that slices are declared by, as a JSON object
        "messages": MESSAGES,
        "prompt": pl.String(),
        "choices": pl.List(pl.String()),  # the verbalizer's words, in the order of its keys
        "target": pl.String(),  # the literal text after prompt, ending on choices[label] where there are choices; of a cloze the word
        "mask": pl.String(),  # in a cloze, the text that stands in prompt, once, where the word belongs; null otherwise
        "text": pl.String(),
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "wanted": pl.Boolean(),  # whether the answer that ends messages is one that people want; null where it is not judged
        "extras": pl.String(),  # JSON, what chats have beside role and content: {"tools": [...], "messages": [null | {...}, ...]}
    }
)
