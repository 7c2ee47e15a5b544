"""One example as a person reads it, and, with a tokenizer, what of it is trained."""

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.console import notice, printable
from loopwright.errors import UserError
from prep.dataset.manifest import Dataset
from prep.dataset.messages import messages_of
from templates.chat import ChatTemplateConfig, Piece, encode_chat, encoding_notices, load_tokenizer
from templates.unrendered import unrendered_keys

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


_MAX_IDS = 1_000
_SHORT_ID = 8
_TRAINED = ("\u27e6", "\u27e7")


def find_examples(dataset: Dataset, *, split: str | None, example_id: str | None, limit: int) -> list[dict[str, Any]]:
    """Returns examples to show: one by its id (or its row's id, or the beginning of either), else the first ones.

    Raises:
        UserError: there is none of that id, or none in that split.
    """
    import polars as pl

    frame = dataset.examples(split)
    if example_id is not None:
        frame = frame.filter(pl.col("id").str.starts_with(example_id))
    rows = frame.head(limit).collect().to_dicts()
    if not rows and example_id is not None:
        raise UserError(f"no example has the id '{example_id}'", str(dataset.path), _id_remedy(dataset, example_id))
    if not rows:
        raise UserError(f"the split '{split}' has no example", str(dataset.path), "Choose another --split.")
    return rows


def _id_remedy(dataset: Dataset, example_id: str) -> str:
    ids = dataset.examples().select("row_id").head(_MAX_IDS).collect()["row_id"].to_list()
    close = get_close_matches(example_id, ids, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    example = f", such as '{ids[0][:_SHORT_ID]}'" if ids else ""
    return f"Give an id, or the beginning of one{example}: they stand below the examples that `prep show` prints, and in examples.parquet."


def trained_pieces(row: dict[str, Any], model: str, options: ChatTemplateConfig) -> list[Piece]:
    """Returns a chat example's tokens under a model's real chat template, grouped into trained and untrained runs.

    Of a preference pair it is the conversation with the preferred answer.

    Raises:
        UserError: the example has no chat form, or the tokenizer or the mask fails.
    """
    found = messages_of(row)
    if not found.whole:
        raise UserError(f"example {row['id']} has no messages", remedy="Leave --tokens out.")
    tokenizer = load_tokenizer(model, options)
    encoded = encode_chat(tokenizer, found.said(), found.tools)
    if unread := unrendered_keys(tokenizer, found.said(), found.tools):
        said = ", ".join(f"'{one.key}' of messages[{one.index}]" for one in unread)
        notice(f"{row['id']}: the chat template does not render {said}.")
    for said in encoding_notices(encoded):
        notice(f"{row['id']}: {said}.")
    return [piece for one in encoded for piece in one.pieces()]


def render_example(row: dict[str, Any], pieces: list[Piece] | None, *, coloured: bool = True) -> "RenderableType":
    """Returns a panel with one example: its place, its parts, or its tokens, the trained ones in colour.

    Args:
        row: the example.
        pieces: its tokens, if they are to be shown.
        coloured: whether colours are seen where it is printed; else signs mark what is trained.
    """
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    lines: list[Text] = []
    if pieces is not None:
        text = Text()
        for piece in pieces:
            shown = printable(piece.text)
            if piece.trained:
                text.append(shown if coloured else f"{_TRAINED[0]}{shown}{_TRAINED[1]}", style="bold black on green")
            else:
                text.append(shown, style="dim")
        trained = sum(piece.num_tokens for piece in pieces if piece.trained)
        how = "green" if coloured else f"within {' '.join(_TRAINED)}"
        lines += [text, Text(f"{sum(piece.num_tokens for piece in pieces)} tokens, {trained} of them trained ({how})", style="italic")]
    else:
        lines += _chat_lines(row)
        for part in ("prompt", "mask", "target", "text"):
            if row[part] is not None:
                lines += [Text(part, style="bold cyan"), Text(printable(row[part]))]
        for part in ("chosen", "rejected"):
            for message in row[part] or []:
                lines += [Text(part, style="bold cyan"), Text(printable(message["content"] or ""))]
        if row["wanted"] is not None:
            lines += [Text("wanted", style="bold cyan"), Text("yes" if row["wanted"] else "no")]
        if row["choices"]:
            lines += [Text("choices", style="bold cyan"), Text(printable(", ".join(row["choices"])))]
    title = Text(printable(f"{row['source']}:{row['line']}  {row['split']}  {row['template']}"))
    return Panel(Group(*lines), title=title, subtitle=Text(row["id"]), title_align="left", subtitle_align="left")


def as_json_row(row: dict[str, Any]) -> dict[str, Any]:
    """Returns an example as `prep show --json` prints it: its columns, and `kind`, its forms in one text as before format 2."""
    return {**row, "kind": "+".join(row["forms"])}


def _chat_lines(row: dict[str, Any]) -> "list[Text]":
    from rich.text import Text

    found = messages_of({**row, "chosen": None})  # both answers of a pair are shown last
    lines = [Text("tools", style="bold cyan"), Text(printable(json.dumps(found.tools, ensure_ascii=False)))] if found.tools else []
    for message in found.said():
        lines.append(Text(message["role"] + (", not trained" if message.get("weight") == 0 else ""), style="bold cyan"))
        if reasoning := message.get("reasoning"):
            lines.append(Text(printable(f"thinks: {reasoning}"), style="italic"))
        if message["content"]:
            lines.append(Text(printable(message["content"])))
        for call in message.get("tool_calls", ()):
            function = call["function"]
            lines.append(Text(printable(f"{call['id']}: {function['name']}({function['arguments']})"), style="magenta"))
    return lines


def show(
    path: Path, *, split: str | None, example_id: str | None, limit: int, model: str | None
) -> list[tuple[dict[str, Any], list[Piece] | None]]:
    """Returns the examples to show, each with its tokens where a model is named.

    Raises:
        UserError: the dataset, the example or the model is not there.
    """
    dataset = Dataset.open(path)
    rows = find_examples(dataset, split=split, example_id=example_id, limit=limit)
    options = dataset.manifest.chat_template.on_a_day()
    return [(row, trained_pieces(row, model, options) if model else None) for row in rows]
