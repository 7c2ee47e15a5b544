"""Transcripts: a text with speaker marks, separators or cues becomes a list of turns.

All patterns run in Polars' own engine, whose time is linear in the text, whatever the text.
"""

import polars as pl

from loopwright.errors import UserError
from prep.sources.raw_file import RejectedRow
from prep.sources.source import LINE, RawRows
from prep.sources.source_config import TurnsConfig
from prep.sources.transcripts.captions import CUE_LINE, WEBVTT, cue_pieces
from prep.sources.transcripts.segments import GLUE, PIECE, ROW, SPEAKER, TIME, WHY, Mark, mark_pieces

_BREAK = r"(?i)<br\s*/?>"
# `Doctor: ...`, with or without a time such as [00:01:02] before it. A name is up to four words, all but the first with a capital, so that
# `My knee hurts: badly` is none; and what follows is no address such as http://.
_NAME = r"\p{L}[\p{L}\p{M}\p{N}_.'’-]{0,30}(?: [\p{Lu}\p{Lt}\p{Lo}\p{N}(][\p{L}\p{M}\p{N}_.'’()-]{0,30}){0,3}"
_MARK = (
    r"^\s*(?:[\[(]?(?P<time>\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?)[\])]?\s*(?:-\s*)?)?"
    rf"\**(?P<speaker>{_NAME})\**\s*[:：]\**\s*(?P<text>(?:[^/\s].*)?)$"
)
_STYLE, _RAW, _TURNS = "#style", "#raw", "#turns"


def add_turns(raw: RawRows, config: TurnsConfig) -> RawRows:
    """Adds a column of turns made of a transcript, as JSON text; a row whose text gives none is rejected as `bad_turns`.

    Raises:
        UserError: the pattern is no regular expression, or has no groups `speaker` and `text`.
    """
    mark = _checked_mark(config)
    columns = raw.frame.with_columns(raw.added) if raw.added.width else raw.frame
    text = columns[config.field] if config.field in columns.columns else pl.Series([None] * columns.height, dtype=pl.String)
    rows = pl.DataFrame([text.alias(PIECE)]).with_row_index(ROW).with_columns(_style_of(pl.col(PIECE), config).alias(_STYLE))
    pieces = pl.concat(
        [
            _marked_pieces(rows.filter(pl.col(_STYLE) == "marks"), config, mark),
            _separated_pieces(rows.filter(pl.col(_STYLE) == "separator"), config, mark),
            cue_pieces(rows.filter(pl.col(_STYLE).is_in(["webvtt", "srt"])), mark),
        ]
    )
    blank = pl.when(pl.col(PIECE).is_null()).then(pl.lit(f"the row has no '{config.field}'")).otherwise(pl.lit("the text holds no turn"))
    result = rows.join(_turn_lists(pieces, config), on=ROW, how="left", maintain_order="left").select(
        raw.frame[LINE], _TURNS, pl.coalesce(WHY, blank).alias(WHY)
    )
    is_good = result[_TURNS].is_not_null()
    rejected = [RejectedRow(line, "bad_turns", why) for line, why in result.filter(~is_good).select(LINE, WHY).iter_rows()]
    turns = result[_TURNS].alias(config.into)
    added = raw.added.with_columns(turns) if raw.added.width else pl.DataFrame([turns])
    return RawRows(raw.frame.filter(is_good), raw.rejected + rejected, added.filter(is_good), raw.unread)


def _checked_mark(config: TurnsConfig) -> Mark:
    pattern = config.pattern or _MARK
    try:
        groups = pl.select(pl.lit("").str.extract_groups(pattern)).to_series().struct.fields
    except pl.exceptions.PolarsError as error:
        cause = f"the pattern is no regular expression: {str(error).strip().splitlines()[-1].removeprefix('error: ')}"
        raise UserError(cause, "turns.pattern", "Mend it; look-around and back-references do not exist here.") from error
    if missing := {"speaker", "text"} - set(groups):
        remedy = r"Write for example '^(?P<speaker>\w+):\s*(?P<text>.*)$'."
        raise UserError(f"the pattern has no group '{min(missing)}'", "turns.pattern", remedy)
    return Mark(f"(?s){pattern}", "time" in groups)


def _style_of(text: pl.Expr, config: TurnsConfig) -> pl.Expr:
    """How a text is divided; null for one that is blank."""
    if config.style != "auto":
        style = pl.lit(config.style)
    else:
        has_separator = pl.lit(True) if config.separator is not None else text.str.contains(_BREAK)
        style = pl.when(text.str.contains(WEBVTT)).then(pl.lit("webvtt")).when(text.str.contains(CUE_LINE)).then(pl.lit("srt"))
        style = style.when(has_separator).then(pl.lit("separator")).otherwise(pl.lit("marks"))
    return pl.when(text.str.contains(r"\S")).then(style)


def _marked_pieces(rows: pl.DataFrame, config: TurnsConfig, mark: Mark) -> pl.DataFrame:
    """A line with a mark begins a turn; one without goes on with the turn before it."""
    lines = pl.col(PIECE).str.split(config.separator) if config.separator else pl.col(PIECE).str.replace_all("\r\n?", "\n").str.split("\n")
    pieces = mark_pieces(rows.select(ROW, lines.alias(_RAW)).explode(_RAW), _RAW, mark)
    start = pl.col(_RAW).first().over(ROW).str.slice(0, 40)
    has_none = pl.col(SPEAKER).first().over(ROW).is_null()
    return pieces.select(
        ROW,
        pl.col(SPEAKER).forward_fill().over(ROW),
        TIME,
        pl.coalesce(PIECE, _RAW).alias(PIECE),
        # A line without a mark is part of a turn, whether or not turns of one speaker are to be joined.
        pl.when(pl.col(SPEAKER).is_null()).then(pl.lit("\n")).alias(GLUE),
        pl.when(has_none).then(pl.format("its first line has no speaker mark: '{}'", start)).alias(WHY),
    )


