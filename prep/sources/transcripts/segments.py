"""The pieces of a transcript, before they are put together to turns: a frame with a line a piece, in the order in which they stand."""

from dataclasses import dataclass

import polars as pl

ROW = "#row"
SPEAKER = "#speaker"  # null where the piece has no mark of its own
TIME = "#time"
PIECE = "#piece"
GLUE = "#glue"  # what joins the piece to the one before it; null where it begins a turn
WHY = "#why"  # why the row has no turns


@dataclass(frozen=True, slots=True)
class Mark:
    """What begins a turn.

    Attributes:
        pattern: regular expression with the groups `speaker` and `text`.
        has_time: it has the group `time` as well.
    """

    pattern: str
    has_time: bool


def mark_pieces(pieces: pl.DataFrame, column: str, mark: Mark) -> pl.DataFrame:
    """Adds `SPEAKER`, `TIME` and the text behind the mark to each piece that has one; drops blank pieces."""
    groups = pl.col(column).str.extract_groups(mark.pattern).struct
    return (
        pieces.with_columns(pl.col(column).str.strip_chars())
        .filter(pl.col(column) != "")
        .with_columns(
            groups.field("speaker").str.strip_chars().alias(SPEAKER),
            (groups.field("time") if mark.has_time else pl.lit(None, pl.String)).alias(TIME),
            groups.field("text").str.strip_chars().alias(PIECE),
        )
    )
