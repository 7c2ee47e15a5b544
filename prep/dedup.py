"""Which duplicates leave the dataset."""

import polars as pl

from prep.config import DedupConfig
from prep.near import NEAR_DUPLICATE, NEAR_EVAL, mark_near
from prep.rows import ROW_ID, SOURCE, SPLIT
from prep.source import LINE
from prep.split import SPLITS_BY_WORTH, key_of
from prep.write import DROPPED_SCHEMA
from templates.template import Template

_DUPLICATE = "#duplicate"


def remove_duplicates(
    rows: pl.DataFrame, templates: list[Template], config: DedupConfig, ledger_name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Divides rows into those that stay and those that leave (`DROPPED_SCHEMA`), as far as the config asks for it.

    Rows that people added for training leave in any case where they are near an evaluation row.

    Args:
        rows: rows with their split.
        templates: the templates; what they use is what is compared.
        config: what to look for.
        ledger_name: the source name of added rows.
    """
    dropped = [pl.DataFrame(schema=DROPPED_SCHEMA)]
    if config.exact:
        fields = {name for template in templates for name in template.header.inputs}
        rows = _mark_exact(rows, [name for name in fields if name in rows.columns])
        rows = _take_out(rows, _DUPLICATE, "duplicate", "says the same as", dropped)
    rows = mark_near(rows, templates[0].input_fields, ledger_name, config.near)
    rows = _take_out(rows, NEAR_EVAL, "near_eval", "is near the evaluation row at", dropped)
    rows = _take_out(rows, NEAR_DUPLICATE, "near_duplicate", "is near", dropped)
    return rows, pl.concat(dropped)


def _mark_exact(rows: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    """Adds the surviving copy's place to rows whose fields say the same as another's.

    The survivor is the first copy in test, else in validation, else in train, so that an evaluation row is never lost to its copy.
    """
    order = "#order"
    worth = pl.col(SPLIT).cast(pl.Enum(SPLITS_BY_WORTH))
    survivor = pl.col(ROW_ID).sort_by(worth, order).first().over("#key")
    place = pl.format("{}:{}", SOURCE, LINE).sort_by(worth, order).first().over("#key")
    keyed = rows.with_row_index(order).with_columns(key_of(fields).alias("#key"))
    return keyed.with_columns(pl.when(pl.col(ROW_ID) != survivor).then(place).alias(_DUPLICATE)).drop("#key", order)


def _take_out(rows: pl.DataFrame, column: str, reason: str, text: str, dropped: list[pl.DataFrame]) -> pl.DataFrame:
    """Moves the rows whose `column` names another row's place to `dropped`, and returns the others without that column."""
    detail = pl.format("{} {}", pl.lit(text), column)
    leaving = rows.filter(pl.col(column).is_not_null())
    dropped.append(leaving.select(source=SOURCE, line=LINE, id=ROW_ID, reason=pl.lit(reason), detail=detail))
    return rows.filter(pl.col(column).is_null()).drop(column)