def _separated_pieces(rows: pl.DataFrame, config: TurnsConfig, mark: Mark) -> pl.DataFrame:
    """Speakers are those of the marks where the turns have marks, else the declared ones in their order."""
    split = pl.col(PIECE).str.split(config.separator) if config.separator else pl.col(PIECE).str.replace_all(_BREAK, "\0").str.split("\0")
    pieces = mark_pieces(rows.select(ROW, split.alias(_RAW)).explode(_RAW), _RAW, mark)
    has_mark = pl.col(SPEAKER).is_not_null()
    # A message may well begin as `Note: ...`: only where all of them do is it a mark, unless the config says what a mark is.
    is_marked = (has_mark.first() if config.pattern else has_mark.all()).over(ROW)
    by_order = _addressed(config) if config.order == "addressed" else _alternating(config)
    pieces = pieces.with_columns(
        pl.when(is_marked).then(pl.col(SPEAKER).forward_fill().over(ROW)).otherwise(by_order).alias(SPEAKER),
        pl.when(is_marked).then(pl.coalesce(PIECE, _RAW)).otherwise(_RAW).alias(PIECE),
        pl.when(is_marked & ~has_mark).then(pl.lit("\n")).alias(GLUE),
    )
    why = pl.when(pl.col(SPEAKER).is_null()).then(pl.lit("no word begins two of its turns, so that nobody knows who is addressed"))
    return pieces.select(ROW, SPEAKER, TIME, PIECE, GLUE, why.alias(WHY))


def _alternating(config: TurnsConfig) -> pl.Expr:
    number = pl.int_range(pl.len()).over(ROW) % len(config.speakers)
    return number.replace_strict(dict(enumerate(config.speakers)), return_dtype=pl.String)


def _addressed(config: TurnsConfig) -> pl.Expr:
    word = pl.col(_RAW).str.extract(r"^(\S+)")
    count = pl.len().over(ROW, word)
    # Between two that are as frequent, the longer: `Hi` begins many an answer.
    name = word.sort_by(count * 1000 + word.str.len_chars(), descending=True, maintain_order=True).first().over(ROW)
    is_first = pl.int_range(pl.len()).over(ROW) == 0
    speaker = pl.when(is_first | (word == name)).then(pl.lit(config.speakers[0])).otherwise(pl.lit(config.speakers[1]))
    return pl.when(count.max().over(ROW) > 1).then(speaker)


def _turn_lists(pieces: pl.DataFrame, config: TurnsConfig) -> pl.DataFrame:
    """Returns row and its turns as JSON, or why there are none."""
    glue = pl.col(GLUE) if not config.join else pl.coalesce(GLUE, pl.when(_is_same(SPEAKER)).then(pl.lit("\n")))
    follows = _is_same(ROW) & glue.is_not_null()
    turns = (
        pieces.with_columns(follows.alias("#follows"), glue.alias(GLUE))
        .with_columns((~pl.col("#follows")).cum_sum().alias("#turn"))
        .group_by(ROW, "#turn", maintain_order=True)
        .agg(
            pl.col(SPEAKER, TIME, WHY).first(),
            pl.concat_str(pl.when("#follows").then(GLUE).otherwise(pl.lit("")), PIECE).str.join("").str.strip_chars().alias(PIECE),
        )
        .filter((pl.col(PIECE) != "") | pl.col(WHY).is_not_null())
        .with_columns(_role(config).alias("#role"))
    )
    parts = [
        pl.lit('{"speaker":'),
        _quoted(SPEAKER),
        pl.when(pl.col("#role").is_not_null()).then(pl.concat_str(pl.lit(',"role":'), _quoted("#role"))).otherwise(pl.lit("")),
        pl.when(pl.col(TIME).is_not_null()).then(pl.concat_str(pl.lit(',"time":'), _quoted(TIME))).otherwise(pl.lit("")),
        pl.lit(',"text":'),
        _quoted(PIECE),
        pl.lit("}"),
    ]
    lists = turns.with_columns(pl.concat_str(parts).alias("#json")).group_by(ROW, maintain_order=True)
    joined = lists.agg(pl.col(WHY).first(), pl.format("[{}]", pl.col("#json").str.join(",")).alias(_TURNS))
    return joined.with_columns(pl.when(pl.col(WHY).is_null()).then(_TURNS).alias(_TURNS))


def _is_same(column: str) -> pl.Expr:
    return (pl.col(column) == pl.col(column).shift()).fill_null(False)


def _role(config: TurnsConfig) -> pl.Expr:
    roles = {name.strip().lower(): role for name, role in config.roles.items() if name != "*"}
    name = pl.col(SPEAKER).str.strip_chars().str.to_lowercase()
    exact, numbered = (
        one.replace_strict(roles, default=None, return_dtype=pl.String) for one in (name, name.str.replace(r"[\s_-]*\d+$", ""))
    )
    return pl.coalesce(exact, numbered, pl.lit(config.roles.get("*"), pl.String))


def _quoted(column: str) -> pl.Expr:
    """A text as JSON writes it."""
    return pl.struct(pl.col(column).alias("a")).struct.json_encode().str.strip_prefix('{"a":').str.strip_suffix("}")
