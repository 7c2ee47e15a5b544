"""The cues of WebVTT and SRT: timed pieces of speech."""

import polars as pl

from prep.sources.transcripts.segments import GLUE, PIECE, ROW, SPEAKER, TIME, WHY, Mark, mark_pieces

WEBVTT = r"^\s*\x{FEFF}?WEBVTT(?:\s|$)"
CUE_LINE = r"(?m)^\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{3}\s+-->\s"
_START = r"^\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{3})\s+-->\s"
_VOICE = r"<v(?:\.[^\s>]*)?\s+([^>]+)>"
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&nbsp;": " ", "&lrm;": "", "&rlm;": "", "&amp;": "&"}
_LINE, _CUE = "#text_line", "#cue"


def cue_pieces(rows: pl.DataFrame, mark: Mark) -> pl.DataFrame:
    """Returns the pieces of texts that consist of cues.

    A cue names its speaker by a voice tag or a mark, or goes on with the one before it.
    """
    cues = _cues(rows)
    # Between \1 and \2 stands a voice; what is before the first of them has none.
    text = pl.col(PIECE).str.replace_all(_VOICE, "\1${1}\2").str.replace_all(r"<[^>]*>", "")
    for entity, character in _ENTITIES.items():
        text = text.str.replace_all(entity, character, literal=True)
    voices = cues.with_columns(text.str.split("\1").alias(PIECE)).explode(PIECE)
    spoken = pl.col(PIECE).str.split_exact("\2", 1).struct
    voices = voices.with_columns(
        pl.when(pl.col(PIECE).str.contains("\2")).then(spoken.field("field_0")).alias("#voice"),
        pl.when(pl.col(PIECE).str.contains("\2")).then(spoken.field("field_1")).otherwise(PIECE).alias("#raw"),
    )
    marked = mark_pieces(voices.rename({TIME: "#start"}).drop(PIECE), "#raw", mark)
    # Words before a colon are a mark only where no tag names the speaker.
    has_voice = pl.col("#voice").is_not_null().any().over(ROW)
    speaker = pl.when(has_voice).then(pl.col("#voice").str.strip_chars()).otherwise(SPEAKER)
    piece = pl.when(has_voice).then(pl.col("#raw")).otherwise(pl.coalesce(PIECE, "#raw"))
    pieces = marked.select(ROW, speaker.alias(SPEAKER), pl.col("#start").alias(TIME), piece.alias(PIECE))
    why = pl.when(pl.col(SPEAKER).first().over(ROW).is_null()).then(pl.lit("its first cue names no speaker"))
    filled = pieces.with_columns(why.alias(WHY), pl.col(SPEAKER).forward_fill().over(ROW))
    # A cue ends where the screen is full, not the sentence.
    goes_on = (pl.col(SPEAKER) == pl.col(SPEAKER).shift().over(ROW)).fill_null(False)
    return filled.select(ROW, SPEAKER, TIME, PIECE, pl.when(goes_on).then(pl.lit(" ")).alias(GLUE), WHY)


def _cues(rows: pl.DataFrame) -> pl.DataFrame:
    """One line a cue: row, start, text. What stands before the first cue, and between a blank line and the next cue, is no speech."""
    lines = rows.select(ROW, pl.col(PIECE).str.replace_all("\r\n?", "\n").str.split("\n").alias(_LINE)).explode(_LINE)
    start = pl.col(_LINE).str.extract(_START)
    lines = lines.with_columns(start.alias(TIME)).with_columns(pl.col(TIME).is_not_null().cum_sum().over(ROW).alias(_CUE))
    is_blank = ~pl.col(_LINE).str.contains(r"\S")
    is_spoken = (pl.col(_CUE) > 0) & (is_blank.cum_sum().over(ROW, _CUE) == 0)
    text = pl.col(_LINE).filter(pl.col(TIME).is_null()).str.join(" ")
    return lines.filter(is_spoken).group_by(ROW, _CUE, maintain_order=True).agg(pl.col(TIME).first(), text.alias(PIECE)).drop(_CUE)
